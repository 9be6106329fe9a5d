"""Layers that are shown side by side in napari's grid for a while, each with its name on it."""

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.gui.viewer.layers import images_of, remove
from napari_clip_denoise.gui.viewer.placement import Visibility

FEW = 4
FONT_SIZE, SMALL_FONT_SIZE = 10, 7


class Tiles:
    """Layers that take the place of all other images; once they are gone, all is as before.

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
        self._tiles: dict[Image, str] = {}
        self._before: tuple[bool, int] | None = None
        self._hidden = Visibility(viewer)
        viewer.layers.events.removed.connect(self._see_removal)

    @property
    def layers(self) -> list[Image]:
        """The tiles."""
        return list(self._tiles)

    @property
    def details(self) -> list[str]:
        """The name, time and scores of each tile, in words."""
        return list(self._tiles.values())

    def add(self, layer: Image, details: str) -> None:
        """Show one more layer; the first is at the top left."""
        grid = self._grid
        if self._before is None:
            self._before = grid.enabled, grid.stride
            self._hidden.hide(images_of(self._viewer))
        self._viewer.add_layer(layer)
        self._tiles[layer] = details
        self._name_tiles()
        is_reversed = not hasattr(self._viewer, "canvas")  # in older versions of napari
        grid.enabled, grid.stride = True, -1 if is_reversed else 1
        self._on_change()

    def clear(self) -> None:
        """Remove all tiles."""
        for layer in self.layers:
            if layer in self._viewer.layers:
                remove(self._viewer, layer)

    def _name_tiles(self) -> None:
        """Write names on the tiles, small enough for their width; older napari cannot."""
        for tile in self._tiles:
            if hasattr(tile, "name_overlay"):
                size = FONT_SIZE if len(self._tiles) <= FEW else SMALL_FONT_SIZE
                tile.name_overlay.font_size = size
                tile.name_overlay.visible = True

    @property
    def _grid(self) -> Any:
        viewer = self._viewer
        return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid

    def _see_removal(self, event: Any) -> None:
        if event.value not in self._tiles:
            return
        del self._tiles[event.value]
        if not self._tiles and self._before is not None:
            self._grid.enabled, self._grid.stride = self._before
            self._before = None
            self._hidden.restore()
        self._on_change()
