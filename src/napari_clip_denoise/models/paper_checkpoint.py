"""Import of the checkpoints that the paper's authors publish (``net_g_latest.pth``)."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from napari_clip_denoise.errors import ModelError, door
from napari_clip_denoise.images.intensity_methods import CTWindow, DataType
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model, tensors_sha256
from napari_clip_denoise.network.config import DenoiserConfig, EncoderConfig
from napari_clip_denoise.network.denoiser import Denoiser

SOURCE_PAGE = "https://github.com/alwaysuu/CLIPDenoising"
PAD_MULTIPLE = 32
_UNUSED = ("encoder.layer4.", "encoder.attnpool.")


@door
def import_published(path: str | Path, name: str = "clip-rn50") -> Model:
    """Read a published checkpoint of "Transfer CLIP for Generalizable Image Denoising".

    The encoder is read from the file, because its batch statistics differ from OpenAI's. The RGB
    and the one-channel (CT) variant are distinguished by their keys.

    Parameters
    ----------
    path : str or Path
        ``net_g_latest.pth``, a pickle of ``{"params": state_dict}``. Only tensors are unpickled.
    name : str
        Name of the model.

    Returns
    -------
    Model
        A model that gives what the authors' network gives for images in [0, 1]: they are
        reflect-padded at the bottom and right to a multiple of 32, and results are clipped to
        [0, 1]. So are values outside it, before they reach the network.
        Its card recommends the range of the data type for RGB images (8-bit values divided by 255),
        and the window from -1024 to 3072 HU for CT.

    Raises
    ------
    ModelError
        If the file is not such a checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"There is no checkpoint file {path}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        published = content.get("params", content)
        tensors = _renamed(published)
        config = _config(tensors)
        denoiser = Denoiser(config)
        expected = denoiser.state_dict()
        denoiser.load_state_dict(
            {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
            | {k: v for k, v in expected.items() if k.endswith("num_batches_tracked")}
        )
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, ValueError, EOFError,
            AttributeError) as error:  # fmt: skip
        raise ModelError(
            f"{path} is not a checkpoint of the published format; get net_g_latest.pth from "
            f"{SOURCE_PAGE}."
        ) from error
    denoiser.requires_grad_(False).eval()
    grey = config.channels == 1
    card = ModelCard(
        name=name,
        description=(
            f"The paper's network on CLIP RN50, {'one channel (CT)' if grey else 'RGB'}, "
            f"imported from {path.name}."
        ),
        network=config,
        encoder=EncoderCard(
            source=f"published checkpoint {path.name}",
            sha256=tensors_sha256(denoiser.encoder.state_dict()),
        ),
        pad_multiple=PAD_MULTIPLE,
        clamp=True,
        clip_input=True,
        intensity=CTWindow.name if grey else DataType.name,
        data="See the authors' page.",
        licence=f"See {SOURCE_PAGE}.",
        software={"torch": torch.__version__},
    )
    return Model(card, denoiser)


def _renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    tensors = {}
    for key, value in published.items():
        if key.startswith(_UNUSED):
            continue
        ours = f"decoder.{key}" if key.startswith(("up_path.", "last.")) else key
        tensors[ours] = value.float() if value.is_floating_point() else value
    return tensors


def _config(tensors: Mapping[str, Tensor]) -> DenoiserConfig:
    blocks = [
        {match[1] for key in tensors if (match := re.match(rf"encoder\.layer{i}\.(\d+)\.", key))}
        for i in (1, 2, 3)
    ]
    outputs = [tensors[f"decoder.up_path.{i}.conv_block.block.0.weight"].shape[0] for i in range(5)]
    return DenoiserConfig(
        encoder=EncoderConfig(
            layers=(len(blocks[0]), len(blocks[1]), len(blocks[2])),
            width=tensors["encoder.conv3.weight"].shape[0],
        ),
        channels=1 if "first.weight" in tensors else 3,
        decoder_channels=(outputs[0], outputs[1], outputs[2], outputs[3], outputs[4]),
    )
