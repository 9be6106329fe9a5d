"""Denoising of a single region."""
