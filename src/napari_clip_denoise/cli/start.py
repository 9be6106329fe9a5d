"""The first moment of ``clip-denoise``, in which Ctrl-C must be answered, too."""

import sys

CANCELLED = 130


def main() -> None:
    """Import the commands and run them; Ctrl-C while they are imported ends with a sentence."""
    try:
        from napari_clip_denoise.cli.app import main as run

        run()
    except KeyboardInterrupt:
        print("Cancelled; nothing was started.", file=sys.stderr)
        sys.exit(CANCELLED)
