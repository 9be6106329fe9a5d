"""Objectives of a fine-tuning, one module each."""
