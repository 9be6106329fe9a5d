"""Denoising of a plane with the planes before and after it."""
