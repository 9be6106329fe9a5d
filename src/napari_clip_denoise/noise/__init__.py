"""What noise is, without any network: models that make it and simulated images."""
