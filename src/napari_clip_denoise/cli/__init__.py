"""The command ``clip-denoise``, with a small module for each subcommand."""
