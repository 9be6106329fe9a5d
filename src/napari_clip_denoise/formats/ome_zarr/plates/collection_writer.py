"""Writing stores of many images, with one record for all of them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_clip_denoise.errors import OutputError
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.formats.ome_zarr.companions import (
    OME_XML,
    copy_companions,
    copy_file,
    files_at,
)
from napari_clip_denoise.formats.ome_zarr.image import StoredImage
from napari_clip_denoise.formats.ome_zarr.metadata import ome_of
from napari_clip_denoise.formats.ome_zarr.plates.collection import Collection
from napari_clip_denoise.formats.ome_zarr.plates.field_writer import FieldWriter
from napari_clip_denoise.formats.ome_zarr.record import FOLDER, difference
from napari_clip_denoise.formats.ome_zarr.target import open_target
from napari_clip_denoise.formats.ome_zarr.verify import OnVerified
from napari_clip_denoise.formats.publish import OWN_KEY, names_record
from napari_clip_denoise.formatting import counted
from napari_clip_denoise.images.stack import Stack


class CollectionWriter:
    """Writes a plate or another store of many images; a part of the work is whole wells.

    Parameters
    ----------
    path : Path or str
        Path or URL of the result.
    collection : Collection
        The source, whose groups the result has as well.
    stacks : dict of str to Stack
        Each image of the source by its name.
    dtypes : dict of str to numpy.dtype
        Type of each result.
    fingerprint : dict
        What determines the pixels of all images; see `OmeZarrWriter`.
    inherit, overwrite, shard, ome_version :
        See `OmeZarrWriter`. Each part writes whole wells.
    copies : bool
        Whether to copy labels and tables.

    Attributes
    ----------
    path : Path or str
        Path, or URL without credentials.
    fields : tuple of str
        Names of the images of this part.
    fingerprint : dict
        As recorded by the run that began the store.
    """

    def __init__(
        self,
        path: Path | str,
        collection: Collection,
        stacks: dict[str, Stack],
        dtypes: dict[str, np.dtype],
        *,
        fingerprint: dict[str, Any],
        inherit: tuple[str, ...] = (),
        overwrite: bool = False,
        shard: tuple[int, int] = (0, 1),
        ome_version: OmeVersion = "0.5",
        copies: bool = True,
    ):
        sources = {collection.source} if isinstance(collection.source, Path) else set()
        self._target = open_target(path, sources, overwrite=overwrite, part=shard)
        self._collection = collection
        self._overwrite = overwrite
        self._version = ome_version
        self._copies = copies
        self._shard = shard
        self.path = self._target.path
        self._record = self._target.record
        self._images: dict[str, StoredImage] = {}
        self._total = 0
        for name, stack in stacks.items():
            image = StoredImage(
                self._target.files,
                self._record,
                f"{self.path}/{name}",
                stack,
                dtypes[name],
                ome_version,
                folder=name,
                first=self._total,
            )
            self._images[name] = image
            self._total += image.n_regions + 1
        units = collection.units
        first, last = (number * len(units) // shard[1] for number in (shard[0], shard[0] + 1))
        self.fields = tuple(name for unit in units[first:last] for name in unit)
        with self._target.errors(), self._record.claimed():
            self.fingerprint = self._set_up(fingerprint, inherit)
            self._record.open_list()

    def fraction_done(self, name: str) -> float:
        """Return which fraction of the regions of an image an earlier run has finished."""
        image = self._images[name]
        return sum(map(image.has, image.regions())) / image.n_regions

    def is_done(self, name: str, source: dict[str, Any], on_verified: OnVerified) -> bool:
        """Return whether an earlier run has finished an image, and its files are as it left them.

        Parameters
        ----------
        name : str
            Name of the image.
        source : dict
            Fingerprint of the source, which must be that of the earlier run.
        on_verified : callable
            Told how many regions have been verified.
        """
        image = self._images[name]
        then = self._record.fingerprint(name)
        recorded = self._record.finished().get(self._completion(name))
        if recorded is None or then is None or difference(source, {**source, **then}):
            return False
        with self._target.errors():
            if image.reopen() and not image.forget_damaged(list(image.regions()), on_verified):
                return image.checksum_of_completion() == recorded
        return False

    def begin(
        self,
        name: str,
        attributes: dict[str, Any],
        fingerprint: dict[str, Any],
        inherit: tuple[str, ...],
        on_verified: OnVerified | None = None,
    ) -> FieldWriter:
        """Return a writer for an image; what an earlier run has finished of it is kept."""
        return FieldWriter(
            self._target,
            self._images[name],
            name,
            attributes,
            fingerprint,
            inherit,
            overwrite=self._overwrite,
            on_verified=on_verified,
            copy=partial(self._copy, name),
            pause=self.pause,
        )

    def finish(self, own: Callable[[], dict[str, Any]]) -> bool:
        """Complete the store, unless other parts are unfinished; return whether it is complete.

        Parameters
        ----------
        own : callable
            Called once all images are there; returns how the store was made, for its attributes.
        """
        with self._target.errors():
            if not self._record.may_finish(self._total):
                self.pause()
                return False
            self._check_others()
            self._write_groups(own())
            self._target.publish()
        return True

    def pause(self) -> None:
        """Stop writing; a later run with the same fingerprint continues from here."""
        self._record.release()
        if self._record.is_empty and self._shard[1] == 1:
            with self._target.errors():
                self._target.discard()

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Return the record of the check of each image of the store that has one."""
        found = {}
        for name in self._images:
            group = zarr.open_group(self._target.files.store, path=name, mode="r")
            own: Any = group.attrs.get(OWN_KEY, {})
            if "check" in own:
                found[name] = own["check"]
        return found

    def _set_up(self, fingerprint: dict[str, Any], inherit: tuple[str, ...]) -> dict[str, Any]:
        now = {**fingerprint, "ome": self._version, "labels": self._copies}
        then = self._record.fingerprint()
        if then is not None:
            differs = difference(then, now | {key: then.get(key) for key in inherit})
            if differs is None:
                return then
            if self._record.others_at_work() or not self._overwrite:
                raise OutputError(
                    f"{self.path} was started differently ({differs}); use the same settings, "
                    "allow overwriting (--overwrite) to start over, or give another name."
                )
        self._record.clear()
        self._group("").attrs.put({OWN_KEY: {"complete": False}})
        self._record.begin(now)
        return now

    def _check_others(self) -> None:
        """Check that what the other parts have finished is still as they left it."""
        others = [name for name in self._images if name not in self.fields]
        n_damaged = 0
        for name in others:
            image = self._images[name]
            n_damaged += (
                image.forget_damaged(list(image.regions())) if image.reopen() else image.n_regions
            )
        if n_damaged:
            raise OutputError(
                f"{self.path} is damaged in {counted(n_damaged, 'region')} that other shards had "
                "finished; run all shards again, they go on where they stopped."
            )

    def _write_groups(self, own: dict[str, Any]) -> None:
        """Copy the groups above the images; the metadata of the store come last."""
        files, source = self._target.files, files_at(self._collection.source)
        for name, attributes in self._collection.groups.items():
            if name not in self._images:
                self._copy(name)
            if name:
                self._group(name).attrs.put(self._described(attributes))
        if self._copies:
            copy_file(source, files, OME_XML)
        root = self._described(self._collection.groups[""])
        names = [name for name in files.names() if not name.startswith(f"{FOLDER}/")]
        made = {**own, **names_record(names), "complete": True}
        self._group("").attrs.put({**root, OWN_KEY: made})

    def _copy(self, group: str) -> None:
        """Copy the labels and tables of a group, if they are wanted."""
        if self._copies:
            copy_companions(files_at(self._collection.source), self._target.files, group)

    def _group(self, name: str) -> zarr.Group:
        form: Any = 3 if self._version == "0.5" else 2
        return zarr.open_group(self._target.files.store, path=name, mode="a", zarr_format=form)

    def _described(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes of a group of the source in the version of the result."""
        if self._version == self._collection.version or not attributes:
            return attributes
        ome = ome_of(attributes)
        for key in ("plate", "well"):
            if key in ome:
                ome = {**ome, key: {k: v for k, v in ome[key].items() if k != "version"}}
                if self._version == "0.4":
                    ome[key]["version"] = "0.4"
        if self._version == "0.5":
            return {"ome": {"version": "0.5", **{k: v for k, v in ome.items() if k != OWN_KEY}}}
        return {key: value for key, value in ome.items() if key != "version"}

    def _completion(self, name: str) -> int:
        """Return the number that is recorded once an image is complete."""
        image = self._images[name]
        return image.first + image.n_regions
