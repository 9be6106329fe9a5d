"""Atomic writing of model files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from napari_clip_denoise.errors import OutputError


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write, which is moved to the target once it is complete.

    Raises
    ------
    OutputError
        If the target cannot be written, which is checked before yielding.
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
