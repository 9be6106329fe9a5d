"""The command ``clip-denoise``: a thin file a command."""
