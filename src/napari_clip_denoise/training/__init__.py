"""From images to a model."""
