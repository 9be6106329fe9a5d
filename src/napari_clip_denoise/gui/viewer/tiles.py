"""Layers that are shown side by side in napari's grid for a while."""

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.gui.viewer.layers import remove


class Tiles:
    """Layers in the grid; once they are gone, the grid is as before.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    on_change : callable
        Called when tiles were added or removed.
    """

    def __init__(self, viewer: ViewerModel, on_change: Callable[[], object]):
        self._viewer = viewer
        self._on_change = on_change
        self._layers: list[Image] = []
        self._before: tuple[bool, int] | None = None
        viewer.layers.events.removed.connect(self._see_removal)

    @property
    def layers(self) -> list[Image]:
        """The tiles."""
        return list(self._layers)

    def add(self, layer: Image) -> None:
        """Show one more layer."""
        grid = self._grid
        if self._before is None:
            self._before = grid.enabled, grid.stride
        self._viewer.add_layer(layer)
        self._layers.append(layer)
        grid.enabled, grid.stride = True, -1
        self._on_change()

    def clear(self) -> None:
        """Remove all tiles."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                remove(self._viewer, layer)

    @property
    def _grid(self) -> Any:
        viewer = self._viewer
        return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid

    def _see_removal(self, event: Any) -> None:
        if event.value not in self._layers:
            return
        self._layers.remove(event.value)
        if not self._layers and self._before is not None:
            self._grid.enabled, self._grid.stride = self._before
            self._before = None
        self._on_change()
