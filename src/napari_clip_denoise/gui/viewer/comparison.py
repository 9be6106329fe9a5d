"""Comparison of finished results with the images they were made from, in place."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.gui.viewer.layers import (
    PREVIEW,
    images_of,
    remove,
    result_arguments,
    shows_planes,
    stack_of,
)
from napari_clip_denoise.gui.viewer.origin import offset_in, pair_with, results_of
from napari_clip_denoise.gui.viewer.placement import Visibility, place_above
from napari_clip_denoise.gui.viewer.region_of_interest import visible_part

FOLLOWED = ("gamma", "interpolation2d", "opacity")
FOLLOWED_UNLESS_RGB = ("colormap", "contrast_limits")


@dataclass
class Divided:
    """A layer that shows an image left of the curtain and its result right of it."""

    source: Image
    result: Image
    layer: Image
    drawn: tuple[object, ...] = ()


class Comparison:
    """Shows an image instead of its result, as a whole or left of a curtain.

    All work is done in the main thread. `tick` follows the sliders, pan and zoom, and has to be
    called repeatedly while the curtain is drawn.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    choose : callable
        Returns the image layers to compare: originals or results.
    """

    def __init__(self, viewer: ViewerModel, choose: Callable[[], list[Image]]):
        self._viewer = viewer
        self._choose = choose
        self._held = Visibility(viewer)
        self._hidden = Visibility(viewer)
        self._divided: list[Divided] = []
        self.curtain = 0.0

    def pairs(self) -> list[tuple[Image, Image]]:
        """Return each chosen image and its result, if there is one."""
        images = images_of(self._viewer)
        found = [pair_with(images, layer) for layer in self._choose()]
        return [pair for pair in found if pair is not None]

    def hold(self, also: Layer | None = None) -> None:
        """Show only the originals, until `release`; hides one more layer, such as a preview."""
        images = images_of(self._viewer)
        pairs = self.pairs()
        sources = [source for source, _ in pairs] or [x for x in self._choose() if x in images]
        self._held.hide([] if also is None else [also])
        self._held.hide([divided.layer for divided in self._divided])
        self._held.hide([result for each in sources for result in results_of(images, each)])
        self._held.show(sources)

    def release(self) -> None:
        """Show what was visible before `hold`."""
        self._held.restore()

    def tick(self) -> None:
        """Draw the curtain over the results that are visible; remove it if it is open."""
        pairs = self.pairs() if self.curtain and shows_planes(self._viewer) else []
        if [(each.source, each.result) for each in self._divided] != pairs:
            self.stop()
            self._divided = [each for pair in pairs if (each := self._divide(*pair)) is not None]
        for divided in self._divided:
            self._draw(divided)

    def stop(self) -> None:
        """Remove the curtain and show the results as before."""
        for divided in self._divided:
            if divided.layer in self._viewer.layers:
                remove(self._viewer, divided.layer)
        self._divided = []
        self._hidden.restore()

    def _divide(self, source: Image, result: Image) -> Divided | None:
        if not result.visible:
            return None
        try:
            region, pixels = self._pixels(source, result)
        except InputError:  # moved since, so there is nothing to compare pixel by pixel
            return None
        arguments = result_arguments(result, f"{result.name} curtain", {PREVIEW: True}, region)
        layer = Image(pixels, **arguments)
        place_above(self._viewer, layer, [result])
        self._hidden.hide([result])
        return Divided(source, result, layer)

    def _draw(self, divided: Divided) -> None:
        result, layer = divided.result, divided.layer
        state = (visible_part(self._viewer, result, stack_of(result)), self.curtain)
        if layer in self._viewer.layers and state != divided.drawn:
            region, pixels = self._pixels(divided.source, result)
            layer.data = pixels
            layer.translate = result_arguments(result, "", {}, region)["translate"]
            divided.drawn = state
        follow(layer, result)

    def _pixels(self, source: Image, result: Image) -> tuple[tuple[slice, ...], np.ndarray]:
        """Return the visible part of a result, divided by the curtain."""
        stack = stack_of(result)
        region = visible_part(self._viewer, result, stack)
        moved = tuple(
            slice(part.start + shift, part.stop + shift)
            for part, shift in zip(region, offset_in(source, result), strict=True)
        )
        axis = len(stack.leading_shape) + 1
        return region, divide(
            stack_of(source).read(moved), stack.read(region), self.curtain, axis=axis
        )


def divide(noisy: np.ndarray, denoised: np.ndarray, curtain: float, *, axis: int) -> np.ndarray:
    """Return the noisy image left of a curtain and the denoised image right of it.

    Parameters
    ----------
    noisy, denoised : numpy.ndarray
        The images, of the same shape.
    curtain : float
        Position of the curtain as a fraction of the width.
    axis : int
        The axis of the columns.
    """
    cut = round(curtain * denoised.shape[axis])
    left = (slice(None),) * axis + (slice(cut),)
    divided = denoised.copy()
    divided[left] = noisy[left]
    return divided


def follow(layer: Image, source: Image) -> None:
    """Copy the contrast and colours of another layer, which may change at any time."""
    for name in FOLLOWED if source.rgb else FOLLOWED + FOLLOWED_UNLESS_RGB:
        value = getattr(source, name)
        if getattr(layer, name) != value:
            setattr(layer, name, value)
