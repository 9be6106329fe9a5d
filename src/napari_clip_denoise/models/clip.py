"""CLIP's own encoder, from where open_clip gets it."""

import errno
import zipfile
from pathlib import Path

import open_clip
import torch
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from napari_clip_denoise.errors import ModelError
from napari_clip_denoise.network.config import EncoderConfig
from napari_clip_denoise.network.encoder import Encoder

ARCHITECTURE = "RN50"
PRETRAINED = "openai"
UNUSED = ("layer4.", "attnpool.")
LOCAL_COPY = "give a local copy of them with --clip-weights FILE (clip_weights= in Python)"


def load_clip_encoder(weights: str | Path | None = None) -> Encoder:
    """Load the encoder of CLIP RN50 with OpenAI's weights.

    Parameters
    ----------
    weights : str or Path, optional
        A local file with the weights, as open_clip or OpenAI offers them. Without it they
        come from the cache that open_clip uses, too, and are downloaded on first use;
        ``HF_ENDPOINT`` names another server.

    Returns
    -------
    Encoder
        Frozen, float32, on the CPU.

    Raises
    ------
    ModelError
        If the file does not hold CLIP RN50, or it is not in the cache and could not be
        downloaded.
    """
    if weights is not None:
        return _from_file(Path(weights))
    path = _download()
    try:
        return _from_file(path)
    except ModelError as error:
        raise ModelError(
            f"{path.resolve()} was downloaded and does not hold the weights of CLIP "
            f"{ARCHITECTURE}; delete it and try again, or {LOCAL_COPY}."
        ) from error


def _download() -> Path:
    """Find the weights in the cache, or download them into it; a broken download goes on."""
    repository = open_clip.get_pretrained_cfg(ARCHITECTURE, PRETRAINED)["hf_hub"].rstrip("/")
    try:
        try:
            return Path(hf_hub_download(repository, HF_SAFE_WEIGHTS_NAME))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return Path(hf_hub_download(repository, HF_WEIGHTS_NAME))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            "CLIP's RN50 weights are not in the cache and could not be downloaded; connect to "
            f"the internet once, or {LOCAL_COPY}."
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(
            f"{constants.ENDPOINT} refused CLIP's RN50 weights (HTTP "
            f"{error.response.status_code}); try again later, or {LOCAL_COPY}."
        ) from error
    except Exception as error:  # whatever sockets and their clients raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise ModelError(
                f"There is no room for CLIP's RN50 weights in {constants.HF_HUB_CACHE}; make "
                "some (400 MB) and try again, or set HF_HOME to another place."
            ) from error
        raise ModelError(
            f"The download of CLIP's RN50 weights broke off ({type(error).__name__}); try again, "
            f"or {LOCAL_COPY}."
        ) from error


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
