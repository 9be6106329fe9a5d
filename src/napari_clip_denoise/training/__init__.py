"""Training of models on images."""
