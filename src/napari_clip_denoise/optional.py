"""Libraries that only some users need."""

from collections.abc import Iterator
from contextlib import contextmanager

from napari_clip_denoise.errors import InputError


@contextmanager
def from_extra(extra: str, purpose: str) -> Iterator[None]:
    """Turn a missing library into one sentence; put around its import.

    Parameters
    ----------
    extra : str
        The optional dependency of this package that brings it.
    purpose : str
        What it is needed for, such as ``"DICOM files"``.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{purpose} need {error.name}, which is not installed; "
            f'run: pip install "napari-clip-denoise[{extra}]".'
        ) from error
