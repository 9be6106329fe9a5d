"""How an image was opened."""

from dataclasses import dataclass

from napari_clip_denoise.credentials import without_credentials


@dataclass(frozen=True)
class Opening:
    """The arguments of `formats.open_stack` that opened a stack.

    Attributes
    ----------
    source : str
        Absolute path, or URL, perhaps with credentials; see `shown`.
    axes : str or None
        Axes, if they were given.
    series : int or None
        Number of the image within the file, if it was given.
    """

    source: str
    axes: str | None = None
    series: int | None = None

    @property
    def shown(self) -> str:
        """The source without credentials, for records and messages."""
        return without_credentials(self.source)

    def __repr__(self) -> str:
        return f"Opening({self.shown!r}, axes={self.axes!r}, series={self.series!r})"
