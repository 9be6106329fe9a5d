"""Initial weights from a trained network, also for one that is told the noise level besides."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from napari_clip_denoise.network.config import DenoiserConfig
from napari_clip_denoise.network.denoiser import Denoiser

DAMPING = 0.1
"""Factor of the last convolution of a decoder block that starts anew, until it has learned."""
FIRST = "first.weight"
STEM = "encoder.conv1.weight"


def fits(trained: DenoiserConfig, network: DenoiserConfig) -> bool:
    """Return whether the encoders have the same shape, apart from the noise level as an input."""
    gained = int(network.noise_level and not trained.noise_level)
    inputs = {network.encoder.in_channels, network.encoder.in_channels - gained}
    shape = replace(trained.encoder, in_channels=network.encoder.in_channels)
    return shape == network.encoder and (
        trained.encoder.in_channels in inputs or trained.channels == 1
    )


@torch.no_grad()
def initial_weights(
    denoiser: Denoiser, trained: Denoiser, reinit: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return the weights of a trained network for another one, as far as they fit.

    A network that is also told the noise level gets random weights for this input, as large as the
    trained ones; at level 0 it computes the same. A further convolution in a block of the decoder
    begins as the identity (Net2Net; Chen, Goodfellow, Shlens, ICLR 2016). Further channels of the
    decoder are random, and those that were there do not listen to them yet.

    Parameters
    ----------
    denoiser : Denoiser
        The network to start, with random weights. They are kept where none of `trained` fits.
    trained : Denoiser
        The trained network.
    reinit : tuple of str
        Prefixes of the names of parts that keep their random weights.

    Returns
    -------
    dict
        State dict of `denoiser`.
    """
    given = dict(trained.state_dict())
    if FIRST in given and FIRST not in denoiser.state_dict():
        given[STEM] = torch.einsum("okyx,kc->ocyx", given[STEM], given.pop(FIRST)[:, :, 0, 0])
    gains_level = denoiser.config.noise_level and not trained.config.noise_level
    deeper = denoiser.config.decoder_depth > trained.config.decoder_depth
    weights = dict(denoiser.state_dict())
    for name, own in denoiser.state_dict().items():
        old = given.get(name)
        if name.startswith(reinit):
            if gains_level and name.endswith(_last_convolution(denoiser)):
                weights[name] = own * DAMPING
        elif old is not None and old.shape == own.shape:
            weights[name] = old
        elif old is not None and gains_level and _lacks_one_input(old, own):
            weights[name] = torch.cat([old, old.std() * torch.randn_like(own[:, -1:])], dim=1)
        elif old is not None and own.ndim == 4 and _is_wider(old, own):
            weights[name] = _widened(old, own, _channels_below(name, trained) or old.shape[1])
        elif old is None and deeper and own.ndim == 4:
            weights[name] = nn.init.dirac_(torch.empty_like(own))
    return weights


def _lacks_one_input(old: Tensor, own: Tensor) -> bool:
    return old.ndim == 4 and (*old[0, 0].shape, len(old), old.shape[1] + 1) == (
        *own[0, 0].shape,
        len(own),
        own.shape[1],
    )


def _is_wider(old: Tensor, own: Tensor) -> bool:
    return len(old) <= len(own) and old.shape[1] <= own.shape[1] and old.shape[2:] == own.shape[2:]


def _widened(old: Tensor, own: Tensor, below: int) -> Tensor:
    """Return `own`, with `old` as the weights of the first outputs; new inputs follow `below`."""
    wider = own.clone()
    wider[: len(old)] = 0
    wider[: len(old), :below] = old[:, :below]
    skips = old.shape[1] - below
    wider[: len(old), own.shape[1] - skips :] = old[:, below:]
    return wider


def _channels_below(name: str, trained: Denoiser) -> int | None:
    """Return how many inputs of a block's first convolution come from the block below, if any."""
    for level, channels in enumerate(trained.config.decoder_channels[:-1], start=1):
        if name == f"decoder.up_path.{level}.conv_block.block.0.weight":
            return channels
    return None


def _last_convolution(denoiser: Denoiser) -> str:
    """Return how the name of the last convolution of a decoder block ends."""
    return f"conv_block.block.{2 * (denoiser.config.decoder_depth - 1)}.weight"
