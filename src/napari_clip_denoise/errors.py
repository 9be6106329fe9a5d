"""Exceptions raised by this package.

Each message is one sentence that says what is wrong and what to do about it, so that
the command line and napari can show it as it is.
"""


class ClipDenoiseError(Exception):
    """Base class of every error that this package raises on purpose."""


class InputError(ClipDenoiseError, ValueError):
    """An array, a file or a setting that cannot be used as it was given."""


class OutputError(ClipDenoiseError, OSError):
    """A result that cannot be written where it was asked for."""


class ModelError(ClipDenoiseError):
    """A model that is unknown, incomplete, damaged or unfit for the input."""


class DeviceError(ClipDenoiseError):
    """A device that is not there or has too little memory."""


class OutOfDeviceMemory(DeviceError):
    """A batch that does not fit into a device's memory; a smaller one may.

    Attributes
    ----------
    tiles : int
        How many it held.
    """

    def __init__(self, message: str, tiles: int):
        super().__init__(message)
        self.tiles = tiles


class Cancelled(ClipDenoiseError):
    """The run was cancelled by the user; nothing that was unfinished is kept."""


def in_words(error: BaseException) -> str:
    """What to tell a user: our own sentence, or of a foreign error its type, too."""
    if isinstance(error, ClipDenoiseError):
        return str(error)
    return f"{type(error).__name__}: {error}"
