"""Layers that are shown side by side in napari's grid for a while."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.gui.viewer.layers import images_of, remove
from napari_clip_denoise.gui.viewer.placement import Visibility


@dataclass(frozen=True)
class Cell:
    """A cell of the grid.

    Attributes
    ----------
    name : str
        Name of the layer that it shows.
    row, column : int
        Position of the cell.
    rows, columns : int
        Shape of the grid.
    """

    name: str
    row: int
    column: int
    rows: int
    columns: int


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

    def add(self, layer: Image, details: str) -> Iterator[None]:
        """Show one more layer; the first is at the top left.

        Parameters
        ----------
        layer : Image
            The layer.
        details : str
            Its name, time and scores.

        Yields
        ------
        None
            After each step.
        """
        grid = self._grid
        if self._before is None:
            self._before = grid.enabled, grid.stride
            self._hidden.hide(images_of(self._viewer))
        grid.enabled = False  # napari lays out a grid that is on several times for each new layer
        self._viewer.add_layer(layer)
        self._tiles[layer] = details
        grid.stride = 1 if self._is_new else -1
        grid.enabled = True
        yield
        self._on_change()

    def clear(self) -> Iterator[None]:
        """Leave the grid, then remove the tiles; yields after each step."""
        self._leave()
        yield
        for layer in self.layers:
            if layer in self._viewer.layers:
                remove(self._viewer, layer)
                yield

    def cells(self) -> list[Cell]:
        """Return the cell of each tile that is visible; none in older versions of napari."""
        grid, layers = self._grid, self._viewer.layers
        if not (self._is_new and grid.enabled):
            return []
        shape = grid.actual_shape(layers)
        found = [(tile, grid.position(layers.index(tile), layers)) for tile in self._tiles]
        return [Cell(tile.name, *place, *shape) for tile, place in found if tile.visible]

    @property
    def _is_new(self) -> bool:
        """Whether this napari has a grid that knows the cells of layers."""
        return hasattr(self._viewer, "canvas")

    @property
    def _grid(self) -> Any:
        return self._viewer.canvas.grid if self._is_new else self._viewer.grid

    def _see_removal(self, event: Any) -> None:
        if event.value not in self._tiles:
            return
        del self._tiles[event.value]
        if not self._tiles:
            self._leave()
        self._on_change()

    def _leave(self) -> None:
        """Show what was visible before, instead of the tiles."""
        if self._before is None:
            return
        grid = self._grid
        grid.enabled = False
        for tile in self._tiles:
            tile.visible = False
        self._hidden.restore()
        grid.enabled, grid.stride = self._before
        self._before = None
