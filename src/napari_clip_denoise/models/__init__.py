"""What a model is on disk: card, checkpoint, import and registry."""
