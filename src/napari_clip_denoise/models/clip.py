"""CLIP's own encoder, through open_clip."""

import zipfile
from pathlib import Path

import open_clip
import torch

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.encoder import Encoder

ARCHITECTURE = "RN50"
PRETRAINED = "openai"
UNUSED = ("layer4.", "attnpool.")


def load_clip_encoder(weights: str | Path | None = None) -> Encoder:
    """Load the encoder of CLIP RN50 with OpenAI's weights.

    Parameters
    ----------
    weights : str or Path, optional
        A local file with the weights, as open_clip or OpenAI offers them. Without it they
        come from open_clip's cache and are downloaded on first use.

    Returns
    -------
    Encoder
        Frozen, float32, on the CPU.

    Raises
    ------
    ModelError
        If the file does not hold CLIP RN50, or there is neither a cache nor a network.
    """
    if weights is not None:
        return _from_file(Path(weights))
    try:
        clip = open_clip.create_model(ARCHITECTURE, PRETRAINED, force_quick_gelu=True)
    except Exception as error:  # open_clip, the hub's client and sockets each raise their own
        raise ModelError(
            "CLIP's RN50 weights are not in the cache and could not be downloaded; connect to "
            "the internet once, or give a local copy of them with --clip-weights FILE "
            "(clip_weights= in Python)."
        ) from error
    return _encoder(clip.visual.state_dict())


def _from_file(path: Path) -> Encoder:
    if not path.is_file():
        raise ModelError(f"There is no CLIP weights file {path}.")
    try:
        if _is_torchscript(path):
            tensors = torch.jit.load(path, map_location="cpu").state_dict()
        else:
            tensors = open_clip.factory.load_state_dict(str(path), weights_only=True)
        prefix = "visual."
        return _encoder({k.removeprefix(prefix): v for k, v in tensors.items() if prefix in k})
    except Exception as error:  # whatever a wrong file makes the readers raise
        raise ModelError(
            f"{path} does not hold the weights of CLIP {ARCHITECTURE}; give the file that "
            "open_clip or OpenAI offers for it."
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _encoder(visual: dict[str, torch.Tensor]) -> Encoder:
    encoder = Encoder(EncoderConfig())
    kept = {name: value.float() for name, value in visual.items() if not name.startswith(UNUSED)}
    encoder.load_state_dict(kept)
    return encoder
