"""Errors of readers: whatever a library raises for a damaged file is an error of that file."""

from collections.abc import Iterator
from contextlib import contextmanager

from napari_clip_denoise.errors import ClipDenoiseError, InputError


@contextmanager
def file_errors(message: str) -> Iterator[None]:
    """Raise an InputError with a message, a sentence, for any error of a reader.

    Raises
    ------
    InputError
        If the context raises anything but exceptions of this package.
    """
    try:
        yield
    except ClipDenoiseError:
        raise
    except Exception as error:  # decoders raise all kinds of errors for damaged files
        raise InputError(message) from error
