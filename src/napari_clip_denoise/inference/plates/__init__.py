"""Plates and other stores of many images, denoised as a whole."""
