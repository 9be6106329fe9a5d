"""Encoders of CLIP, from a local file or the download that open_clip uses."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils.tqdm import tqdm
from safetensors.torch import load_file, save_file

from napari_clip_denoise.errors import Cancelled, ModelError
from napari_clip_denoise.models.clip_cache import FILES, kept_encoder, local_copy
from napari_clip_denoise.models.clip_source import ClipSource
from napari_clip_denoise.models.folder import SUFFIX, make_folder
from napari_clip_denoise.models.jit_archive import is_jit_archive, read_tensors
from napari_clip_denoise.models.whole_file import whole_file
from napari_clip_denoise.network.encoder import Encoder

PREFIX = "visual."
UNUSED = ("layer4.", "attnpool.")
LOCAL_COPY = "give a local copy of them with --clip-weights FILE (clip_weights= in Python)"
Advance = Callable[[float, float], object]
"""Called with the downloaded and the total bytes; an exception it raises stops the download."""


def load_clip_encoder(
    weights: str | Path | None = None,
    *,
    source: ClipSource | None = None,
    advance: Advance | None = None,
) -> Encoder:
    """Load an encoder of CLIP.

    Parameters
    ----------
    weights : str or Path, optional
        A local file with the weights, as published by open_clip or OpenAI. By default, a copy on
        this computer, see `local_copy`. If there is none, they are downloaded to the cache that
        open_clip uses; ``HF_ENDPOINT`` overrides the server.
    source : ClipSource, optional
        Architecture and weights; by default RN50 of OpenAI.
    advance : callable, optional
        Called with the downloaded and the total bytes.

    Returns
    -------
    Encoder
        Frozen, float32, on the CPU.

    Raises
    ------
    ModelError
        If the file does not contain this encoder, or it is not in the cache and could not be
        downloaded.
    """
    source = source or ClipSource()
    if weights is not None:
        return _from_file(Path(weights), source)
    path = local_copy(source) or _download(source, advance)
    try:
        return _from_file(path, source)
    except ModelError as error:
        raise ModelError(
            f"{path.resolve()} was downloaded and does not hold the weights of CLIP "
            f"{source.architecture}; delete it and try again, or {LOCAL_COPY}."
        ) from error


def keep_clip_encoder(encoder: Encoder, source: ClipSource | None = None) -> None:
    """Save an encoder of CLIP in the models folder, so that later runs need no download.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = kept_encoder(source)
    make_folder(path.parent)
    with whole_file(path) as partial:
        save_file({f"{PREFIX}{name}": x for name, x in encoder.state_dict().items()}, partial)


def _download(source: ClipSource, advance: Advance | None) -> Path:
    """Download the weights to the cache, resuming an interrupted download."""
    name = f"CLIP's {source.architecture} weights"
    bar = None if advance is None else _bar(advance)
    try:
        try:
            return Path(hf_hub_download(source.repository, FILES[0], tqdm_class=bar))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return Path(hf_hub_download(source.repository, FILES[1], tqdm_class=bar))
    except Cancelled:
        raise
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{name} are not in the cache and could not be downloaded; connect to the internet "
            f"once, or {LOCAL_COPY}."
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(
            f"{constants.ENDPOINT} refused {name} (HTTP "
            f"{error.response.status_code}); try again later, or {LOCAL_COPY}."
        ) from error
    except Exception as error:  # network libraries raise various errors
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise ModelError(
                f"There is no room for {name} in {constants.HF_HUB_CACHE}; make some (400 MB "
                "for RN50) and try again, or set HF_HOME to another place."
            ) from error
        raise ModelError(
            f"The download of {name} broke off ({type(error).__name__}); try again, "
            f"or {LOCAL_COPY}."
        ) from error


def _bar(advance: Advance) -> type[tqdm]:
    """Return a tqdm class that shows nothing, but reports the progress to `advance`."""

    class Bar(tqdm):
        def __init__(self, *arguments: Any, initial: float = 0, **options: Any):
            super().__init__(*arguments, initial=initial, **options | {"disable": True})
            self.done, self.of = initial, options.get("total") or 0

        def update(self, n: float | None = 1) -> bool | None:
            self.done += n or 0
            advance(self.done, self.of)
            return None

    return Bar


def _from_file(path: Path, source: ClipSource) -> Encoder:
    if not path.is_file():
        raise ModelError(f"There is no CLIP weights file {path}.")
    try:
        if path.suffix == SUFFIX:
            tensors = load_file(path)
        elif is_jit_archive(path):
            tensors = read_tensors(path)
        else:
            from open_clip.factory import load_state_dict  # slow to import

            tensors = load_state_dict(str(path), weights_only=True)
        visual = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
        return _encoder(visual, source)
    except Exception as error:  # readers raise various errors for a wrong file
        raise ModelError(
            f"{path} does not hold the weights of CLIP {source.architecture}; give the file that "
            "open_clip or OpenAI offers for it."
        ) from error


def _encoder(visual: dict[str, torch.Tensor], source: ClipSource) -> Encoder:
    encoder = Encoder(source.shape)
    kept = {name: value.float() for name, value in visual.items() if not name.startswith(UNUSED)}
    encoder.load_state_dict(kept)
    return encoder
