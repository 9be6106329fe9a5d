"""Whether a result is good."""
