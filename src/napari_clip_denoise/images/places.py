"""Files and stores from which arrays read their pixels."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import zarr

MOST_PER_LAYER = 64


def places_of(array: Any) -> set[Path]:
    """Return the local files and stores that an array is known to read from.

    Parameters
    ----------
    array : array-like
        A zarr array, memory map or view of one, or a dask array made from such arrays.
    """
    if isinstance(array, zarr.Array):
        root = getattr(array.store, "root", None)
        return {Path(root)} if isinstance(root, (str, Path)) else set()
    if isinstance(array, np.ndarray):
        return _mapped_files(array)
    dask_array = sys.modules.get("dask.array")
    if dask_array is not None and isinstance(array, dask_array.Array):
        return {place for inner in _inner_arrays(array) for place in places_of(inner)}
    return set()


def _mapped_files(array: np.ndarray) -> set[Path]:
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.filename is not None:
            return {Path(base.filename)}
        base = base.base
    return set()


def _inner_arrays(array: Any) -> Iterator[Any]:
    """Iterate over the zarr and NumPy arrays in the graph of a dask array."""
    for layer in array.dask.layers.values():
        indices = getattr(layer, "indices", None)
        if indices is None:
            entries = list(islice(layer.values(), MOST_PER_LAYER))
        else:
            entries = [entry for entry, _ in indices]
        for entry in entries:
            inner = getattr(entry, "value", entry)
            if isinstance(inner, (zarr.Array, np.ndarray)):
                yield inner
