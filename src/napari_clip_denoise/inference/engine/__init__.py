"""How one region becomes clean."""
