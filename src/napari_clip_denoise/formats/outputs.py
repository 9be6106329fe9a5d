"""The images to denoise in files, and names for their results."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.formats.detect import is_dicom
from napari_clip_denoise.formats.discover import split_pattern
from napari_clip_denoise.formats.table import FORMATS, SUFFIXES, WRITTEN_SUFFIXES, format_of

DOUBLE_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix.count(".") > 1)
MORE_THAN_ONE = 2
USUAL_RESULT = ".ome.zarr"
"""Suffix of the results of files in a format that is only read."""


@dataclass(frozen=True)
class Source:
    """An image in a file.

    Attributes
    ----------
    path : Path
        The file, store or folder.
    series : int, str or None
        Number, from 0, or name of the image in a file that holds several.
    image : str
        What tells the image from the others of its file in the name of its result, or empty.
    """

    path: Path
    series: int | str | None = None
    image: str = ""


def each_image(
    sources: Iterable[str | Path | Source], series: int | str | None = None
) -> list[Source]:
    """List the images in files: each scene of a microscope's file, and each other file as one.

    Parameters
    ----------
    sources : iterable of str, Path or Source
        Files, stores and folders. A `Source` stands for itself.
    series : int or str, optional
        Number or name of the only image to list of each file.

    Returns
    -------
    list of Source
        The images, in order. A file that cannot be read is listed once; what is wrong with it is
        told when it is opened.
    """
    images: list[Source] = []
    for source in sources:
        if isinstance(source, Source):
            images.append(source)
            continue
        path = Path(source)
        names = _names(path)
        listed = [Source(path, i, word) for i, word in enumerate(_in_file_names(names))]
        if len(listed) < MORE_THAN_ONE:
            images.append(Source(path, series, "" if series is None else f"{series}"))
        elif series is None:
            images += listed
        else:
            chosen = [
                one for one, name in zip(listed, names, strict=True) if series in (one.series, name)
            ]
            images += chosen or [Source(path, series)]
    return images


def plan_outputs(
    sources: Sequence[Path | Source],
    folder: str | Path,
    suffix: str | None = None,
    *,
    keep_below: Iterable[str | Path] = (),
) -> list[Path]:
    """Return the output path of each image: the same name in another folder.

    Parameters
    ----------
    sources : sequence of Path or Source
        The images.
    folder : str or Path
        Folder for the results.
    suffix : str, optional
        Format of all results, such as ``.ome.zarr``; by default each keeps its image's format.
    keep_below : iterable of str or Path
        Folders and patterns whose sub-folders the results keep.

    Returns
    -------
    list of Path
        One output for each image, in the same order.

    Raises
    ------
    InputError
        If two results would have the same name, or the format is unknown.
    """
    if suffix is not None:
        suffix = f".{suffix.lstrip('.')}"
        if not suffix.endswith(WRITTEN_SUFFIXES):
            raise InputError(
                f"The format {suffix} is not known; give one such as .ome.zarr, .tif or .nii.gz."
            )
    outputs: dict[Path, Path] = {}
    roots = [split_pattern(Path(item))[0] for item in keep_below]
    for each in sources:
        source, image = (each.path, each.image) if isinstance(each, Source) else (each, "")
        stem, own = _split_name(source)
        stem = f"{stem}_{image}" if image else stem
        inner = next((source.parent.relative_to(r) for r in roots if r in source.parents), Path())
        output = Path(folder) / inner / (stem + (own if suffix is None else suffix))
        if output in outputs:
            raise InputError(
                f"{outputs[output]} and {source} would both be written to {output}; keep their "
                "folders (Keep folders in the window, --keep-folders, keep_folders= in Python), "
                "or denoise them separately."
            )
        outputs[output] = source
    return list(outputs)


def without_results(
    sources: Sequence[Source],
    folder: str | Path,
    suffix: str | None = None,
    keep_below: Iterable[str | Path] = (),
) -> list[Source]:
    """Leave out sources that are the result of another source, from an earlier batch.

    Parameters
    ----------
    sources, folder, suffix, keep_below :
        See `plan_outputs`.

    Returns
    -------
    list of Source
        The other sources, in the same order.
    """
    keep_below = list(keep_below)
    results = {
        output.resolve(): source.path
        for source in sources
        for output in plan_outputs([source], folder, suffix, keep_below=keep_below)
        if output.resolve() != source.path.resolve()
    }
    return [one for one in sources if results.get(one.path.resolve(), one.path) == one.path]


def _names(path: Path) -> tuple[str, ...]:
    """Return the names of the images in a file; none if it has none or cannot be read."""
    chosen = format_of(path)
    try:
        return chosen.names_of_images(path) if chosen else ()
    except InputError:  # it is told when the file is opened
        return ()


def _in_file_names(names: Sequence[str]) -> list[str]:
    """Return what stands for each image in the name of a file: its name, or all their numbers."""
    words = [re.sub(r"[^\w-]+", "-", name).strip("-") for name in names]
    are_clear = all(words) and len({word.casefold() for word in words}) == len(words)
    return words if are_clear else [str(number) for number in range(len(words))]


def _split_name(path: Path) -> tuple[str, str]:
    """Split a name into its stem and the suffix of a result in the same format."""
    name = path.name
    for suffix in DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    if is_dicom(path):
        return (name if path.is_dir() else path.stem).replace(".", "_"), ""
    suffix = path.suffix.lower()
    for each in FORMATS:
        if suffix in each.suffixes and not path.name.lower().endswith(each.written):
            return path.stem, each.written[0] if each.written else USUAL_RESULT
    return path.stem, USUAL_RESULT if suffix and suffix not in WRITTEN_SUFFIXES else suffix
