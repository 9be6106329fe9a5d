"""Model files: weights and card in one ``.safetensors`` file."""

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from napari_clip_denoise.errors import ModelError, door
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.card_file import CARD_KEY, read_card
from napari_clip_denoise.models.half_precision import in_half_precision
from napari_clip_denoise.models.whole_file import whole_file
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder
from napari_clip_denoise.network.inference import fold

ENCODER_PREFIX = "encoder."
STATISTICS = (".running_mean", ".running_var")


@dataclass(frozen=True, eq=False)
class Model:
    """A denoiser with its card.

    Attributes
    ----------
    card : ModelCard
        Description of the model.
    denoiser : Denoiser
        The network, in evaluation mode, float32, on the CPU.
    path : Path or None
        The file it was loaded from.
    ready : dict
        Cache of its copies on devices, see `inference.engine.engine`; freed with the model.
    """

    card: ModelCard
    denoiser: Denoiser
    path: Path | None = None
    ready: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of all tensors of the network."""
        return tensors_sha256(self.denoiser.state_dict())

    @property
    def runtime(self) -> str:
        """Library that runs the network, and its version."""
        return f"torch {torch.__version__}"

    @property
    def runs_on(self) -> tuple[str, ...] | None:
        """Kinds of devices that the network can run on; None for all."""
        return None

    @property
    def has_known_memory(self) -> bool:
        """Whether the memory that the network takes can be measured."""
        return True

    def for_inference(self, device: torch.device, threads: int) -> nn.Module:
        """Return a copy of the network for inference on a device.

        Parameters
        ----------
        device : torch.device
            The device.
        threads : int
            Number of CPU threads, for libraries that must know it beforehand; torch need not.
        """
        return fold(self.denoiser).to(device)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path instead of the weights, if the model can be loaded from it."""
        if self.path is not None and self.card.encoder.included:
            return _load_once, (self.path.resolve(),)
        return Model, (self.card, self.denoiser, None)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names and float32 bytes of floating-point tensors, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if tensors[name].is_floating_point():
            digest.update(name.encode())
            digest.update(tensors[name].detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


@door
def save_model(model: Model, path: str | Path, *, dtype: torch.dtype = torch.float32) -> Model:
    """Write a model file.

    Parameters
    ----------
    model : Model
        Its card determines whether the encoder's tensors are included.
    path : str or Path
        The file, ending in ``.safetensors``; written completely or not at all.
    dtype : torch.dtype
        Type of the stored weights; ``float16`` halves the file size.

    Returns
    -------
    Model
        The model as `load_model` returns it, with weights rounded to `dtype`.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    included = model.card.encoder.included
    stored = {
        name: tensor.detach()
        .cpu()
        .to(dtype if included or not name.startswith(ENCODER_PREFIX) else tensor.dtype)
        .contiguous()
        for name, tensor in model.denoiser.state_dict().items()
        if tensor.is_floating_point()
    }
    rounded = Denoiser(model.denoiser.config)
    _load_weights(rounded, stored, path)
    encoder = model.card.encoder.model_copy(
        update={"sha256": tensors_sha256(rounded.encoder.state_dict())}
    )
    decoder_sha256 = tensors_sha256(_decoder(rounded.state_dict()))
    card = model.card.model_copy(update={"encoder": encoder, "decoder_sha256": decoder_sha256})
    stored = {k: v for k, v in stored.items() if _is_stored(k, card)}
    with whole_file(path) as partial:
        save_file(stored, partial, metadata={CARD_KEY: card.model_dump_json()})
    return Model(card, rounded, path)


@door
def load_model(
    path: str | Path, *, encoder: Callable[[EncoderCard], Encoder] | None = None
) -> Model:
    """Load a model file.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` file with a card.
    encoder : callable, optional
        Returns the encoder, which the card describes, for a file that contains only a decoder. If
        it is not the one that the decoder was trained with, its weights are rounded to half
        precision, see `in_half_precision`.

    Returns
    -------
    Model
        The model, in evaluation mode, float32, on the CPU.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or its encoder is missing or not the one that it was
        trained with.
    """
    path = Path(path)
    card = read_card(path)
    _check_shapes(card, path)
    denoiser = Denoiser(card.network)
    tensors = load_file(path)
    if not card.encoder.included:
        if encoder is None:
            raise ModelError(
                f"The model '{card.name}' holds only a decoder and needs the encoder "
                f"'{card.encoder.source}'."
            )
        tensors |= _encoder_tensors(card, encoder(card.encoder), tensors)
    _load_weights(denoiser, tensors, path)
    decoder = _decoder(denoiser.state_dict())
    if card.decoder_sha256 and tensors_sha256(decoder) != card.decoder_sha256:
        raise ModelError(
            f"The decoder in {path} is not the one of its card; it is damaged, get the file again."
        )
    found = tensors_sha256(denoiser.encoder.state_dict())
    if found != card.encoder.sha256:
        raise ModelError(
            f"The encoder does not match the model '{card.name}': it was trained with one of "
            f"SHA-256 {card.encoder.sha256[:12]}, this one has {found[:12]}; "
            f"give the weights of '{card.encoder.source}'."
        )
    return Model(card, denoiser, path)


def _is_stored(name: str, card: ModelCard) -> bool:
    """Return whether a model file contains a tensor."""
    if card.encoder.included or not name.startswith(ENCODER_PREFIX):
        return True
    return card.encoder.statistics and name.endswith(STATISTICS)


def _encoder_tensors(
    card: ModelCard, encoder: Encoder, stored: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the encoder's tensors, those in the file first; rounded if only then they match."""
    own = {
        name.removeprefix(ENCODER_PREFIX): value
        for name, value in stored.items()
        if name.startswith(ENCODER_PREFIX)
    }
    tensors = encoder.state_dict() | own
    if tensors_sha256(tensors) != card.encoder.sha256:
        rounded = in_half_precision(copy.deepcopy(encoder)).state_dict() | own
        if tensors_sha256(rounded) == card.encoder.sha256:
            tensors = rounded
    return {f"{ENCODER_PREFIX}{name}": value for name, value in tensors.items()}


def _decoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that do not belong to the encoder."""
    return {k: v for k, v in state.items() if not k.startswith(ENCODER_PREFIX)}


def _check_shapes(card: ModelCard, path: Path) -> None:
    """Check that the tensors in a file have the shapes of its card, before any is allocated.

    Raises
    ------
    ModelError
        If they do not.
    """
    with torch.device("meta"):
        state = Denoiser(card.network).state_dict()
    expected = {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if tensor.is_floating_point() and _is_stored(name, card)
    }
    with safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    if any(shapes.get(name) != shape for name, shape in expected.items()):
        raise ModelError(
            f"The tensors in {path} do not fit its card; the file is damaged, get it again."
        )


@lru_cache(maxsize=4)
def _load_once(path: Path) -> Model:
    return load_model(path)


def _load_weights(denoiser: Denoiser, tensors: Mapping[str, Tensor], path: Path) -> None:
    expected = {k for k, v in denoiser.state_dict().items() if v.is_floating_point()}
    given = {name: value.float() for name, value in tensors.items() if value.is_floating_point()}
    if set(given) != expected:
        raise ModelError(
            f"The tensors in {path} do not fit its card; the file is damaged, get it again."
        )
    try:
        denoiser.load_state_dict(given, strict=False)
    except RuntimeError as error:
        raise ModelError(
            f"The tensors in {path} do not fit its card; the file is damaged, get it again."
        ) from error
    if not all(bool(value.isfinite().all()) for value in given.values()):
        raise ModelError(
            f"The weights in {path} are not finite numbers; the file is damaged, get it again."
        )
    denoiser.requires_grad_(False).eval()
