"""Export of models: as this package's own file, ONNX, or a BioImage Model Zoo package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from napari_clip_denoise.errors import InputError, OutputError, door
from napari_clip_denoise.models.card_file import copy_model, read_card
from napari_clip_denoise.models.registry import find, load
from napari_clip_denoise.models.whole_file import whole_file
from napari_clip_denoise.models.zoo.files import is_package

Format = Literal["safetensors", "onnx", "bioimageio"]
SUFFIXES: dict[Format, str] = {"safetensors": ".safetensors", "onnx": ".onnx", "bioimageio": ".zip"}
"""File suffix of each format."""


def format_for(target: Path, format: str | None = None) -> Format:  # noqa: A002
    """Return the format of an exported file: the given one, or the one that its suffix means.

    Raises
    ------
    InputError
        If the format is unknown.
    """
    if format is None:
        by_suffix = {suffix: known for known, suffix in SUFFIXES.items()}
        return by_suffix.get(target.suffix, "safetensors")
    if format not in SUFFIXES:
        raise InputError(f"There is no format '{format}'; give one of: {', '.join(SUFFIXES)}.")
    return format


@door
def export_model(
    name: str | Path,
    target: str | Path,
    *,
    format: Format | None = None,  # noqa: A002
    authors: Sequence[str] = (),
    clip_weights: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Export a model to a file for use elsewhere.

    Parameters
    ----------
    name : str or Path
        A name in the registry or a model file.
    target : str or Path
        The file to write; the suffix of the format is added if it is missing.
    format : {"safetensors", "onnx", "bioimageio"}, optional
        This package's own format, which contains the complete model; the bare network as ONNX,
        see `napari_clip_denoise.models.export.onnx.onnx_bytes`; or a package of the BioImage Model
        Zoo. By default it is inferred from the suffix of `target`, else ``"safetensors"``.
    authors : sequence of str
        Authors of the model, for a package of the zoo, which publishes none without.
    clip_weights : str or Path, optional
        See `load`.
    overwrite : bool
        Whether to replace an existing file.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    ModelError
        If the model does not exist.
    InputError
        If the format is unknown, or needs libraries that are not installed.
    OutputError
        If the file exists, or cannot be written.
    """
    target = Path(target)
    format = format_for(target, format)  # noqa: A001
    if target.suffix != SUFFIXES[format]:
        target = target.with_name(target.name + SUFFIXES[format])
    if target.exists() and not overwrite:
        raise OutputError(f"{target} already exists; give another name or allow overwriting.")
    path = find(name)
    if is_package(path):
        raise InputError(
            f"The model '{name}' is a package of other authors, which is not exported again; share "
            f"{path} itself."
        )
    if format == "safetensors":
        copy_model(path, target, read_card(path))
        return target

    model = load(name, clip_weights=clip_weights)

    from napari_clip_denoise.models.export.bioimageio import write_bioimageio
    from napari_clip_denoise.models.export.onnx import onnx_bytes

    with whole_file(target) as partial:
        if format == "onnx":
            partial.write_bytes(onnx_bytes(model))
        else:
            write_bioimageio(model, partial, authors)
    return target
