"""A reader that lets napari open results of this program where they lie, with all their levels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
NO_UNIT = "pixel"


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return a reader if a path is an OME-Zarr store that this program has written, else None."""
    from napari_clip_denoise.formats.publish import is_own_store

    if isinstance(path, list) or not is_own_store(Path(path)):
        return None
    return read_result


def read_result(path: str) -> list[LayerData]:
    """Open a result as an image layer that has the position, units and axes of its source.

    Raises
    ------
    InputError
        If the store is damaged or unfinished.
    """
    import dask.array as da
    import zarr

    from napari_clip_denoise.formats import open_stack

    stack = open_stack(path)
    group: Any = zarr.open_group(path, mode="r")
    attributes: Any = group.attrs.asdict()
    datasets = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
    levels = [da.from_zarr(group[dataset["path"]]) for dataset in datasets]
    if stack.is_rgb:
        samples = int("t" in stack.axes)  # stored as channels, which only time precedes
        levels = [da.moveaxis(level, samples, -1) for level in levels]
    n_axes = stack.ndim - stack.is_rgb
    known = stack.metadata
    options: dict[str, Any] = {
        "name": stack.name,
        "scale": known.scale[:n_axes],
        "translate": known.translation[:n_axes],
        "units": [unit or NO_UNIT for unit in known.units[:n_axes]],
        "axis_labels": tuple(stack.axes[:n_axes]),
        "rgb": stack.is_rgb,
        "multiscale": len(levels) > 1,
    }
    if len(known.display_ranges) == 1 and not stack.is_rgb:
        options["contrast_limits"] = known.display_ranges[0]
    return [(levels if len(levels) > 1 else levels[0], options, "image")]
