"""Evaluation of denoised images, with and without a known truth."""
