"""How an image was opened."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Opening:
    """The arguments of `formats.open_stack` that opened a stack.

    Attributes
    ----------
    source : str
        Absolute path, or URL.
    axes : str or None
        Axes, if they were given.
    series : int or None
        Number of the image within the file, if it was given.
    """

    source: str
    axes: str | None = None
    series: int | None = None
