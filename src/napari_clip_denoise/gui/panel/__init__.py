"""Shared parts of all panels."""
