"""Files of microscopes, read by bioio and its readers."""
