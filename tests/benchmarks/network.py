"""How much faster a model runs here than the paper's network as it was published."""

import statistics
from dataclasses import dataclass

import numpy as np
import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from benchmarks.arithmetic import flops_per_plane, matmul_rate, seconds_of
from napari_clip_denoise.inference.engine.engine import Runner, cpu_threads
from napari_clip_denoise.models.card import EncoderCard, ModelCard
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.denoiser import Denoiser


@dataclass(frozen=True)
class Comparison:
    """Seconds a plane, as medians of runs in turn; of processor time on the CPU.

    Attributes
    ----------
    reference : float
        The paper's network unfolded, in float32, with CLIP's unused last stage computed.
    ready : float
        The model as a run uses it.
    ratio : float
        Median of the ratios reference to ready, pair by pair.
    rate : float
        Floating-point operations a second of the model, as its convolutions are written.
    matmul_rate : float
        The same of the multiplication of large matrices on this device, in the same type.
    """

    reference: float
    ready: float
    ratio: float
    rate: float
    matmul_rate: float


class ReferenceDenoiser(nn.Module):
    """A denoiser as the paper's implementation runs it: unfolded, ``layer4`` computed in vain."""

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser
        encoder = denoiser.config.encoder
        tower = ModifiedResNet([*encoder.layers, 3], 1, 1, image_size=32, width=encoder.width)
        self.layer4 = tower.layer4
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Denoise (N, channels, H, W)."""
        features = self.denoiser.features(image)
        self.layer4(features[-1])
        return self.denoiser.decode(image, features)


def paper_model() -> Model:
    """The paper's RGB network on CLIP RN50 with random weights, which cost the same time."""
    config = DenoiserConfig()
    card = ModelCard(
        name="clip-rn50-random", network=config, encoder=EncoderCard(source="random weights")
    )
    return Model(card, Denoiser(config).eval())


def compare(
    model: Model,
    device: torch.device,
    precision: torch.dtype,
    threads: int | None = None,
    *,
    side: int = 512,
    runs: int = 5,
) -> Comparison:
    """Time a model as it is run here against the paper's network, in turn.

    Parameters
    ----------
    model : Model
        What to time.
    device, precision, threads :
        Where, the type of the convolutions, and threads on the CPU; the reference is float32 on
        the same device and as many threads.
    side : int
        Side of the square plane in pixels.
    runs : int
        Counted pairs, after one that is not.
    """
    ready = Runner(model, device, precision, threads)
    plane = _plane(model, side)
    paper = paper_model()
    network = ReferenceDenoiser(paper.denoiser).to(device)
    paper_plane = torch.from_numpy(_plane(paper, side))

    @torch.inference_mode()
    def reference() -> None:
        with cpu_threads(ready.threads):
            network(paper_plane.to(device)).cpu()

    pairs = [
        (seconds_of(reference, device), seconds_of(lambda: ready(plane), device))
        for _ in range(runs + 1)
    ][1:]
    seconds = statistics.median(fast for _, fast in pairs)
    return Comparison(
        reference=statistics.median(slow for slow, _ in pairs),
        ready=seconds,
        ratio=statistics.median(slow / fast for slow, fast in pairs),
        rate=flops_per_plane(model, side) / seconds,
        matmul_rate=matmul_rate(device, precision, ready.threads),
    )


def _plane(model: Model, side: int) -> np.ndarray:
    shape = (1, model.card.network.channels, side, side)
    return np.random.default_rng(0).random(shape, np.float32)
