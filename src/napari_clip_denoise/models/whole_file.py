"""Model files that appear under their name only when they are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from napari_clip_denoise.errors import OutputError


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a file to write that takes the target's place once it is complete.

    Raises
    ------
    OutputError
        If there can be no such file; this is found out before the work begins.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.touch()
        yield partial
        partial.replace(target)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"The model could not be written to {target}: {reason}.") from error
    finally:
        partial.unlink(missing_ok=True)
