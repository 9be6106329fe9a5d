"""Scores of models and classical methods on images whose truth is known."""
