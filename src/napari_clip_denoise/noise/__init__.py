"""Noise models, noise estimation and simulated images, independent of the network."""
