"""Opening and pairing of the images for fine-tuning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.discover import find_sources
from napari_clip_denoise.formats.outputs import each_image
from napari_clip_denoise.images.stack import Stack, as_stack


def open_sources(source: Any, axes: str | None = None) -> list[Stack]:
    """Open images lazily.

    Parameters
    ----------
    source : str, Path, array-like, Stack or sequence of these
        A file, a store, a folder of them, an array, or several of these. Of a microscope's file,
        all scenes are opened.
    axes : str, optional
        Axes of all images, one letter per dimension; inferred by default.

    Returns
    -------
    list of Stack
        The images.

    Raises
    ------
    InputError
        If a path does not exist or is not an image.
    """
    if isinstance(source, (str, Path)):
        images = each_image(find_sources([source]))
        return [open_stack(image.path, axes, image.series) for image in images]
    if isinstance(source, Sequence):
        return [stack for part in source for stack in open_sources(part, axes)]
    return [as_stack(source, axes)]


def pair_up(noisy: list[Stack], other: list[Stack], what: str) -> list[tuple[Stack, Stack]]:
    """Pair images by file name, or by order if the names differ.

    Parameters
    ----------
    noisy, other : list of Stack
        Lists of the same length.
    what : str
        Kind of the other images for error messages, such as ``"clean"``.

    Returns
    -------
    list of (Stack, Stack)
        The pairs.

    Raises
    ------
    InputError
        If the images cannot be paired, or the images of a pair differ in size.
    """
    if len(noisy) != len(other):
        raise InputError(
            f"There are {len(noisy)} noisy and {len(other)} {what} images; give one for each."
        )
    by_name = {stack.name: stack for stack in other}
    names = [stack.name for stack in noisy]
    if len(noisy) > 1 and set(by_name) == set(names):
        other = [by_name[name] for name in names]
    for first, second in zip(noisy, other, strict=True):
        if first.shape != second.shape:
            raise InputError(
                f"'{first.name}' has the size {_size(first)}, but its {what} image "
                f"'{second.name}' has {_size(second)}; give pairs of the same size."
            )
    return list(zip(noisy, other, strict=True))


def _size(stack: Stack) -> str:
    return " x ".join(map(str, stack.shape))
