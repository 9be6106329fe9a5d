"""Assessment of a result without a known truth."""
