"""An image of a store that is being written: its set-up, regions and metadata."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.formats.detect import ZARR_FILES
from napari_clip_denoise.formats.ome_zarr.files import Checksum, Files
from napari_clip_denoise.formats.ome_zarr.layout import StoreLayout
from napari_clip_denoise.formats.ome_zarr.metadata import image_metadata, omero_metadata
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid, create_pyramid, open_pyramid
from napari_clip_denoise.formats.ome_zarr.record import Record, difference
from napari_clip_denoise.formats.ome_zarr.verify import OnVerified, damaged_regions
from napari_clip_denoise.formats.publish import OWN_KEY
from napari_clip_denoise.images.regions import Region, count, number, split
from napari_clip_denoise.images.stack import Stack, as_dask

SET_UP = "set-up"
"""Key of the fingerprint for the checksums of the metadata that an image begins with."""
METADATA_FILES = (*ZARR_FILES, ".zattrs")


class StoredImage:
    """An image in a store that is being written.

    Parameters
    ----------
    files : Files
        Files of the store.
    record : Record
        Record of what is finished in the store.
    shown : str
        Final path of the image, for messages.
    stack : Stack
        The source.
    dtype : numpy.dtype
        Type of the pixels.
    version : {"0.5", "0.4"}
        OME-Zarr version; only 0.5 is sharded.
    folder : str
        Name of the folder of the image in the store; empty if the store is the image.
    first : int
        Number of its first region among those of the store.

    Attributes
    ----------
    pyramid : Pyramid
        Its arrays, after `set_up`.
    fingerprint : dict
        Everything that determines the pixels, as recorded by the run that began the image.
    array : array-like
        The pixels written so far, in the axes of the source.

    Raises
    ------
    InputError
        If OME-Zarr cannot hold such an image.
    """

    pyramid: Pyramid

    def __init__(
        self,
        files: Files,
        record: Record,
        shown: str,
        stack: Stack,
        dtype: np.dtype,
        version: OmeVersion,
        *,
        folder: str = "",
        first: int = 0,
    ):
        self.stack = stack
        self.layout = StoreLayout.of(stack)
        self.region_shape = self.layout.region_of_source
        self.fingerprint: dict[str, Any] = {}
        self.array: Any = None
        self._files = files
        self._record = record
        self._shown = shown
        self._dtype = dtype
        self._version = version
        self._folder = folder
        self.first = first

    def set_up(
        self,
        own: dict[str, Any],
        fingerprint: dict[str, Any] | None,
        inherit: tuple[str, ...],
        *,
        overwrite: bool,
        clear: Callable[[], object],
    ) -> None:
        """Open the image of an interrupted run, or create a new one.

        Parameters
        ----------
        own : dict
            How the image is made, for its attributes.
        fingerprint, inherit, overwrite :
            See `OmeZarrWriter`.
        clear : callable
            Removes what an earlier run has left.

        Raises
        ------
        OutputError
            If an unfinished image has another fingerprint and may not be overwritten.
        """
        now = {**(fingerprint or {}), "regions": list(self.region_shape), "ome": self._version}
        then = self._record.fingerprint(self._folder)
        self.fingerprint = now
        is_opened = False
        if then is not None and fingerprint is not None:
            checksums = then.pop(SET_UP, None)
            differs = difference(then, now | {key: then.get(key) for key in inherit})
            if differs is None and self._opened(own, checksums):
                self.fingerprint, is_opened = then, True
            elif self._others_at_work or (differs and not overwrite):
                raise OutputError(
                    f"{self._shown} was started differently ({differs or 'its files are damaged'})"
                    "; use the same settings, allow overwriting (--overwrite) to start over, or "
                    "give another name."
                )
        if not is_opened:
            clear()
            self._group = self._new_group(own)
            self.pyramid = create_pyramid(self._files, self._group, self.layout, self._dtype)
            self._record.begin({**now, SET_UP: self._checksums()}, self._folder)
        self.array = self.pyramid.levels[0]
        back = tuple(int(i) for i in np.argsort(self.layout.order))
        if back != tuple(sorted(back)):
            self.array = as_dask(self.array, self.layout.region).transpose(back)

    def reopen(self) -> bool:
        """Open an image that is to be read only; return False if its metadata are damaged."""
        then = self._record.fingerprint(self._folder)
        return then is not None and self._opened({}, then.get(SET_UP))

    def regions(self) -> Iterator[Region]:
        """Iterate over all regions."""
        return split(self.stack.shape, self.region_shape)

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return count(self.stack.shape, self.region_shape)

    def number(self, index: Region) -> int:
        """Return the number of a region among those of the store."""
        return self.first + number(index, self.stack.shape, self.region_shape)

    def has(self, index: Region) -> bool:
        """Return whether a region is finished."""
        return self._record.is_finished(self.number(index))

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region; it outlasts a loss of power before this returns."""
        self.note(index, self.pyramid.write(index, block))

    def note(self, index: Region, checksum: Checksum) -> None:
        """Record that this or another process has stored a region, with its checksum."""
        self._record.add(self.number(index), checksum)

    def forget_damaged(self, regions: list[Region], on_verified: OnVerified | None = None) -> int:
        """Let regions whose files have changed since they were recorded be done again.

        Parameters
        ----------
        regions : list of tuple of slice
            Regions to look at.
        on_verified : callable, optional
            Told how many of them have been verified, see `damaged_regions`.

        Returns
        -------
        int
            The number of such regions.
        """
        numbers = {self.number(region): region for region in regions}
        recorded = self._record.finished()
        damaged = damaged_regions(self.pyramid, numbers, recorded, on_verified)
        self._record.forget(damaged)
        return len(damaged)

    def complete(self, own: dict[str, Any]) -> None:
        """Compute the other levels and write the final metadata.

        Parameters
        ----------
        own : dict
            How the image was made.
        """
        self.pyramid.fill()
        metadata = self.stack.metadata.reordered(self.layout.order)
        levels = self.pyramid.levels
        image = image_metadata(
            self.stack.name,
            self.layout.axes,
            metadata,
            n_levels=len(levels),
            omero=omero_metadata(self.layout.axes, metadata, levels, rgb=self.stack.is_rgb),
            version=self._version,
        )
        described = image if self._version == "0.4" else {"ome": image}
        self._group.attrs.put({OWN_KEY: {**own, "complete": True}, **described})
        self._files.keep(self._metadata_of(""))

    def checksum_of_completion(self) -> Checksum:
        """Return the checksum of what `complete` has written."""
        n_bytes, crc = self.pyramid.checksum_below()
        own_bytes, own_crc = self._files.checksum(self._metadata_of(""))
        return n_bytes + own_bytes, crc ^ own_crc

    @property
    def _others_at_work(self) -> bool:
        """True if another part writes this image; an image in a store belongs to one part."""
        return not self._folder and self._record.others_at_work()

    def _new_group(self, own: dict[str, Any]) -> zarr.Group:
        return zarr.create_group(
            self._files.store,
            path=self._folder,
            zarr_format=3 if self._version == "0.5" else 2,
            attributes={OWN_KEY: {**own, "complete": False}},
        )

    def _opened(self, own: dict[str, Any], checksums: Any) -> bool:
        """Open the image of an interrupted run; return False if its metadata are damaged."""
        store = self._files.store
        try:
            try:
                self._group = zarr.open_group(store, path=self._folder, mode="r+")
            except Exception:  # only the levels hold what cannot be written anew
                for name in self._metadata_of(""):
                    self._files.remove(name)
                self._group = self._new_group(own)
            self.pyramid = open_pyramid(self._files, self._group, self.layout)
            return checksums in (None, self._checksums()) and len(self.pyramid.levels) > 0
        except Exception:  # whatever damaged metadata make zarr raise
            return False

    def _checksums(self) -> dict[str, int]:
        """Return the checksum of the metadata of each level, kept for good."""
        found = {}
        for level in range(len(self.pyramid.levels)):
            for name in self._metadata_of(f"{level}"):
                self._files.keep([name])
                n_bytes, crc = self._files.checksum([name])
                if n_bytes:
                    found[name] = crc or n_bytes
        return found

    def _metadata_of(self, level: str) -> list[str]:
        folder = "/".join(part for part in (self._folder, level) if part)
        return [f"{folder}/{name}" if folder else name for name in METADATA_FILES]
