"""A model made ready on a device."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from napari_clip_denoise.errors import DeviceError
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.fold import fold

PIXELS_A_BATCH = {"cpu": 2**20, "mps": 2**21, "cuda": 2**24}
"""Pixels in one call of a network as wide as ``compact``."""
COMPACT_WIDTH = 16


class Runner:
    """Runs a folded model on batches, one thread at a time.

    Parameters
    ----------
    model : Model
        Left as it is.
    device : torch.device
        Where it computes.
    precision : torch.dtype
        Type of the convolutions.
    """

    def __init__(self, model: Model, device: torch.device, precision: torch.dtype):
        self.model = model
        self.device = device
        self.precision = precision
        self._lock = threading.Lock()
        self._cancel: CancelToken | None = None
        on_cpu = device.type == "cpu" and precision == torch.float32
        self._network = fold(model.denoiser, winograd=on_cpu).to(device)
        for module in self._network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_pre_hook(self._check_cancel)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.model.card

    def pixels_a_batch(self) -> int:
        """How many pixels one call should get on this device."""
        width = self.card.network.encoder.width
        return PIXELS_A_BATCH[self.device.type] * COMPACT_WIDTH // max(COMPACT_WIDTH, width)

    def __call__(self, batch: np.ndarray, cancel: CancelToken | None = None) -> np.ndarray:
        """Run the network.

        Parameters
        ----------
        batch : numpy.ndarray
            (N, channels, H, W), float32, on the network's scale; H and W multiples of 16.
        cancel : CancelToken, optional
            Looked at before each convolution.

        Returns
        -------
        numpy.ndarray
            Same shape, float32.

        Raises
        ------
        DeviceError
            If not even one tile fits into the device's memory.
        Cancelled
            If the token says so.
        """
        with self._lock:
            self._cancel = cancel
            try:
                return self._run(torch.from_numpy(batch))
            finally:
                self._cancel = None

    def encode(self, batch: np.ndarray, cancel: CancelToken | None = None) -> list[torch.Tensor]:
        """Run only the encoder; see `__call__`. The features F0 to F4 stay on the device."""
        with self._lock, self._working(cancel):
            return self._network.features(self._on_device(batch))

    def decode(
        self,
        batch: np.ndarray,
        features: list[torch.Tensor],
        generator: torch.Generator,
        level: float,
        cancel: CancelToken | None = None,
    ) -> np.ndarray:
        """Run only the decoder, on features that the training's augmentation has disturbed."""
        with self._lock, self._working(cancel):
            disturbed = self._network.augment(features, level, generator)
            result = self._network.decode(self._on_device(batch), disturbed)
            return result.float().contiguous().cpu().numpy()

    @contextmanager
    def _working(self, cancel: CancelToken | None) -> Iterator[None]:
        self._cancel = cancel
        is_mixed = self.precision != torch.float32
        try:
            with (
                torch.inference_mode(),
                torch.autocast(self.device.type, self.precision, enabled=is_mixed),
            ):
                yield
        finally:
            self._cancel = None

    def _on_device(self, batch: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(batch).to(self.device, memory_format=torch.channels_last)

    def _run(self, batch: torch.Tensor) -> np.ndarray:
        try:
            return self._forward(batch)
        except torch.OutOfMemoryError:
            pass
        torch.cuda.empty_cache()
        if len(batch) == 1:
            raise DeviceError(
                f"A tile of {batch.shape[-2]}x{batch.shape[-1]} pixels does not fit into the "
                f"memory of {self.device}; choose a smaller tile or the device cpu."
            )
        half = len(batch) // 2
        return np.concatenate([self._run(batch[:half]), self._run(batch[half:])])

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor) -> np.ndarray:
        on_device = batch.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, self.precision, enabled=self.precision != torch.float32
        ):
            result = self._network(on_device)
        return result.float().contiguous().cpu().numpy()

    def _check_cancel(self, *_: object) -> None:
        if self._cancel is not None:
            self._cancel.check()


_runners: WeakKeyDictionary[Model, dict[tuple[torch.device, torch.dtype], Runner]] = (
    WeakKeyDictionary()
)
_runners_lock = threading.Lock()


def get_runner(model: Model, device: torch.device, precision: torch.dtype) -> Runner:
    """Make a model ready, or give back the one that was made before."""
    with _runners_lock:
        made = _runners.setdefault(model, {})
        if (device, precision) not in made:
            made[device, precision] = Runner(model, device, precision)
        return made[device, precision]
