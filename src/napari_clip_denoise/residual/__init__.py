"""Check of what was removed from an image: the residual, noisy minus denoised."""
