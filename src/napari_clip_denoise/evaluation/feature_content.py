"""Measures of what an encoder's features of a noisy image tell about the clean one."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = ("image", "F1", "F2", "F3", "F4", "all")
"""Noisy pixels around a place, the features there, and F1 to F4 together."""
SIDES = (2, 2, 4, 8, 16, 2)
"""Side in pixels of a place on the grid of each level."""
COARSEST = max(SIDES)
WINDOW = 6
"""Side of the window of pixels around a place that stands for the image itself."""
SAMPLES = 2048
PLACES = 256
RIDGE = 1e-2


def content_levels(image: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
    """Return the vectors of each of `LEVELS` on its grid of places.

    Parameters
    ----------
    image : Tensor
        Noisy image (1, C, Y, X).
    features : sequence of Tensor
        F1 to F4, each (N, C_i, Y / 2**i, X / 2**i), with N > 1 if colours are seen one by one.

    Returns
    -------
    list of Tensor
        (1, channels, Y / side, X / side) for the sides in `SIDES`.
    """
    step = SIDES[0]
    margin = (WINDOW - step) // 2
    windows = functional.unfold(image, WINDOW, padding=margin, stride=step)
    pixels = windows.reshape(1, -1, image.shape[2] // step, image.shape[3] // step)
    own = [feature.reshape(1, -1, *feature.shape[2:]) for feature in features]
    size = own[0].shape[2:]
    joined = torch.cat([own[0], *(functional.interpolate(f, size) for f in own[1:])], dim=1)
    return [pixels, *own, joined]


class LinearReadout:
    """Ridge regression of the clean pixels of a place from the vector of a feature there."""

    def __init__(self) -> None:
        self._sums: list[Tensor] | None = None
        self._weights: tuple[Tensor, Tensor] | None = None
        self._errors: list[float] = []

    def learn(self, vectors: Tensor, pixels: Tensor) -> None:
        """Add samples to learn from, (n, channels) and (n, pixels)."""
        ones = vectors.new_ones(len(vectors), 1)
        x = torch.cat([ones, vectors], dim=1).double()
        sums = [x.T @ x, x.T @ pixels.double()]
        self._sums = sums if self._sums is None else [a + b for a, b in zip(self._sums, sums)]  # noqa: B905

    def test(self, vectors: Tensor, pixels: Tensor) -> None:
        """Predict the pixels of samples, and record the error."""
        slope, offset = self._solved()
        predicted = (vectors.double() @ slope + offset).clamp(0, 1)
        self._errors.append((predicted - pixels.double()).square().mean().item())

    @property
    def psnr(self) -> float:
        """Mean PSNR in dB over the tested images."""
        return (-10 * torch.tensor(self._errors, dtype=torch.float64).log10()).mean().item()

    def _solved(self) -> tuple[Tensor, Tensor]:
        if self._weights is None:
            assert self._sums is not None
            products, targets = (sums / self._sums[0][0, 0] for sums in self._sums)
            mean, target = products[0, 1:], targets[0]
            covariance = products[1:, 1:] - torch.outer(mean, mean)
            scale = covariance.diagonal().clamp_min(1e-12).rsqrt()
            normalised = covariance * torch.outer(scale, scale)
            normalised.diagonal().add_(RIDGE)
            shared = (targets[1:] - torch.outer(mean, target)) * scale[:, None]
            slope = scale[:, None] * torch.linalg.solve(normalised, shared)
            self._weights = slope, target - mean @ slope
        return self._weights


class Content:
    """Read-outs of all levels, learned from some images and tested on others.

    Even-numbered images are learned from, odd-numbered ones tested. A single image is divided into
    its left and its right half.

    Parameters
    ----------
    n_images : int
        Number of images.
    """

    def __init__(self, n_images: int):
        self.n_images = n_images
        self.order = [*range(0, n_images, 2), *range(1, n_images, 2)]
        self._readouts = [LinearReadout() for _ in LEVELS]

    def add(self, number: int, clean: Tensor, levels: Sequence[Tensor]) -> None:
        """Take an image; call it in the `order` of the numbers.

        Parameters
        ----------
        number : int
            Number of the image.
        clean : Tensor
            Clean image (1, C, Y, X).
        levels : sequence of Tensor
            See `content_levels`.
        """
        for readout, level, side in zip(self._readouts, levels, SIDES, strict=True):
            pixels = functional.pixel_unshuffle(clean, side)
            if self.n_images > 1:
                samples = _samples(level), _samples(pixels)
                (readout.test if number % 2 else readout.learn)(*samples)
                continue
            half = level.shape[3] // 2
            readout.learn(_samples(level[..., :half]), _samples(pixels[..., :half]))
            readout.test(_samples(level[..., half:]), _samples(pixels[..., half:]))

    @property
    def psnr(self) -> tuple[float, ...]:
        """PSNR in dB of the read-out of each level."""
        return tuple(readout.psnr for readout in self._readouts)


def found_places(clean: Sequence[Tensor], noisy: Sequence[Tensor]) -> list[float]:
    """Return the fraction of places that are found again in the clean image, for each level.

    A place of the noisy image is found if, of up to `PLACES` places of the clean image, the most
    similar vector is that of the same place. Similarity is the cosine after subtracting the mean
    over the clean image.

    Parameters
    ----------
    clean, noisy : sequence of Tensor
        See `content_levels`.
    """
    height, width = (size * SIDES[0] // COARSEST for size in clean[0].shape[2:])
    chosen = _shuffled(height * width)[:PLACES]
    y, x = (COARSEST * part + COARSEST // 2 for part in (chosen // width, chosen % width))
    found = []
    for before, after, side in zip(clean, noisy, SIDES, strict=True):
        mean = before.mean(dim=(2, 3))
        known, asked = (
            functional.normalize(level[0, :, y // side, x // side].T - mean)
            for level in (before, after)
        )
        nearest = (asked @ known.T).argmax(dim=1)
        found.append((nearest == torch.arange(len(chosen))).double().mean().item())
    return found


def _samples(level: Tensor) -> Tensor:
    """Return the vectors (n, channels) of up to `SAMPLES` places, always the same."""
    vectors = level[0].flatten(1).T
    return vectors[_shuffled(len(vectors))[:SAMPLES]]


def _shuffled(number: int) -> Tensor:
    return torch.randperm(number, generator=torch.Generator().manual_seed(0))
