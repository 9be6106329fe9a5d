"""What an encoder that is trained by itself is trained for.

It sees two noisy views of each patch. Its features shall agree (invariance), vary from place to
place and differ from each other (variance and covariance; VICReg, Bardes et al., ICLR 2022), and a
linear read-out of them shall give the clean pixels. Train it with batch normalisation that follows
the batches (`Encoder.adapts`): with constant statistics, large steps let its features grow without
bound.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clip_denoise.network.encoder import Encoder

SIDES = (2, 4, 8, 16)
PLACES = 2048
INVARIANCE, VARIANCE, COVARIANCE, PIXELS = 3.0, 1.0, 0.04, 10.0


class Readout(nn.Module):
    """Linear predictions of the clean pixels of a place from each feature, and from all."""

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        self.single = nn.ModuleList(
            nn.Linear(n, side**2) for n, side in zip(channels, SIDES, strict=True)
        )
        self.joint = nn.Linear(sum(channels), SIDES[0] ** 2)

    def error(self, vectors: list[Tensor], pixels: list[Tensor]) -> Tensor:
        """Return the sum of the root mean square errors of all predictions."""
        predictions = [head(v) for head, v in zip(self.single, vectors, strict=True)]
        pairs = zip(
            [*predictions, self.joint(torch.cat(vectors, dim=-1))],
            [*pixels, pixels[0]],
            strict=True,
        )
        return torch.stack([(truth - p).square().mean().sqrt() for p, truth in pairs]).sum()


class SelfTaught(nn.Module):
    """The encoder and its read-out; returns the loss of a batch."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder
        self.readout = Readout(encoder.config.feature_channels)

    def forward(self, one: Tensor, other: Tensor, clean: Tensor) -> Tensor:
        """Return the loss of two views (N, 1, H, W) of clean patches."""
        features = self.encoder(torch.cat([one, other]))
        pixels = [functional.pixel_unshuffle(clean, side) for side in SIDES]
        places = torch.randint(pixels[0][0, 0].numel(), (PLACES // len(clean),))
        vectors = at_places(features, places)
        with torch.autocast(one.device.type, enabled=False):
            truth = [torch.cat([each, each]) for each in at_places(pixels, places)]
            loss = PIXELS * self.readout.error(vectors, truth)
            for a, b in (each.chunk(2) for each in vectors):
                loss = loss + vicreg(a.flatten(0, 1), b.flatten(0, 1))
        return loss


def at_places(maps: list[Tensor], places: Tensor) -> list[Tensor]:
    """Return the vectors (N, places, channels) of maps (N, channels, H, W) at the same places.

    Places are numbers of pixels of the first map, which is the finest.
    """
    width = maps[0].shape[-1]
    y, x = places // width, places % width
    vectors = []
    for each in maps:
        step = width // each.shape[-1]
        index = (y // step) * each.shape[-1] + x // step
        vectors.append(each.flatten(2).transpose(1, 2).index_select(1, index).float())
    return vectors


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """Return the loss of the features (n, channels) of two views of the same places.

    Deviations are to be 1. (Features in relation to their own deviation would be drawn to 0, where
    they say nothing.)
    """
    loss = INVARIANCE * (a - b).square().mean()
    for view in (a, b):
        centred = view - view.mean(dim=0)
        covariance = centred.T @ centred / (len(view) - 1)
        deviation = (covariance.diagonal() + 1e-4).sqrt()
        others = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = loss + VARIANCE / 2 * (1 - deviation).clamp_min(0).mean()
        loss = loss + COVARIANCE / 2 * others / len(covariance)
    return loss
