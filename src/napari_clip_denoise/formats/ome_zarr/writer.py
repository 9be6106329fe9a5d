"""Writing OME-Zarr stores, region by region and in as many sittings as it takes."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import OmeVersion, PartialFile, remove
from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout
from napari_clip_denoise.formats.ome_zarr.metadata import image_metadata, omero_metadata
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid, create_pyramid, open_pyramid
from napari_clip_denoise.formats.ome_zarr.reader import OWN_KEY
from napari_clip_denoise.formats.ome_zarr.resume import FOLDER, Manifest, difference
from napari_clip_denoise.images.regions import Region, count, number
from napari_clip_denoise.images.stack import Stack, as_dask


class OmeZarrWriter(PartialFile):
    """Writes an OME-Zarr store with its pyramid; a region is a shard and is written at once.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels.
    attributes : dict
        How the result was made; stored in the group's attributes.
    fingerprint : dict, optional
        What decides the pixels. An unfinished store of the same is resumed; one of another is
        replaced if `overwrite` says so, and else refused. Without it, a store is begun anew.
    adopt : tuple of str
        Entries of `fingerprint` that a run which is resumed decides, whatever they are now.
    share : (int, int)
        Write part `i` of `n` only, counted from 0; the last one to end makes the store whole.
    ome_version : str
        ``"0.5"`` (sharded) or ``"0.4"``.

    Raises
    ------
    InputError
        If OME-Zarr cannot hold such an image.
    OutputError
        If the place cannot be used, or another run is at work on it.
    """

    can_resume = True

    def __init__(
        self,
        path: Path,
        stack: Stack,
        dtype: np.dtype,
        *,
        overwrite: bool,
        attributes: dict[str, Any],
        fingerprint: dict[str, Any] | None = None,
        adopt: tuple[str, ...] = (),
        share: tuple[int, int] = (0, 1),
        ome_version: OmeVersion = "0.5",
    ):
        layout = StoreLayout.of(stack)
        super().__init__(path, stack, overwrite=overwrite)
        self._layout = layout
        self._dtype = dtype
        self._own = {**attributes, "rgb": stack.is_rgb}
        self._share = share
        self._version = ome_version
        self.region_shape = layout.region_of_source
        self._manifest = Manifest(self.partial, path, share)
        try:
            with self._manifest.claimed():
                self._group, self.pyramid = self._set_up(fingerprint, adopt)
                self._manifest.open_list()
            self._own |= {key: self.fingerprint[key] for key in adopt if key in self.fingerprint}
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        self.array: Any = self.pyramid.levels[0]
        back = tuple(int(i) for i in np.argsort(layout.order))
        if back != tuple(sorted(back)):
            self.array = as_dask(self.array, layout.region).transpose(back)

    def _set_up(
        self, fingerprint: dict[str, Any] | None, adopt: tuple[str, ...]
    ) -> tuple[zarr.Group, Pyramid]:
        """Open the store of an interrupted run, or create one."""
        layout, root = self._layout, self.partial.resolve()
        now = {**(fingerprint or {}), "regions": list(self.region_shape), "ome": self._version}
        then = self._manifest.fingerprint()
        if then is not None and fingerprint is not None:
            differs = difference(then, now | {key: then.get(key) for key in adopt})
            if differs is None:
                self.fingerprint = then
                group = zarr.open_group(root, mode="r+")
                return group, open_pyramid(root, group, layout)
            if not self._overwrite or self._manifest.others_at_work():
                raise OutputError(
                    f"{self.path} was begun in another way ({differs}); go on as then, allow "
                    "overwriting (--overwrite) to begin anew, or give another name."
                )
        self._manifest.clear()
        group = zarr.create_group(root, zarr_format=3 if self._version == "0.5" else 2)
        group.attrs[OWN_KEY] = {**self._own, "complete": False}
        pyramid = create_pyramid(root, group, layout, self._dtype)
        self._manifest.begin(now)
        self.fingerprint = now
        return group, pyramid

    def regions(self) -> Iterator[Region]:
        """The regions of this share."""
        part, n_parts = self._share
        total = count(self.stack.shape, self.region_shape)
        start, stop = part * total // n_parts, (part + 1) * total // n_parts
        return islice(super().regions(), start, stop)

    def has(self, index: Region) -> bool:
        """Whether a region was finished before, and its file is still as it was."""
        size = self._manifest.size_of(self._number(index))
        return size is not None and size == self.pyramid.size(index)

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region; once this returns, it outlives a loss of power."""
        self.note(index, self.pyramid.write(index, block))

    def note(self, index: Region, n_bytes: int) -> None:
        """Note that a region was stored, by this process or another."""
        self._manifest.add(self._number(index), n_bytes)

    def finish(self) -> Path:
        """Make the store whole and give it its name, unless other shares are still to come."""
        if self._manifest.may_finish(count(self.stack.shape, self.region_shape)):
            super().finish()
            self._manifest.release()
            remove(self.path / FOLDER)
        else:
            self._let_go()
        return self.path

    def abort(self) -> None:
        """Remove what was written so far, but nothing that belongs to other shares."""
        self._let_go()
        if self._share[1] == 1:
            super().abort()

    def pause(self) -> None:
        """Stop for now; a later run with the same fingerprint goes on from what is finished."""
        if self._manifest.is_empty:
            self.abort()
        else:
            self._let_go()

    def _let_go(self) -> None:
        self._discard()
        self._manifest.release()

    def _close(self) -> None:
        self.pyramid.fill()
        for left_by_a_killed_run in self.partial.rglob("*.partial"):
            left_by_a_killed_run.unlink()
        metadata = self.stack.metadata.reordered(self._layout.order)
        levels = self.pyramid.levels
        image = image_metadata(
            self.stack.name,
            self._layout.axes,
            metadata,
            n_levels=len(levels),
            omero=omero_metadata(self._layout.axes, metadata, levels, rgb=self.stack.is_rgb),
            version=self._version,
        )
        self._group.attrs.update(image if self._version == "0.4" else {"ome": image})
        self._group.attrs[OWN_KEY] = {**self._own, "complete": True}
        if os.name == "nt":
            self._manifest.release()  # or its open files would keep the folder from being renamed

    def _number(self, index: Region) -> int:
        return number(index, self.stack.shape, self.region_shape)
