"""Order and visibility of layers that show the same image, so that one does not falsify another."""

from collections.abc import Iterable

from napari.components import ViewerModel
from napari.layers import Image, Layer

COVERING = ("opaque", "translucent", "translucent_no_depth")
"""Blending modes in which a layer hides what is below it."""


def covers(layer: Layer) -> bool:
    """Return whether a layer hides the layers below it instead of mixing with them."""
    return str(layer.blending) in COVERING and layer.opacity == 1


def place_above(viewer: ViewerModel, layer: Layer, others: Iterable[Layer]) -> None:
    """Insert a layer directly above the topmost of other layers, without selecting it.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the other layers.
    layer : Layer
        Layer to insert.
    others : iterable of Layer
        Layers to stay below it; if there are none, the layer is inserted at the bottom.
    """
    selected = set(viewer.layers.selection)
    above = 1 + max((viewer.layers.index(other) for other in others), default=-1)
    viewer.layers.insert(above, layer)
    viewer.layers.selection = selected


def raise_above_images(viewer: ViewerModel, layer: Layer) -> None:
    """Move a layer above all other images; points, shapes and labels may stay above it."""
    index = viewer.layers.index(layer)
    last = max(i for i, other in enumerate(viewer.layers) if isinstance(other, Image))
    if index < last:
        viewer.layers.move(index, last + 1)


class Visibility:
    """Visibility of layers that is changed for a while.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    """

    def __init__(self, viewer: ViewerModel):
        self._viewer = viewer
        self._before: list[tuple[Layer, bool]] = []

    @property
    def is_changed(self) -> bool:
        """True until `restore` is called after a change."""
        return bool(self._before)

    def show(self, layers: Iterable[Layer], is_visible: bool = True) -> None:
        """Show or hide layers until `restore` is called."""
        for layer in layers:
            self._before.append((layer, layer.visible))
            layer.visible = is_visible

    def hide(self, layers: Iterable[Layer]) -> None:
        """Hide layers until `restore` is called."""
        self.show(layers, False)

    def restore(self) -> None:
        """Give each layer that still exists its earlier visibility."""
        for layer, was_visible in reversed(self._before):
            if layer in self._viewer.layers:
                layer.visible = was_visible
        self._before.clear()
