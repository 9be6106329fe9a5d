"""Pairs of a noisy layer and its result, as they are checked."""

from typing import Any

from napari.layers import Image

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formatting import software
from napari_clip_denoise.gui.viewer.layers import METADATA, stack_of
from napari_clip_denoise.gui.viewer.origin import offset_in
from napari_clip_denoise.images.axes import neighbour_axis
from napari_clip_denoise.inference.settings import DenoiseSettings


def settings_of(result: Image) -> DenoiseSettings:
    """Return the settings that a result was made with.

    Raises
    ------
    InputError
        If the layer is not a result of this plugin.
    """
    values = result.metadata.get(METADATA, {}).get("settings")
    if values is None:
        raise InputError(
            f"It is not known how '{result.name}' was made; choose a result of the Denoise panel."
        )
    return DenoiseSettings.model_validate(values)


def derived_from(noisy: Image, denoised: Image, what: str) -> dict[str, Any]:
    """Return the metadata of a layer that was made from a pair.

    Parameters
    ----------
    noisy, denoised : Image
        The pair of layers.
    what : str
        Description of the new layer.

    Returns
    -------
    dict
        Record of how the layer was made.
    """
    return {
        "software": software(),
        "is": what,
        "noisy": noisy.name,
        "denoised": denoised.name,
        "denoised_by": dict(denoised.metadata.get(METADATA, {})),
    }


def pair_of(noisy: Image, denoised: Image, reference: Image | None) -> dict[str, Any]:
    """Return the arguments of a `Pair` that layers make.

    Parameters
    ----------
    noisy, denoised : Image
        The source and the result.
    reference : Image or None
        The truth or a much less noisy image.

    Returns
    -------
    dict
        The stacks and their relative position.

    Raises
    ------
    InputError
        If the pixels of the denoised layer are not aligned with those of the others.
    """
    stack = stack_of(noisy)
    context, axis = _context_of(denoised, stack.axes)
    return {
        "noisy": stack,
        "denoised": stack_of(denoised),
        "offset": offset_in(noisy, denoised),
        "reference": None if reference is None else stack_of(reference),
        "reference_offset": () if reference is None else offset_in(reference, denoised),
        "context": context,
        "context_axis": axis,
        "context_align": bool(_made(denoised).get("context_align")),
    }


def _context_of(denoised: Image, axes: str) -> tuple[int, int]:
    """Return how many planes on each side a result may have been made with, and their axis.

    Of a result by another tool, it is checked whether the nearest planes show through.
    """
    made = _made(denoised)
    context = made.get("context", 0)
    try:
        return context, neighbour_axis(axes, made.get("context_axis")) if context else 0
    except InputError:
        return 0, 0


def _made(denoised: Image) -> dict[str, Any]:
    """Return the settings that a result was made with, or what another tool may have done."""
    made: dict[str, Any] = denoised.metadata.get(METADATA, {}).get("settings", {"context": 1})
    return made
