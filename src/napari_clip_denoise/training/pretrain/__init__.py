"""Training of models from recipes."""
