"""Writing OME-Zarr stores region by region, in one or more runs."""

import os
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import Check, OmeVersion, PartialFile, sync, sync_folder
from napari_clip_denoise.formats.detect import ZARR_FILES
from napari_clip_denoise.formats.ome_zarr.difference import difference
from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout
from napari_clip_denoise.formats.ome_zarr.metadata import image_metadata, omero_metadata
from napari_clip_denoise.formats.ome_zarr.pyramid import (
    Checksum,
    Pyramid,
    create_pyramid,
    open_pyramid,
)
from napari_clip_denoise.formats.ome_zarr.resume import Manifest
from napari_clip_denoise.formats.ome_zarr.verify import OnVerified, damaged_regions
from napari_clip_denoise.formats.publish import (
    OWN_KEY,
    is_own_unfinished_store,
    publish,
    remove,
    remove_left_overs,
)
from napari_clip_denoise.formatting import counted
from napari_clip_denoise.images.regions import Region, count, number
from napari_clip_denoise.images.stack import Stack, as_dask

SET_UP = "set-up"
"""Key of the fingerprint for the checksums of the metadata that a run begins with."""


class OmeZarrWriter(PartialFile):
    """Writes an OME-Zarr store with its pyramid; each region is one zarr shard.

    Parameters
    ----------
    path, stack, overwrite :
        See `PartialFile`.
    dtype : numpy.dtype
        Type of the pixels.
    attributes : dict
        How the result was made; stored in the group's attributes.
    fingerprint : dict, optional
        Everything that determines the pixels. An unfinished store with the same fingerprint is
        resumed. One with a different fingerprint is replaced if `overwrite` is True, and raises
        otherwise. Without a fingerprint, the store is always created from scratch.
    inherit : tuple of str
        Keys of `fingerprint` whose values are taken from the store when a run is resumed.
    shard : (int, int)
        ``(i, n)``: write only part `i` of `n`, counted from 0. The last part to finish completes
        the store.
    ome_version : {"0.5", "0.4"}
        OME-Zarr version; only 0.5 is sharded.
    on_verified : callable, optional
        Told how many finished regions have been verified, see `damaged_regions`.

    Raises
    ------
    InputError
        If OME-Zarr cannot hold such an image.
    OutputError
        If the path cannot be written, another run is writing it, or it has another fingerprint.
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
        inherit: tuple[str, ...] = (),
        shard: tuple[int, int] = (0, 1),
        ome_version: OmeVersion = "0.5",
        on_verified: OnVerified | None = None,
    ):
        layout = StoreLayout.of(stack)
        super().__init__(path, stack, overwrite=overwrite)
        self._layout = layout
        self._dtype = dtype
        self._own = {**attributes, "rgb": stack.is_rgb}
        self._shard = shard
        self._version = ome_version
        self._on_verified = on_verified
        self.region_shape = layout.region_of_source
        self._manifest = Manifest(self.partial, path, shard)
        try:
            with self._manifest.claimed():
                self._group, self.pyramid = self._set_up(fingerprint, inherit)
                self._manifest.open_list()
                self._forget_damaged(list(self.regions()))
            self._own |= {key: self.fingerprint[key] for key in inherit if key in self.fingerprint}
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        self.array: Any = self.pyramid.levels[0]
        back = tuple(int(i) for i in np.argsort(layout.order))
        if back != tuple(sorted(back)):
            self.array = as_dask(self.array, layout.region).transpose(back)

    def _set_up(
        self, fingerprint: dict[str, Any] | None, inherit: tuple[str, ...]
    ) -> tuple[zarr.Group, Pyramid]:
        """Open the store of an interrupted run, or create a new one."""
        layout, root = self._layout, self.partial.resolve()
        now = {**(fingerprint or {}), "regions": list(self.region_shape), "ome": self._version}
        then = self._manifest.fingerprint()
        if then is not None and fingerprint is not None:
            files = then.pop(SET_UP, None)
            differs = difference(then, now | {key: then.get(key) for key in inherit})
            if differs is None and (opened := self._opened(root, files)):
                self.fingerprint = then
                return opened
            if self._manifest.others_at_work() or (differs and not self._overwrite):
                raise OutputError(
                    f"{self.path} was started differently ({differs or 'its files are damaged'}); "
                    "use the same settings, allow overwriting (--overwrite) to start over, or give "
                    "another name."
                )
        self._manifest.clear()
        group = self._new_group(root)
        pyramid = create_pyramid(root, group, layout, self._dtype)
        self._manifest.begin({**now, SET_UP: _checksums(pyramid)})
        self.fingerprint = now
        return group, pyramid

    def _new_group(self, root: Path) -> zarr.Group:
        group = zarr.create_group(root, zarr_format=3 if self._version == "0.5" else 2)
        group.attrs[OWN_KEY] = {**self._own, "complete": False}
        return group

    def _opened(self, root: Path, files: Any) -> tuple[zarr.Group, Pyramid] | None:
        """Open the store of an interrupted run; None if its metadata are damaged."""
        try:
            try:
                group = zarr.open_group(root, mode="r+")
            except Exception:  # only the levels hold what cannot be written anew
                for name in (*ZARR_FILES, ".zattrs"):
                    (root / name).unlink(missing_ok=True)
                group = self._new_group(root)
            pyramid = open_pyramid(root, group, self._layout)
            is_whole = files in (None, _checksums(pyramid)) and len(pyramid.levels) > 0
        except Exception:  # whatever damaged metadata make zarr raise
            return None
        return (group, pyramid) if is_whole else None

    def _forget_damaged(self, regions: list[Region]) -> int:
        """Let regions whose files have changed since they were recorded be done again.

        Returns
        -------
        int
            The number of such regions.
        """
        numbers = {self._number(region): region for region in regions}
        recorded = self._manifest.finished()
        damaged = damaged_regions(self.pyramid, numbers, recorded, self._on_verified)
        self._manifest.forget(damaged)
        return len(damaged)

    def regions(self) -> Iterator[Region]:
        """Iterate over the regions of this part."""
        part, n_parts = self._shard
        total = count(self.stack.shape, self.region_shape)
        start, stop = part * total // n_parts, (part + 1) * total // n_parts
        return islice(super().regions(), start, stop)

    def has(self, index: Region) -> bool:
        """Return whether a region is finished; those of earlier runs were verified at the start."""
        return self._manifest.is_finished(self._number(index))

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region; it is flushed to disk before this returns."""
        self.note(index, self.pyramid.write(index, block))

    def note(self, index: Region, checksum: Checksum) -> None:
        """Record that this or another process has stored a region, with its checksum."""
        self._manifest.add(self._number(index), checksum)

    def finish(self, check: Check | None = None) -> Path:
        """Complete the store and move it to its final path, unless other parts are unfinished."""
        if not self._manifest.may_finish(count(self.stack.shape, self.region_shape)):
            self._release()
            return self.path
        try:
            if self._shard[1] > 1:
                self._check_others()
            if check is not None:
                self._own |= check()
            self._close()
            with self._manifest.out_of_the_way():
                publish(self.partial, self.path, overwrite=self._overwrite)
                sync_folder(self.path.parent)
            remove_left_overs(self.path)
        except FileExistsError as error:
            raise OutputError(
                f"{self.path} appeared meanwhile; the result is kept as {self.partial}."
            ) from error
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error
        return self.path

    def abort(self) -> None:
        """Remove everything written so far, unless the store is shared with other parts."""
        self._release()
        if self._shard[1] == 1 and is_own_unfinished_store(self.partial):
            remove(self.partial)

    def pause(self) -> None:
        """Stop writing; a later run with the same fingerprint continues from here."""
        if self._manifest.is_empty:
            self.abort()
        else:
            self._release()

    def _release(self) -> None:
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
        described = image if self._version == "0.4" else {"ome": image}
        self._group.attrs.put({OWN_KEY: {**self._own, "complete": True}, **described})
        for name in (*ZARR_FILES, ".zattrs"):
            if (self.partial / name).exists():
                sync(self.partial / name)
        sync_folder(self.partial)
        if os.name == "nt":
            self._manifest.release()  # or its open files would keep the folder from being renamed

    def _check_others(self) -> None:
        """Check that what the other parts have finished is still as they left it.

        Raises
        ------
        OutputError
            If it is not; the regions are then forgotten.
        """
        n_damaged = self._forget_damaged(list(super().regions()))
        if n_damaged:
            raise OutputError(
                f"{self.path} is damaged in {counted(n_damaged, 'region')} that other shards had "
                "finished; run all shards again, they go on where they stopped."
            )

    def _number(self, index: Region) -> int:
        return number(index, self.stack.shape, self.region_shape)


def _checksums(pyramid: Pyramid) -> dict[str, int]:
    """Return the CRC-32 of the metadata of each level, flushed to disk."""
    found = {}
    for level in pyramid.levels:
        for name in ("zarr.json", ".zarray", ".zattrs"):
            file = pyramid.root / level.path / name
            if file.exists():
                sync(file)
                found[f"{level.path}/{name}"] = zlib.crc32(file.read_bytes())
    sync_folder(pyramid.root)
    return found
