"""Forms of settings."""
