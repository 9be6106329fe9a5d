"""Optional dependencies."""

from collections.abc import Iterator
from contextlib import contextmanager

from napari_clip_denoise.errors import InputError


@contextmanager
def from_extra(extra: str, purpose: str) -> Iterator[None]:
    """Wrap the import of an optional library, to explain how to install it if it is missing.

    Parameters
    ----------
    extra : str
        The extra of this package that installs the library, such as ``"medical"``.
    purpose : str
        The feature that needs the library, such as ``"DICOM files"``.

    Raises
    ------
    InputError
        If the library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{purpose} need {error.name}, which is not installed; "
            f'run: pip install "napari-clip-denoise[{extra}]".'
        ) from error
