"""Denoising of images and stacks of any size."""
