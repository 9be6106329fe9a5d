"""Judging a result without a truth."""
