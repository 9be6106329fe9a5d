"""Parts of the panels."""
