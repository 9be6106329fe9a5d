"""Formatting of numbers for people, and the name and version of this software."""

import math
from importlib.metadata import version


def software() -> str:
    """Return the name and version of this package, as recorded in results."""
    return f"napari-clip-denoise {version('napari-clip-denoise')}"


def image_label(name: str, image: str = "") -> str:
    """Return the name of a file, and of an image in it if it holds several."""
    return f"{name}, {image}" if image else name


def counted(number: int, noun: str) -> str:
    """Format a number of things, such as ``1 plane`` or ``2 planes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_seconds(seconds: float) -> str:
    """Format a duration for people, such as ``2 min 05 s``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def progress_line(*parts: str, seconds_left: float | None = None) -> str:
    """Join parts of a progress message into one line, such as ``3 of 7 files · 20 s left``."""
    left = () if seconds_left is None else (f"{format_seconds(seconds_left)} left",)
    return " · ".join((*parts, *left))


def format_bytes(n_bytes: float) -> str:
    """Format a size for people, such as ``1.4 GiB``."""
    if n_bytes < 2**20:
        return f"{math.ceil(n_bytes / 2**10)} KiB"
    if n_bytes < 0.1 * 2**30:
        return f"{n_bytes / 2**20:.0f} MiB"
    return f"{n_bytes / 2**30:.1f} GiB"
