"""Arrays and files: axes, intensity mapping, lazy readers and writers."""
