"""Denoise microscopy and medical images with frozen CLIP features (work in progress)."""
