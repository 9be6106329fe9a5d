"""Results and the images they were made from."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.viewer.layers import METADATA, images_of, is_derived, shape_of

TOLERANCE = 0.05
"""Largest misalignment of two layers, in pixels."""


def guess_pair(images: list[Image]) -> tuple[Image | None, Image | None]:
    """Return the last result among image layers, after its source; both None if not found."""
    for result in reversed(images):
        name = result.metadata.get(METADATA, {}).get("source")
        for source in images:
            if source != result and source.name == name:
                return source, result
    return None, None


def selected_originals(viewer: ViewerModel) -> list[Image]:
    """List the originals that are selected, or of which a result is selected, bottom to top."""
    names = set()
    for layer in viewer.layers.selection:
        made = layer.metadata.get(METADATA)
        names.add(made.get("source") if made else layer.name)
    return [x for x in images_of(viewer) if not is_derived(x) and x.name in names]


def results_of(images: list[Image], source: Image) -> list[Image]:
    """List the results that were made from an image, from bottom to top."""
    return [
        each
        for each in images
        if each != source
        and (made := each.metadata.get(METADATA, {})).get("source") == source.name
        and "is" not in made
    ]


def pair_with(images: list[Image], layer: Image) -> tuple[Image, Image] | None:
    """Return an image and its result, if a layer is one of the two.

    Parameters
    ----------
    images : list of Image
        The layers to search.
    layer : Image
        A result, or an image, whose topmost visible result is taken.

    Returns
    -------
    tuple of (Image, Image), or None
        The image and its result.
    """
    for source in images:
        if layer in results_of(images, source):
            return source, layer
    results = results_of(images, layer)
    visible = [result for result in results if result.visible]
    return (layer, (visible or results)[-1]) if results else None


def offset_in(outer: Image, inner: Image) -> tuple[int, ...]:
    """Return the position in the outer layer of the first pixel of the inner layer.

    Raises
    ------
    InputError
        If the inner layer is not within the outer one, or their pixels are not aligned.
    """
    shapes = [shape_of(layer) for layer in (outer, inner)]
    refusal = InputError(
        f"The pixels of '{inner.name}' are not aligned with those of '{outer.name}'; choose a "
        "result and the image it was made from."
    )
    if outer.ndim != inner.ndim or outer.rgb != inner.rgb:
        raise refusal
    corners = [np.zeros(inner.ndim), np.array(shapes[1][: inner.ndim]) - 1]
    first, last = (np.array(outer.world_to_data(inner.data_to_world(c))) for c in corners)
    offset = np.rint(first)
    misses = max(np.abs(first - offset).max(), np.abs(last - offset - corners[1]).max())
    is_inside = np.all(offset >= 0) and np.all(last < np.array(shapes[0][: inner.ndim]) - 0.5)
    if misses > TOLERANCE or not is_inside:
        raise refusal
    return (*(int(i) for i in offset), *(0,) * (len(shapes[1]) - inner.ndim))
