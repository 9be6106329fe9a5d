"""Rectifiers of an encoder that stay closed: a penalty, and a count."""

import torch
from torch import Tensor, nn

from napari_clip_denoise.network.denoiser import Denoiser
from napari_clip_denoise.network.encoder import Encoder

MARGIN = 0.5


class RectifierGuard:
    """Penalty on an encoder's channels whose rectifiers no pixel of a batch opens.

    A closed rectifier passes no gradient, so it stays closed. The penalty pulls the largest input
    of such a channel up to `MARGIN` root mean squares.

    Parameters
    ----------
    encoder : Encoder
        The encoder to watch; its rectifiers no longer work in place.
    """

    def __init__(self, encoder: Encoder):
        self._gaps: list[Tensor] = []
        for module in encoder.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
                module.register_forward_pre_hook(self._measure)

    def _measure(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not torch.is_grad_enabled():
            return
        largest = inputs[0].amax(dim=(0, 2, 3)).float()
        size = inputs[0].detach().float().square().mean().sqrt() + 1e-6
        self._gaps.append((MARGIN - largest / size).clamp_min(0).mean())

    def penalty(self) -> Tensor:
        """Return the mean penalty of the batch that the encoder has just seen, and forget it."""
        total = torch.stack(self._gaps).sum()
        self._gaps.clear()
        return total


@torch.no_grad()
def alive(denoiser: Denoiser, noisy: Tensor, level: Tensor | None) -> list[float]:
    """Return the fraction of channels in F1 to F4 that vary over a batch.

    Parameters
    ----------
    denoiser : Denoiser
        The denoiser.
    noisy : Tensor
        Noisy patches (N, channels, H, W).
    level : Tensor or None
        Their noise level.
    """
    features = denoiser.features(noisy, level)[1:]
    return [float((f.float().std(dim=(0, 2, 3)) > 1e-4).float().mean()) for f in features]
