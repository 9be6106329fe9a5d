"""Models on disk: card, checkpoint, import, export and registry."""
