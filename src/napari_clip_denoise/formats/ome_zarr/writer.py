"""Writing OME-Zarr stores region by region, in one or more runs."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import Check, OmeVersion, sources_of
from napari_clip_denoise.formats.ome_zarr.files import Checksum
from napari_clip_denoise.formats.ome_zarr.image import StoredImage
from napari_clip_denoise.formats.ome_zarr.pyramid import Pyramid
from napari_clip_denoise.formats.ome_zarr.target import open_target
from napari_clip_denoise.formats.ome_zarr.verify import OnVerified
from napari_clip_denoise.formatting import counted
from napari_clip_denoise.images.regions import Region
from napari_clip_denoise.images.stack import Stack


class OmeZarrWriter:
    """Writes an OME-Zarr store with its pyramid; each region is one zarr shard.

    Parameters
    ----------
    path : Path or str
        Path, or URL of a place that fsspec can write. Behind a URL nothing can be renamed: the
        regions are written in their place, and the metadata that make them an image come last.
    stack : Stack
        The source; the output may not overlap it on disk.
    overwrite : bool
        Whether to replace an existing output: on disk once the new one is complete, behind a URL
        at the start.
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
        path: Path | str,
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
        self._target = open_target(path, sources_of(stack), overwrite=overwrite, part=shard)
        self.path = self._target.path
        self.stack = stack
        self._own = {**attributes, "rgb": stack.is_rgb}
        self._shard = shard
        self._on_verified = on_verified
        self._record = self._target.record
        self._image = image = StoredImage(
            self._target.files,
            self._record,
            str(self.path),
            stack,
            dtype,
            ome_version,
        )
        self.region_shape = image.region_shape
        with self._target.errors(), self._record.claimed():
            clear = self._record.clear
            image.set_up(self._own, fingerprint, inherit, overwrite=overwrite, clear=clear)
            self._record.open_list()
            image.forget_damaged(list(self.regions()), on_verified)
        self.fingerprint = image.fingerprint
        self._own |= {key: self.fingerprint[key] for key in inherit if key in self.fingerprint}
        self.array: Any = image.array

    @property
    def pyramid(self) -> Pyramid:
        """The arrays that are written."""
        return self._image.pyramid

    def regions(self) -> Iterator[Region]:
        """Iterate over the regions of this part."""
        part, n_parts = self._shard
        total = self._image.n_regions
        start, stop = part * total // n_parts, (part + 1) * total // n_parts
        return islice(self._image.regions(), start, stop)

    def has(self, index: Region) -> bool:
        """Return whether a region is finished; those of earlier runs were verified at the start."""
        return self._image.has(index)

    def write(self, index: Region, block: np.ndarray) -> None:
        """Store a finished region; it is stored for good before this returns."""
        with self._target.connection():
            self._image.write(index, block)

    def note(self, index: Region, checksum: Checksum) -> None:
        """Record that this or another process has stored a region, with its checksum."""
        with self._target.connection():
            self._image.note(index, checksum)

    def finish(self, check: Check | None = None) -> Path | str:
        """Complete the store and give it its name, unless other parts are unfinished."""
        with self._target.errors():
            if not self._record.may_finish(self._image.n_regions):
                self._release()
                return self.path
            if self._shard[1] > 1:
                self._check_others()
            if check is not None:
                self._own |= check()
            self._image.complete(self._own)
            self._target.publish()
        return self.path

    def abort(self) -> None:
        """Remove everything written so far, unless the store is shared with other parts."""
        self._release()
        if self._shard[1] == 1:
            with self._target.errors():
                self._target.discard()

    def pause(self) -> None:
        """Stop writing; a later run with the same fingerprint continues from here."""
        if self._record.is_empty:
            self.abort()
        else:
            self._release()

    def _release(self) -> None:
        self.array = None
        self._record.release()

    def _check_others(self) -> None:
        """Check that what the other parts have finished is still as they left it.

        Raises
        ------
        OutputError
            If it is not; the regions are then forgotten.
        """
        n_damaged = self._image.forget_damaged(list(self._image.regions()), self._on_verified)
        if n_damaged:
            raise OutputError(
                f"{self.path} is damaged in {counted(n_damaged, 'region')} that other shards had "
                "finished; run all shards again, they go on where they stopped."
            )
