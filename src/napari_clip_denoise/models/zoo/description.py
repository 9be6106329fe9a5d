"""Reading and checking the description of a package of the BioImage Model Zoo."""

import warnings
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.models.zoo.card import Weights, ZooCard
from napari_clip_denoise.models.zoo.files import (
    DESCRIPTIONS,
    read_file,
    sha256_of,
    stem,
)
from napari_clip_denoise.models.zoo.layout import layout_of
from napari_clip_denoise.models.zoo.processing import split_postprocessing, split_preprocessing
from napari_clip_denoise.network.config import DenoiserConfig, ForeignConfig
from napari_clip_denoise.optional import from_extra

LONGEST_DETAIL = 160
TORCHSCRIPT: Final = "torchscript"
FORMATS: tuple[Literal["onnx", "torchscript"], ...] = ("onnx", TORCHSCRIPT)
"""Formats of weights that can be run, the preferred one first: it runs no code of the package."""


def read_description(path: Path) -> ZooCard:
    """Read the description of a package, and check that the engine can run it.

    Parameters
    ----------
    path : Path
        A ``.zip``, or a folder with a ``bioimageio.yaml`` or ``rdf.yaml``.

    Returns
    -------
    ZooCard
        Its card, named after the file. No weights are read if the description tells their SHA-256.

    Raises
    ------
    ModelError
        If it is damaged, or not a denoiser of one 2D image.
    InputError
        If `bioimageio.spec` is not installed.
    """
    described = _parsed(path)
    if getattr(described, "type", None) != "model":
        raise ModelError(
            f"{path} describes a {getattr(described, 'type', 'thing')} and not a model; give the "
            "package of a denoiser."
        )
    try:
        return _card(described, path)
    except ModelError as error:
        raise ModelError(f"{path.name}: {error}") from error
    except ValidationError as error:
        raise ModelError(
            f"{path} holds numbers that no model can have, so it is damaged; get it again."
        ) from error


def _parsed(path: Path) -> Any:
    """Return the description as an object of `bioimageio.spec`, converted to its latest version."""
    with from_extra("zoo", "Packages of the BioImage Model Zoo"):
        from bioimageio.spec import InvalidDescr, ValidationContext, load_description
    source = path.resolve()
    if source.is_dir():
        source = next(source / name for name in DESCRIPTIONS if (source / name).is_file())
    try:
        with (
            ValidationContext(perform_io_checks=False, log_warnings=False),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            described = load_description(source, format_version="latest")
    except Exception as error:  # of yaml, zipfile and bioimageio.spec, without a common base class
        raise ModelError(
            f"{path} cannot be read as a package of the BioImage Model Zoo; it is damaged or "
            "something else, get it again."
        ) from error
    if isinstance(described, InvalidDescr):
        raise ModelError(
            f"The description in {path} is not valid: {_first_error(described)}; get the package "
            "again, or ask its authors."
        )
    return described


def _first_error(described: Any) -> str:
    for detail in described.validation_summary.details:
        for error in detail.errors:
            where = ".".join(str(part) for part in error.loc)
            text = " ".join(f"{where}: {error.msg}".split()).rstrip(".")
            return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]} …"
    return "it is not of a known form"


def _card(described: Any, path: Path) -> ZooCard:
    for kind, tensors in (("inputs", described.inputs), ("outputs", described.outputs)):
        if len(tensors) != 1:
            raise ModelError(
                f"The package has {len(tensors)} {kind}; only packages with one image as input and "
                "one as output can be run."
            )
    given, result = described.inputs[0], described.outputs[0]
    layout = layout_of(given, result)
    line, before = split_preprocessing(given.preprocessing, layout.channels)
    after = split_postprocessing(result.postprocessing, line)
    weights = _weights(described, path)
    foreign = ForeignConfig(
        channels=layout.channels,
        rows=layout.sizes[0],
        columns=layout.sizes[1],
        input_axes=layout.input_axes,
        output_axes=layout.output_axes,
        border=layout.border,
        one_by_one=layout.one_by_one,
        before=before,
        after=after,
    )
    return ZooCard(
        name=stem(path),
        title=described.name,
        identifier=str(described.id or ""),
        description=described.description or "",
        network=DenoiserConfig(channels=layout.channels, align_corners=False),
        halo=layout.halo,
        authors=tuple(str(author.name) for author in described.authors),
        citation=tuple(map(_cited, described.cite)),
        licence=_licence(described.license),
        data=_training_data(described.training_data),
        weights=weights,
        foreign=foreign,
        normalization=line,
    )


def _weights(described: Any, path: Path) -> Weights:
    """Choose the weights to run.

    Raises
    ------
    ModelError
        If there are none of a known format in the package itself.
    """
    there = {name: getattr(described.weights, name) for name in FORMATS}
    found = next(((name, entry) for name, entry in there.items() if entry is not None), None)
    if found is None:
        raise ModelError(
            "The package has weights neither as ONNX nor as TorchScript; get one that has, or "
            "convert it with the program bioimageio."
        )
    name, entry = found
    file = str(entry.source)
    if "://" in file or Path(file).is_absolute():
        raise ModelError(
            "The weights are not in the package, only their address; download the complete package."
        )
    if getattr(entry, "external_data", None) is not None:
        raise ModelError(
            "The weights are spread over several files; ask the authors for ONNX in a single file."
        )
    sha256 = str(entry.sha256) if entry.sha256 else sha256_of(read_file(path, file))
    return Weights(format=name, file=file, sha256=sha256)


def _cited(entry: Any) -> str:
    where = f"https://doi.org/{entry.doi}" if entry.doi else str(entry.url or "")
    return f"{str(entry.text).strip().rstrip('.')}. {where}".strip()


def _licence(licence: Any) -> str:
    if licence is None:
        return "not told"
    return licence if isinstance(licence, str) else f"see {licence.source} in the package"


def _training_data(data: Any) -> str:
    if data is None:
        return ""
    return str(getattr(data, "name", None) or getattr(data, "id", "") or "")
