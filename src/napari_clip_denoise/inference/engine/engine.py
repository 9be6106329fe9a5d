"""Running of a model on a device."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch

from napari_clip_denoise.errors import OutOfDeviceMemory
from napari_clip_denoise.inference.engine.memory import (
    SHARE_OF_FREE,
    MemoryModel,
    free_memory,
    measure,
)
from napari_clip_denoise.inference.progress import CancelToken
from napari_clip_denoise.models.card import ModelCard
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.inference import self_ensemble

PIXELS_PER_BATCH = {"cpu": 2**20, "mps": 2**21, "cuda": 2**24}
"""Pixels per call of a network whose encoder is at most `WIDTH` channels wide."""
WIDTH = 16
UNMEASURED_PIXELS = 2**20
"""Pixels per call of a network whose memory cannot be measured."""


class Pending:
    """Result that may still be on its way from the device."""

    def __init__(self, values: torch.Tensor, copied: torch.cuda.Event | None = None):
        self._values = values
        self._copied = copied

    def result(self) -> np.ndarray:
        """Wait for the result and return it."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._values.numpy()


class Runner:
    """Runner of a folded model on batches, for one thread at a time.

    Parameters
    ----------
    model : Model
        The model, which is not changed.
    device : torch.device
        Device to compute on.
    precision : torch.dtype
        Type of the convolutions.
    threads : int, optional
        Number of CPU threads; by default that of torch. It decides how sums are split, and so
        their last bits.
    """

    def __init__(
        self,
        model: Model,
        device: torch.device,
        precision: torch.dtype,
        threads: int | None = None,
    ):
        self.model = model
        self.device = device
        self.precision = precision
        self.threads = threads or torch.get_num_threads()
        self._lock = threading.Lock()
        self._cancel: CancelToken | None = None
        self._network: Any = model.for_inference(device, self.threads)
        self._is_mixed = precision != torch.float32
        for module in self._network.modules():
            if not any(module.children()):
                module.register_forward_pre_hook(self._check_cancel)

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self.model.card

    def pixels_per_batch(self) -> int:
        """Number of pixels per call beyond which this device gets no faster."""
        width = self.card.network.encoder.width
        return PIXELS_PER_BATCH[self.device.type] * WIDTH // max(WIDTH, width)

    def pixels_that_fit(self) -> int:
        """Number of pixels per call that fit into the memory that is free now."""
        if not self.model.has_known_memory:
            return UNMEASURED_PIXELS
        if self.memory is None:
            return self.pixels_per_batch()
        return self.memory.pixels(int(SHARE_OF_FREE * free_memory(self.device)))

    @cached_property
    def memory(self) -> MemoryModel | None:
        """Memory use of a call; None if too little is free to measure it, or it cannot be."""
        if not self.model.has_known_memory:
            return None

        def call(side: int) -> torch.Tensor:
            plane = np.zeros((1, self.card.network.channels, side, side), np.float32)
            return self._network(*self._on_device(plane, plane[:, :1])).float()

        with self._lock, self._working(None):
            try:
                return measure(call, self.device)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                return None

    def __call__(self, batch: np.ndarray, cancel: CancelToken | None = None) -> np.ndarray:
        """Run the network and wait for its result; see `start`."""
        return self.start(batch, cancel).result()

    def start(
        self,
        batch: np.ndarray,
        cancel: CancelToken | None = None,
        *,
        level: np.ndarray | None = None,
        ensemble: bool = False,
    ) -> "Pending":
        """Run the network; on CUDA, do not wait for the result.

        Parameters
        ----------
        batch : numpy.ndarray
            (N, channels, H, W), float32, on the network's scale; H and W are multiples of 16.
        cancel : CancelToken, optional
            Token that is checked before each layer.
        level : numpy.ndarray, optional
            Standard deviation of the noise, (N, 1, H, W), float32, NaN where unknown; ignored by
            networks that are not told it.
        ensemble : bool
            Whether to average over eight orientations, see `self_ensemble`.

        Returns
        -------
        Pending
            The pending result, a float32 array of the same shape.

        Raises
        ------
        OutOfDeviceMemory
            If the batch does not fit into memory.
        Cancelled
            If `cancel` was cancelled.
        """
        with self._lock, self._working(cancel):
            try:
                return self._forward(batch, level, ensemble)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        raise OutOfDeviceMemory(
            f"Tiles of {batch.shape[-2]}x{batch.shape[-1]} pixels, {len(batch)} at a time, do not "
            f"fit into the memory of {self.device}; choose a smaller tile or batch.",
            tiles=len(batch),
        )

    def encode(
        self,
        batch: np.ndarray,
        cancel: CancelToken | None = None,
        level: np.ndarray | None = None,
    ) -> list[torch.Tensor]:
        """Run only the encoder and return the features F0 to F4; for arguments see `start`."""
        with self._lock, self._working(cancel):
            return self._network.features(*self._on_device(batch, level))

    def decode(
        self,
        batch: np.ndarray,
        features: list[torch.Tensor],
        generator: torch.Generator,
        level: float,
        cancel: CancelToken | None = None,
    ) -> Pending:
        """Run only the decoder, on features disturbed by the augmentation used in training.

        Parameters
        ----------
        batch : numpy.ndarray
            (N, channels, H, W), float32, on the network's scale.
        features : list of Tensor
            F0 to F4 as returned by `encode`.
        generator : torch.Generator
            Source of the random disturbance.
        level : float
            Strength of the disturbance, see `Denoiser`.
        cancel : CancelToken, optional
            Token that stops the call.

        Returns
        -------
        Pending
            The result, a float32 array of the shape of `batch`.
        """
        with self._lock, self._working(cancel):
            disturbed = self._network.augment(features, level, generator)
            result = self._network.decode(self._on_device(batch)[0], disturbed)
            return Pending(result.float().contiguous().cpu())

    def with_threads(self, threads: int) -> "Runner":
        """Return a runner of the same model on the same device with another number of threads."""
        return get_runner(self.model, self.device, self.precision, threads)

    @contextmanager
    def _working(self, cancel: CancelToken | None) -> Iterator[None]:
        self._cancel = cancel
        try:
            with (
                cpu_threads(self.threads),
                torch.inference_mode(),
                torch.autocast(
                    self.device.type, self.precision, enabled=self.precision != torch.float32
                ),
            ):
                yield
        finally:
            self._cancel = None

    def _on_device(self, *arrays: np.ndarray | None) -> list[torch.Tensor]:
        """Move the batch, and the level if there is one and the network takes it, to the device."""
        taken = arrays if self.card.network.noise_level else arrays[:1]
        is_cuda = self.device.type == "cuda"
        hosts = [torch.from_numpy(array) for array in taken if array is not None]
        if self.card.clip_input:
            hosts[0] = hosts[0].clamp(0, 1)
        hosts = [host.pin_memory() if is_cuda else host for host in hosts]
        layout = torch.channels_last
        return [host.to(self.device, memory_format=layout, non_blocking=is_cuda) for host in hosts]

    def _forward(self, batch: np.ndarray, level: np.ndarray | None, ensemble: bool) -> "Pending":
        is_cuda = self.device.type == "cuda"
        given = self._on_device(batch, level)
        if ensemble:
            result = self_ensemble(self._network, *given).contiguous()
        else:
            result = self._network(*given).float().contiguous()
        if not is_cuda:
            return Pending(result.cpu())
        host = torch.empty_like(result, device="cpu", pin_memory=True)
        host.copy_(result, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()
        return Pending(host, copied)

    def _check_cancel(self, *_: object) -> None:
        if self._cancel is not None:
            self._cancel.check()


_runners_lock = threading.Lock()


def get_runner(
    model: Model, device: torch.device, precision: torch.dtype, threads: int | None = None
) -> Runner:
    """Return the `Runner` for a model and device, creating it at the first call.

    Parameters
    ----------
    model, device, precision, threads :
        See `Runner`.
    """
    way = device, precision, threads or torch.get_num_threads()
    with _runners_lock:
        if way not in model.ready:
            model.ready[way] = Runner(model, *way)
        return model.ready[way]


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Set the number of CPU threads of torch within the context."""
    before = torch.get_num_threads()
    if number == before:
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a torch error means low memory; CPU and MPS only say so in the message."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or any(w in str(error) for w in words)
