"""Layers that show the result of a run while it is computed, and in place of its source."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_clip_denoise.gui.viewer.layers import METADATA, images_of, remove, result_arguments
from napari_clip_denoise.gui.viewer.naming import free_name, result_name
from napari_clip_denoise.gui.viewer.origin import results_of
from napari_clip_denoise.gui.viewer.placement import covers, place_above
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import as_dask


@dataclass(frozen=True)
class Target:
    """A layer that is denoised in a run.

    Attributes
    ----------
    source : Image
        The layer.
    region : tuple of slice
        Part of the layer that is denoised.
    channel : (int, int) or None
        Channel axis of the run's result and the layer's position along it; None if the result is
        that of the layer alone.
    """

    source: Image
    region: Region
    channel: tuple[int, int] | None = None

    def part_of(self, array: Any) -> Any:
        """Return the layer's part of the run's result, without reading it."""
        if self.channel is None:
            return array
        axis, position = self.channel
        lazy = array if isinstance(array, np.ndarray) else as_dask(array, array.chunks)
        return lazy[(slice(None),) * axis + (position,)]

    def record(self, made: dict[str, Any]) -> dict[str, Any]:
        """Return the record of how the layer's result was made."""
        mapping = made["intensity_mapping"]
        if self.channel is not None:
            mapping = mapping[self.channel[1] : self.channel[1] + 1]
        return made | {"source": self.source.name, "intensity_mapping": mapping}


class Results:
    """The result layers of a run.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer with the layers.
    targets : sequence of Target
        The layers that are denoised.
    on_deleted : callable
        Called if the user deletes one of the result layers while it is computed.
    """

    def __init__(
        self, viewer: ViewerModel, targets: Sequence[Target], on_deleted: Callable[[], object]
    ):
        self._viewer = viewer
        self._targets = targets
        self._on_deleted = on_deleted
        self._layers: list[Image] = []

    @property
    def name(self) -> str:
        """Name of the first layer that is denoised."""
        return self._targets[0].source.name

    def begin(self, array: Any, made: dict[str, Any]) -> Iterator[None]:
        """Add a hidden layer for each target, right above its source and earlier results.

        Parameters
        ----------
        array : array-like
            The pixels of the run's result, as far as they are computed.
        made : dict
            Record of how the result is made.

        Yields
        ------
        None
            After each step.
        """
        self._viewer.layers.events.removed.connect(self._see_removal)
        for target in self._targets:
            source, region = target.source, target.region
            record = target.record(made)
            taken = {layer.name for layer in self._viewer.layers}
            name = free_name(result_name(source, record, region), taken)
            arguments = result_arguments(source, name, record, region)
            layer = Image(target.part_of(array), **arguments, visible=False, cache=False)
            yield
            images = images_of(self._viewer)
            own = [source, *results_of(images, source)] if source in images else images
            place_above(self._viewer, layer, own)
            self._layers.append(layer)
            yield

    def refresh(self) -> None:
        """Show what was computed since the last call."""
        for layer in self._layers:
            layer.refresh()

    def finish(self, array: Any, checked: dict[str, Any]) -> Iterator[None]:
        """Show the complete result instead of the sources, also among the selected layers.

        Parameters
        ----------
        array : array-like
            The pixels of the run's result.
        checked : dict
            Record of its check, which is added to that of how it was made; empty for none.

        Yields
        ------
        None
            After each step.
        """
        self._let_go()
        shown = []
        for target, layer in zip(self._targets, self._layers, strict=True):
            if layer not in self._viewer.layers:
                continue
            layer.metadata[METADATA] |= checked
            if not isinstance(array, np.ndarray):
                layer.data = target.part_of(array)
                yield
            layer.visible = True
            layer.refresh()
            if not covers(target.source):
                target.source.visible = False
            shown.append(layer)
            yield
        selection = set(self._viewer.layers.selection)
        sources = {target.source for target in self._targets}
        if shown and (sources & selection or not selection):
            self._viewer.layers.selection = (selection - sources) | set(shown)

    def discard(self) -> Iterator[None]:
        """Remove the layers; yields after each."""
        self._let_go()
        for layer in self._layers:
            if layer in self._viewer.layers:
                remove(self._viewer, layer)
                yield

    def _let_go(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._see_removal)

    def _see_removal(self, event: Any) -> None:
        if event.value in self._layers:
            self._on_deleted()
