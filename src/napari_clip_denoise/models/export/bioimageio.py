"""Packages of the BioImage Model Zoo (bioimage.io), for deepImageJ, ilastik and others."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.card_view import as_markdown
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.export.bioimageio_intensity import SAMPLE_AXES, zoo_mapping
from napari_clip_denoise.models.export.onnx import (
    INPUT,
    OPSET,
    OUTPUT,
    Portable,
    onnx_bytes,
    torchscript_bytes,
)
from napari_clip_denoise.noise.acquisition import acquire
from napari_clip_denoise.noise.simulation import fluorescence
from napari_clip_denoise.optional import from_extra

PAPER = "Cheng, Liang, Tan, Transfer CLIP for Generalizable Image Denoising, CVPR 2024"
PAPER_DOI = "10.48550/arXiv.2403.15132"
LONGEST_DESCRIPTION = 512
COLOURS = {1: ["grey"], 3: ["red", "green", "blue"]}
HOW_TO_USE = """
## Use

Rows and columns are multiples of {multiple}; pixels within {halo} of a cut through a plane are to
be thrown away. {mapping}{blind}

## Validation

Take noisy images whose clean counterparts are known, such as the mean of many frames, denoise them,
and compare PSNR and SSIM before and after. Look at noisy minus denoised, too: it must hold noise
and no structure. Scores above were measured with the plugin napari-clip-denoise.
"""
NO_AUTHOR = (
    "The package names no author: programs run it, but the BioImage Model Zoo wants at least one "
    "before it publishes a model; for that, export it again with --author NAME (authors= in "
    "Python)."
)
BLIND = (
    " The plugin tells this network how strong the noise is, so it removes it better than the "
    "package, in which the noise level is unknown."
)


def write_bioimageio(model: Model, path: Path, authors: Sequence[str] = ()) -> None:
    """Write a model as a package of the BioImage Model Zoo.

    The package contains the network as TorchScript and ONNX, a simulated test input with its
    output, the intensity mapping as far as the format supports it, and the card as documentation.

    A network that is told the noise level becomes one for an unknown level: the format can map an
    image by its percentiles, but not divide a second input, the level, by their difference.

    Parameters
    ----------
    model : Model
        The model. If the licence on its card starts with an SPDX identifier, that is used;
        otherwise the licence is added as a file.
    path : Path
        The package, ending in ``.zip``.
    authors : sequence of str
        Names of the model's authors. The format allows a package without any, but the zoo publishes
        none, so a warning says how to name them.

    Raises
    ------
    InputError
        If the required libraries are not installed.
    """
    with from_extra("export", "Packages of the BioImage Model Zoo"):
        from bioimageio.spec import ValidationContext, save_bioimageio_package
    with (
        tempfile.TemporaryDirectory() as name,
        ValidationContext(log_warnings=False),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Found mapping with 'source'")
        save_bioimageio_package(_describe(model, Path(name), authors), output_path=path)
    if not authors:
        warnings.warn(NO_AUTHOR, stacklevel=1)


def _describe(model: Model, folder: Path, authors: Sequence[str]) -> Any:
    """Write the files of a package to a folder, and return their description."""
    from bioimageio.spec.model import v0_5 as zoo

    card, mapping = model.card, zoo_mapping(model.card)
    noisy = _test_input(card)
    with torch.inference_mode():
        denoised = Portable(model)(torch.from_numpy(mapping.normalize(noisy))).numpy()
    np.save(folder / f"{INPUT}.npy", noisy)
    np.save(folder / f"{OUTPUT}.npy", mapping.denormalize(denoised))
    (folder / "weights.pt").write_bytes(torchscript_bytes(model))
    (folder / "weights.onnx").write_bytes(onnx_bytes(model, blind=True))
    use = HOW_TO_USE.format(
        multiple=card.pad_multiple,
        halo=card.halo,
        mapping=mapping.words,
        blind=BLIND if card.network.noise_level else "",
    )
    (folder / "README.md").write_text(as_markdown(card) + use, encoding="utf-8")

    return zoo.ModelDescr(
        name=f"napari-clip-denoise {card.name}".replace(".", "-"),
        description=card.description[:LONGEST_DESCRIPTION],
        authors=[zoo.Author(name=author) for author in authors],
        cite=[zoo.CiteEntry(text=PAPER, doi=zoo.Doi(PAPER_DOI))],
        license=_licence(card.licence, folder),
        documentation=zoo.FileDescr(source=folder / "README.md"),
        tags=["denoising", "2d", "pytorch", "clip", "napari-clip-denoise"],
        inputs=[
            zoo.InputTensorDescr(
                id=zoo.TensorId(INPUT),
                axes=_axes(card, is_input=True),
                data=zoo.IntervalOrRatioDataDescr(type="float32"),
                test_tensor=zoo.FileDescr(source=folder / f"{INPUT}.npy"),
                preprocessing=mapping.before(),
            )
        ],
        outputs=[
            zoo.OutputTensorDescr(
                id=zoo.TensorId(OUTPUT),
                axes=_axes(card, is_input=False),
                data=zoo.IntervalOrRatioDataDescr(type="float32"),
                test_tensor=zoo.FileDescr(source=folder / f"{OUTPUT}.npy"),
                postprocessing=mapping.after(),
            )
        ],
        weights=zoo.WeightsDescr(
            torchscript=zoo.TorchscriptWeightsDescr(
                source=folder / "weights.pt",
                pytorch_version=zoo.Version(torch.__version__.partition("+")[0]),
            ),
            onnx=zoo.OnnxWeightsDescr(
                source=folder / "weights.onnx", opset_version=OPSET, parent="torchscript"
            ),
        ),
    )


def _axes(card: ModelCard, *, is_input: bool) -> list[Any]:
    """Describe the axes (N, C, Y, X) of the input or the output, which have the same sizes."""
    from bioimageio.spec.model import v0_5 as zoo

    channel, *plane = (zoo.AxisId(axis) for axis in SAMPLE_AXES)
    size = zoo.ParameterizedSize(min=_smallest(card), step=card.pad_multiple)
    return [
        zoo.BatchAxis(),
        zoo.ChannelAxis(id=channel, channel_names=COLOURS[card.network.channels]),
        *(
            zoo.SpaceInputAxis(id=axis, size=size)
            if is_input
            else zoo.SpaceOutputAxisWithHalo(
                id=axis,
                size=zoo.SizeReference(tensor_id=zoo.TensorId(INPUT), axis_id=axis),
                halo=max(1, card.halo),
            )
            for axis in plane
        ),
    ]


def _smallest(card: ModelCard) -> int:
    """Return the smallest valid side in pixels that is larger than both halos together."""
    return (2 * card.halo // card.pad_multiple + 1) * card.pad_multiple


def _test_input(card: ModelCard) -> np.ndarray:
    """Simulate a noisy fluorescence image (1, C, Y, X) in camera counts."""
    side = _smallest(card)
    seeds = range(card.network.channels)
    taken = [acquire(fluorescence((side, side), seed=seed), seed=seed).noisy for seed in seeds]
    return np.stack(taken)[np.newaxis].astype(np.float32)


def _licence(text: str, folder: Path) -> Any:
    """Return the SPDX identifier that a licence starts with, or else write it to a file."""
    from bioimageio.spec.model import v0_5 as zoo

    if not text:
        return None
    try:
        return zoo.LicenseId(text.split()[0])
    except ValidationError:
        (folder / "LICENSE.txt").write_text(text, encoding="utf-8")
        return zoo.FileDescr(source=folder / "LICENSE.txt")
