"""Stores of many images: plates of high-content screening, and those of bioformats2raw."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import zarr

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.formats.detect import as_place, is_zarr, shown_place
from napari_clip_denoise.formats.ome_zarr.metadata import ome_of
from napari_clip_denoise.formats.ome_zarr.reader import (
    BIOFORMATS2RAW,
    full_resolution,
    images_of,
    open_node,
    read_zarr,
)
from napari_clip_denoise.formats.reading import file_errors
from napari_clip_denoise.images.opening import Opening
from napari_clip_denoise.images.stack import Stack

MOST_NAMED = 3


@dataclass(frozen=True)
class Collection:
    """A store of many images.

    Attributes
    ----------
    source : Path or str
        The store: a path, or a URL.
    is_plate : bool
        True for a plate, whose images are the fields of its wells.
    version : {"0.5", "0.4"}
        OME-Zarr version.
    groups : dict of str to dict
        Attributes of each group above the images, by its name; that of the store is ``""``.
    fields : tuple of str
        Name of each image in the store, such as ``"A/1/0"``, well by well.
    missing : tuple of str
        Names of the wells and images that are listed, but are not there.
    """

    source: Path | str
    is_plate: bool
    version: OmeVersion
    groups: dict[str, dict[str, Any]] = field(repr=False)
    fields: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The store without credentials, for records and messages."""
        return shown_place(self.source)

    @property
    def units(self) -> list[tuple[str, ...]]:
        """Fields that belong together: those of each well, or each image by itself."""
        if not self.is_plate:
            return [(name,) for name in self.fields]
        wells: dict[str, list[str]] = {}
        for name in self.fields:
            wells.setdefault(name.rpartition("/")[0], []).append(name)
        return [tuple(names) for names in wells.values()]

    def open(self, name: str, axes: str | None = None) -> Stack:
        """Open an image.

        Parameters
        ----------
        name : str
            One of `fields`.
        axes : str, optional
            Axes that override those of the store.

        Raises
        ------
        InputError
            If it is damaged.
        """
        place = f"{self.source}/{name}" if isinstance(self.source, str) else self.source / name
        return replace(read_zarr(place, axes, None), opening=Opening(str(place), axes))


def open_collection(path: Path | str) -> Collection | None:
    """Open a store of many images; return None for a path of anything else.

    Parameters
    ----------
    path : Path or str
        A store on disk, or a URL.

    Raises
    ------
    InputError
        If its metadata are damaged, or it lists no images.
    """
    place = as_place(path)
    if isinstance(place, Path) and not (place.is_dir() and is_zarr(place)):
        return None
    source = place if isinstance(place, str) else place.resolve()
    shown = shown_place(place)
    try:
        root = open_node(source)
    except Exception:  # the reader of images says what is wrong
        return None
    if isinstance(root, zarr.Array):
        return None
    with file_errors(f"The metadata of {shown} are damaged, or not those of a plate."):
        attributes = dict(root.attrs)
        ome = ome_of(attributes)
        version: OmeVersion = "0.5" if "ome" in attributes else "0.4"
        if "plate" in ome:
            return _plate(root, source, version, attributes, ome["plate"])
        names = images_of(root, ome) if BIOFORMATS2RAW in ome else []
        if len(names) < 2:
            return None
        found, missing = _split(root, names)
        groups = {"": attributes, **_described(root, ["OME"])}
        return Collection(source, False, version, groups, tuple(found), tuple(missing))


def without_missing(collection: Collection) -> Collection:
    """Return a plate whose metadata list only the wells and fields that are there."""
    groups = deepcopy(collection.groups)
    missing = set(collection.missing)
    for name, attributes in groups.items():
        ome = ome_of(attributes)
        inside = f"{name}/" if name else ""
        for kind, key in (("plate", "wells"), ("well", "images")):
            if kind in ome:
                entries = ome[kind][key]
                ome[kind][key] = [e for e in entries if f"{inside}{e['path']}" not in missing]
        if "series" in ome:
            ome["series"] = [each for each in ome["series"] if each not in missing]
    return replace(collection, groups=groups, missing=())


def missing_in_words(collection: Collection) -> str:
    """Return a clause that names what is missing in a store."""
    names = collection.missing
    named = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    kinds = "wells or fields" if collection.is_plate else "images"
    return f"{collection.shown} lists {kinds} that are not there: {named} ({len(names)} in all)"


def _plate(
    root: zarr.Group,
    source: Path | str,
    version: OmeVersion,
    attributes: dict[str, Any],
    plate: dict[str, Any],
) -> Collection:
    groups = {"": attributes, **_described(root, ["OME"])}
    fields: list[str] = []
    missing: list[str] = []
    for entry in plate.get("wells", []):
        well = str(entry["path"])
        node = root.get(well)
        if not isinstance(node, zarr.Group):
            missing.append(well)
            continue
        groups |= _described(root, [well.rpartition("/")[0], well])
        names = images_of(node, ome_of(groups[well]))
        found, lost = _split(root, [f"{well}/{name}" for name in names])
        fields += found
        missing += lost if names else [well]
    if not fields:
        raise InputError(
            f"{shown_place(source)} is a plate without a single field that can be read; it may not "
            "have been written to its end."
        )
    return Collection(source, True, version, groups, tuple(fields), tuple(missing))


def _described(root: zarr.Group, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the attributes of those groups that exist, by their name."""
    nodes = {name: root.get(name) for name in names if name}
    return {name: dict(node.attrs) for name, node in nodes.items() if isinstance(node, zarr.Group)}


def _split(root: zarr.Group, names: list[str]) -> tuple[list[str], list[str]]:
    """Split the names of images into those that are there and the others."""
    found: list[str] = []
    missing: list[str] = []
    for name in names:
        try:
            is_there = full_resolution(root[name]) is not None
        except (KeyError, IndexError):  # the image, its metadata or its first level is not there
            is_there = False
        (found if is_there else missing).append(name)
    return found, missing
