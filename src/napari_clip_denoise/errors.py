"""Exceptions raised by this package.

Each message is one sentence that says what is wrong and what to do about it, so the command line
and napari can show it unchanged. The functions that users call are marked as a `door`, which turns
any other exception into such a sentence.
"""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from napari_clip_denoise.credentials import without_credentials

ISSUES = "https://github.com/napari-clip-denoise/napari-clip-denoise/issues"
LONGEST_DETAIL = 300
P = ParamSpec("P")
T = TypeVar("T")


class ClipDenoiseError(Exception):
    """Base class of all errors that this package raises deliberately.

    Parameters
    ----------
    message : str
        The sentence to show, kept without the credentials of a URL in it.
    """

    def __init__(self, message: str = ""):
        super().__init__(without_credentials(message))


class InputError(ClipDenoiseError, ValueError):
    """An array, file or setting that cannot be used."""


class OutputError(ClipDenoiseError, OSError):
    """A result that cannot be written to the requested path."""


class ModelError(ClipDenoiseError):
    """A model that is unknown, incomplete, damaged or unsuitable for the input."""


class UntrustedCode(ModelError):
    """A model that holds code, which is run only if the user agrees."""


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


class UnexpectedError(ClipDenoiseError):
    """An exception of another package that nobody foresaw; its cause is the original."""


def door(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function raise only exceptions of this package.

    Wrong argument names still raise a TypeError. An unexpected error is named after the first
    argument, such as the file, and has the original as its cause.
    """
    signature = inspect.signature(function)

    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def through_generator(*args: P.args, **kwargs: P.kwargs) -> Any:
            signature.bind(*args, **kwargs)

            def generate() -> Generator[Any, Any, Any]:
                with _only_ours(_subject(args)):
                    return (yield from function(*args, **kwargs))

            return generate()

        return through_generator

    @wraps(function)
    def through(*args: P.args, **kwargs: P.kwargs) -> T:
        signature.bind(*args, **kwargs)
        with _only_ours(_subject(args)):
            return function(*args, **kwargs)

    return through


def in_words(error: BaseException) -> str:
    """Return the message to show to the user; for errors of other packages, how to report them."""
    return str(_ours(error, ""))


@contextmanager
def _only_ours(subject: str) -> Generator[None, None, None]:
    try:
        yield
    except ClipDenoiseError:
        raise
    except Exception as error:
        raise _ours(error, subject) from error


def _ours(error: BaseException, subject: str) -> ClipDenoiseError:
    """Return the exception of this package that stands for any other."""
    if isinstance(error, ClipDenoiseError):
        return error
    if isinstance(error, MemoryError):
        return DeviceError(
            f"{subject or 'This'} needs more memory than there is; close other programs, or give "
            "a part of the image or smaller tiles."
        )
    return _unexpected(error, subject)


def _unexpected(error: BaseException, subject: str) -> UnexpectedError:
    detail = " ".join(str(error).split())[:LONGEST_DETAIL]
    named = f"{subject}: " if subject else ""
    return UnexpectedError(
        f"{named}{type(error).__name__}{f': {detail}' if detail else ''}. This is not foreseen; "
        f"please report it at {ISSUES}, with the file or the settings."
    )


def _subject(arguments: tuple[Any, ...]) -> str:
    """Name the first argument of a call, if it has a name."""
    first = arguments[0] if arguments else None
    if isinstance(first, (str, Path)):
        return str(first)
    origin = getattr(first, "origin", None)
    if isinstance(origin, str):
        return origin
    return f"The {type(first).__name__} given" if hasattr(first, "shape") else ""
