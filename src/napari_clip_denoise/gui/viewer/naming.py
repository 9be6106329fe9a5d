"""Names of results, which tell results of the same image apart."""

from itertools import chain, count
from typing import Any

from napari.layers import Image

from napari_clip_denoise.gui.viewer.layers import axes_of, shape_of
from napari_clip_denoise.images.axes import leading_axes
from napari_clip_denoise.images.intensity import DEFAULT_INTENSITY
from napari_clip_denoise.images.intensity_methods import intensity_label
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.models.folder import DEFAULT_MODEL, RGB_MODEL


def result_name(layer: Image, made: dict[str, Any], region: Region) -> str:
    """Return a name for a result, such as ``cells denoised 50 %, my-microscope, z 3``.

    Parameters
    ----------
    layer : Image
        The source.
    made : dict
        Record of how the result was made, from `inference.provenance`.
    region : tuple of slice
        Part of the layer that the result covers.

    Returns
    -------
    str
        The name of the layer and all that differs from the defaults.
    """
    settings = made["settings"]
    strength, intensity = settings["strength"], settings["intensity"]
    details = []
    if made["model"] not in (DEFAULT_MODEL, RGB_MODEL):
        details.append(made["model"])
    if intensity != DEFAULT_INTENSITY:
        details.append(_in_text(intensity_label(intensity)))
    if settings["self_ensemble"]:
        details.append("self-ensemble")
    for axis, part, size in zip(
        leading_axes(axes_of(layer)), region, shape_of(layer), strict=False
    ):
        if part.stop - part.start < size:
            details.append(f"{axis} {part.start}")
    name = f"{layer.name} denoised" if strength == 1 else f"{layer.name} denoised {strength:.0%}"
    return ", ".join([name.replace("%", " %"), *details])


def free_name(name: str, taken: set[str]) -> str:
    """Return a name, or ``name, run 2`` and so on if there is such a layer already."""
    names = chain([name], (f"{name}, run {number}" for number in count(2)))
    return next(each for each in names if each not in taken)


def _in_text(label: str) -> str:
    """Return a label without its capital letter, unless it begins with an abbreviation."""
    return label if label[1:2].isupper() else f"{label[:1].lower()}{label[1:]}"
