"""Fine-tuning of a decoder on the user's own images."""
