"""The live preview, without any widget: a layer that shows the visible part denoised."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.errors import ClipDenoiseError
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.viewer.comparison import divide, follow
from napari_clip_denoise.gui.viewer.layers import (
    PREVIEW,
    images_of,
    remove,
    result_arguments,
    stack_of,
)
from napari_clip_denoise.gui.viewer.origin import results_of
from napari_clip_denoise.gui.viewer.placement import (
    Visibility,
    covers,
    place_above,
    raise_above_images,
)
from napari_clip_denoise.gui.viewer.region_of_interest import region_of_interest
from napari_clip_denoise.gui.workers.preview import Failure, Previewer
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.inference.preview import Preview, View, central_part
from napari_clip_denoise.inference.settings import DenoiseSettings


class LivePreview:
    """Maintains a layer over an image that shows the visible region denoised.

    All work is done in `tick`, which the owner calls repeatedly in the main thread. It receives
    results from the worker, checks what is on screen, and requests a new preview if the view did
    not change between two calls. It therefore follows every change, whatever the cause, and never
    blocks.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    choose : callable
        Returns the image layer and the settings of a run; may raise `ClipDenoiseError`.
    """

    def __init__(
        self, viewer: ViewerModel, choose: Callable[[], tuple[Image, DenoiseSettings]]
    ) -> None:
        self._viewer = viewer
        self._choose = choose
        self._made: SimpleQueue[Preview | Failure] = SimpleQueue()
        self._previewer = Previewer(self._made.put)
        self._source: Image | None = None
        self._seen: View | None = None
        self._asked: View | None = None
        self._settled: View | None = None
        self._preview: Preview | None = None
        self._drawn: tuple[object, ...] = ()
        self._hidden = Visibility(viewer)
        self.layer: Image | None = None
        self.is_on = False
        self.is_paused = False
        self.curtain = 0.0
        self.message = ""

    @property
    def is_working(self) -> bool:
        """True while a preview is being computed."""
        return self.is_on and self._asked is not None

    def start(self) -> None:
        """Start following the screen."""
        keep_triton_out()
        self.is_on = True
        self.message = "Preview: loading the model and measuring intensities …"

    def stop(self) -> None:
        """Cancel the current preview and remove the layer."""
        self._previewer.cancel()
        self._forget()
        self.is_on = False
        self.message = ""

    def tick(self) -> None:
        """Update the preview to match the screen; return at once."""
        if not self.is_on:
            return
        if self.layer is not None and self.layer not in self._viewer.layers:
            self.stop()
            return
        self._receive()
        try:
            source, settings = self._choose()
            view = self._look(source, settings)
        except ClipDenoiseError as error:
            self._previewer.cancel()
            self._forget()
            self.message = str(error)
            return
        if source != self._source:
            self._forget()
            self._source = source
        self._ask_if_steady(view)
        self._draw(settings.strength)

    def keep(self) -> None:
        """Add the previewed region as a permanent layer."""
        if self._preview is None or self._source is None or self.layer is None:
            return
        preview, source, strength = self._preview, self._source, self._choose()[1].strength
        arguments = result_arguments(
            source,
            f"{source.name} previewed",
            preview.provenance(strength),
            preview.view.region,
        )
        self._viewer.add_image(preview.pixels(strength), **arguments)

    def _receive(self) -> None:
        try:
            made = self._made.get_nowait()
        except Empty:
            return
        if not made.view.needs_same_work_as(self._asked):
            return
        self._asked, self._settled = None, made.view
        if isinstance(made, Failure):
            self._remove_layer()
            self._preview = None
            self.message = made.message
        else:
            self._preview = made
            self.message = _describe(made)

    def _ask_if_steady(self, view: View) -> None:
        is_steady = view.needs_same_work_as(self._seen)
        self._seen = view
        if not is_steady or self.is_paused or view.needs_same_work_as(self._asked):
            return
        if view.needs_same_work_as(self._settled):
            self._previewer.cancel()
            self._asked = None
            return
        self._asked = view
        self._previewer.request(view)

    def _look(self, layer: Image, settings: DenoiseSettings) -> View:
        """Return the visible part of a layer."""
        stack = stack_of(layer)
        wanted = region_of_interest(self._viewer, layer, stack)
        region = central_part(wanted, 3 if stack.is_rgb else 2)
        return View(stack, region, settings, is_cropped=region != wanted)

    def _draw(self, strength: float) -> None:
        preview, source = self._preview, self._source
        if preview is None or source is None:
            return
        state = (preview, strength, self.curtain)
        if state != self._drawn:
            view, pixels = preview.view, preview.pixels(strength)
            if self.curtain:
                noisy, axis = view.stack.read(view.region), len(view.stack.leading_shape) + 1
                pixels = divide(noisy, pixels, self.curtain, axis=axis)
            self._show(source, view.region, pixels, preview.provenance(strength))
            self._drawn = state
        if self.layer is not None:
            raise_above_images(self._viewer, self.layer)
            follow(self.layer, source)

    def _show(self, source: Image, region: Region, pixels: np.ndarray, how: dict[str, Any]) -> None:
        arguments = result_arguments(
            source, f"{source.name} preview", how | {PREVIEW: True}, region
        )
        if self.layer is None:
            images = images_of(self._viewer)
            if not covers(source):
                self._hidden.hide([source, *results_of(images, source)])
            self.layer = Image(pixels, **arguments)
            place_above(self._viewer, self.layer, images)
            return
        self.layer.data = pixels
        self.layer.translate = arguments["translate"]
        self.layer.metadata = arguments["metadata"]

    def _forget(self) -> None:
        self._remove_layer()
        self._source = self._seen = self._asked = self._settled = self._preview = None
        self._drawn = ()

    def _remove_layer(self) -> None:
        if self.layer is not None and self.layer in self._viewer.layers:
            remove(self._viewer, self.layer)
        self._hidden.restore()
        self.layer = None
        self._drawn = ()


def _describe(preview: Preview) -> str:
    view = preview.view
    axis = len(view.stack.leading_shape)
    height, width = (part.stop - part.start for part in view.region[axis : axis + 2])
    where = "whole plane"
    if (height, width) != view.stack.plane_shape:
        where = f"{width} x {height} px"
    if view.is_cropped:
        where = f"central {where}; zoom in to see the rest"
    return f"Preview: {where} · {preview.seconds:.1f} s"
