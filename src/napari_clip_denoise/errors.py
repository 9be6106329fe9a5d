"""Exceptions raised by this package.

Each message is one sentence that says what is wrong and what to do about it, so the command line
and napari can show it unchanged.
"""


class ClipDenoiseError(Exception):
    """Base class of all errors that this package raises deliberately."""


class InputError(ClipDenoiseError, ValueError):
    """An array, file or setting that cannot be used."""


class OutputError(ClipDenoiseError, OSError):
    """A result that cannot be written to the requested path."""


class ModelError(ClipDenoiseError):
    """A model that is unknown, incomplete, damaged or unsuitable for the input."""


class DeviceError(ClipDenoiseError):
    """A device that is unavailable or has too little memory."""


class OutOfDeviceMemory(DeviceError):
    """A batch that does not fit into a device's memory; a smaller one may.

    Parameters
    ----------
    message : str
        Error message for the user.
    tiles : int
        Number of tiles in the batch.
    """

    def __init__(self, message: str, tiles: int):
        super().__init__(message)
        self.tiles = tiles


class Cancelled(ClipDenoiseError):
    """The user cancelled the run; unfinished work is discarded."""


def in_words(error: BaseException) -> str:
    """Return the message to show to the user, prefixed by the type for errors of other packages."""
    if isinstance(error, ClipDenoiseError):
        return str(error)
    return f"{type(error).__name__}: {error}"
