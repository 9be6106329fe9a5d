"""Export of the network to ONNX and TorchScript."""

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from napari_clip_denoise.models.card_file import CARD_KEY
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.inference import fold, predict
from napari_clip_denoise.optional import from_extra

INPUT, LEVEL, OUTPUT = "noisy", "noise_level", "denoised"
OPSET = 18
"""The oldest opset that the exporter writes natively; supported by ONNX Runtime 1.14 (2023)."""


class Portable(nn.Module):
    """The network as used for inference: folded, and clipped to [0, 1] where the card says so.

    Parameters
    ----------
    model : Model
        The model, which is not modified.
    """

    def __init__(self, model: Model):
        super().__init__()
        self.network = fold(model.denoiser).to(memory_format=torch.contiguous_format)
        self.clamp = model.card.clamp or model.card.clip_input
        self.clip_input = model.card.clip_input
        self.eval()

    def forward(self, noisy: Tensor, noise_level: Tensor | None = None) -> Tensor:
        """Denoise a batch (N, C, Y, X), see `Denoiser.forward`."""
        noisy = noisy.clamp(0, 1) if self.clip_input else noisy
        denoised = predict(self.network, noisy, noise_level)
        return denoised.clamp(0, 1) if self.clamp else denoised


def onnx_bytes(model: Model, *, blind: bool = False) -> bytes:
    """Return a model's network as ONNX.

    Input ``noisy`` and output ``denoised`` are float32 (batch, channels, rows, columns) on the
    network's scale of about [0, 1]. Rows and columns must be multiples of the card's
    ``pad_multiple``. The metadata contains the card as JSON.

    A network that is told the noise level has a second input, ``noise_level``: the standard
    deviation of the noise on that scale, float32 (batch, 1, rows, columns), NaN where it is
    unknown.

    Parameters
    ----------
    model : Model
        The model.
    blind : bool
        Whether to leave this second input out, so that the noise level is always unknown.

    Raises
    ------
    InputError
        If the required libraries are not installed.
    """
    with from_extra("export", "ONNX files"):
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    multiple = model.card.pad_multiple
    rows, columns = (multiple * torch.export.Dim(name) for name in ("rows", "columns"))
    sizes: dict[int, Any] = {0: torch.export.Dim("batch"), 2: rows, 3: columns}
    examples = {INPUT: _example(model)}
    if model.card.network.noise_level and not blind:
        examples[LEVEL] = examples[INPUT][:, :1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"# The axis name: \S+ will not be used")
        program = torch.onnx.export(
            Portable(model),
            tuple(examples.values()),
            input_names=list(examples),
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=(sizes,) * len(examples),
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[CARD_KEY] = model.card.model_dump_json()
    return program.model_proto.SerializeToString()


def torchscript_bytes(model: Model) -> bytes:
    """Return a model's network as TorchScript; input and output are as in blind `onnx_bytes`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated")
        traced = torch.jit.trace(Portable(model), _example(model))
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)
    return buffer.getvalue()


def _example(model: Model) -> Tensor:
    multiple = model.card.pad_multiple
    return torch.rand(2, model.card.network.channels, 3 * multiple, 4 * multiple)
