"""Fine-tuning of a decoder on one's own images."""
