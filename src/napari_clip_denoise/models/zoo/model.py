"""Packages of other authors as models."""

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from napari_clip_denoise.errors import ModelError, UntrustedCode
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.zoo.card import ZooCard
from napari_clip_denoise.models.zoo.description import TORCHSCRIPT, read_description
from napari_clip_denoise.models.zoo.files import check_package, read_file, sha256_of
from napari_clip_denoise.models.zoo.reach import LARGEST_REACH, measure_reach
from napari_clip_denoise.models.zoo.record import read_record
from napari_clip_denoise.models.zoo.runtime import onnx_call, torchscript_call
from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.foreign import ForeignNetwork

LEAST_LEFT = 64
"""Pixels of a tile that must be left within its halo, see `smallest_tile` of the engine."""
INEXACT_HALO = 128
"""Halo in pixels, at most, of a network that looks at the whole image."""


class NoDenoiser(ModelError, AttributeError):
    """What a package lacks is asked for: a network of ours."""


class ZooModel(Model):
    """A package whose network is run by another library.

    Parameters
    ----------
    card : ZooCard
        Its card.
    content : bytes
        The file with its weights.
    path : Path
        The package.
    trust : bool
        Whether the user has agreed that code of the package is run.
    """

    card: ZooCard

    def __init__(self, card: ZooCard, content: bytes, path: Path, *, trust: bool = False):
        values = {"card": card, "path": path, "ready": {}, "_content": content, "_trust": trust}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    _content: bytes
    _trust: bool

    @property
    def denoiser(self) -> Denoiser:
        """A package has no denoiser of ours.

        Raises
        ------
        NoDenoiser
            Always; the message says what the model can be used for.
        """
        raise NoDenoiser(
            f"The model {self.card.name} is a package of other authors; it can denoise, but "
            "it cannot be fine-tuned or exported, and has no features or uncertainty to show."
        )

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights and of all that is calculated around them."""
        digest = hashlib.sha256(self.card.weights.sha256.encode())
        digest.update(repr((self.card.foreign, self.card.normalization)).encode())
        return digest.hexdigest()

    @property
    def runtime(self) -> str:
        """Library that runs the network, and its version."""
        if self.card.weights.format == TORCHSCRIPT:
            return super().runtime
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"

    @property
    def runs_on(self) -> tuple[str, ...] | None:
        """Kinds of devices that the network can run on; None for all."""
        return None if self.card.weights.format == TORCHSCRIPT else ("cpu",)

    @property
    def has_known_memory(self) -> bool:
        """False: the network may take no image of the sizes that are measured."""
        return False

    def for_inference(self, device: torch.device, threads: int) -> ForeignNetwork:
        """Return the network on a device.

        Raises
        ------
        ModelError
            If it cannot be loaded.
        """
        config = self.card.foreign
        if self.card.weights.format == TORCHSCRIPT:
            return ForeignNetwork(config, torchscript_call(self._content, device)).eval()
        call, is_single = onnx_call(self._content, config.input_axes, threads)
        return ForeignNetwork(replace(config, one_by_one=config.one_by_one or is_single), call)

    def __repr__(self) -> str:
        """Return the name and the path."""
        return f"ZooModel({self.card.name!r}, {str(self.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path instead of the weights."""
        assert self.path is not None
        return _load_once, (self.path.resolve(), self._trust)


def load_package(path: Path, *, trust: bool = False) -> ZooModel:
    """Load a package, and measure the reach of its network unless that was done at its import.

    Parameters
    ----------
    path : Path
        A ``.zip`` or a folder.
    trust : bool
        Whether to run code of the package, if it has only TorchScript.

    Raises
    ------
    ModelError
        If it is damaged or unsuitable.
    UntrustedCode
        If it holds code that is not trusted.
    InputError
        If a library that is needed is not installed.
    """
    check_package(path)
    record = read_record(path)
    card = record.card if record else read_description(path)
    content = read_file(path, card.weights.file)
    if sha256_of(content) != card.weights.sha256:
        raise ModelError(
            f"The weights in {path} do not have the SHA-256 of their description; they are damaged "
            "or were exchanged, get the package again."
        )
    trust = trust or (record is not None and record.trusted)
    if card.weights.format == TORCHSCRIPT and not trust:
        raise UntrustedCode(
            f"{path.name} holds its network as TorchScript, which runs code that it holds when it "
            f"is loaded; if you trust its authors, 'clip-denoise models import {path} --trust' "
            "adds it to your models, and load(path, trust=True) loads it in Python."
        )
    model = ZooModel(card, content, path, trust=trust)
    return model if record else _measured(model)


def package_card(path: Path) -> ZooCard:
    """Read the card of a package without loading its network.

    Raises
    ------
    ModelError
        If it is damaged or unsuitable.
    InputError
        If a library that is needed is not installed.
    """
    check_package(path)
    record = read_record(path)
    return record.card if record else read_description(path)


def _measured(model: ZooModel) -> ZooModel:
    """Return a model with the measured reach of its network as its halo."""
    card = model.card
    network = model.for_inference(torch.device("cpu"), torch.get_num_threads())
    reach = measure_reach(network, card.halo)
    if reach is not None:
        card = card.model_copy(update={"halo": max(card.halo, reach)})
    elif card.halo < LARGEST_REACH:
        halo = max(card.halo, min(INEXACT_HALO, _most_halo(card)))
        shape = replace(card.network, align_corners=True)
        card = card.model_copy(update={"halo": halo, "network": shape})
    assert model.path is not None
    return ZooModel(card, model._content, model.path, trust=model._trust)


def _most_halo(card: ZooCard) -> int:
    """Return the largest halo that leaves enough of the only tile that a network takes."""
    sides = [sizes.most for sizes in card.input_sizes if sizes.most is not None]
    return max(0, min(min(sides) // 4, (min(sides) - LEAST_LEFT) // 2)) if sides else INEXACT_HALO


@lru_cache(maxsize=4)
def _load_once(path: Path, trust: bool) -> ZooModel:
    return load_package(path, trust=trust)
