"""Rounding of an encoder's weights, so that all copies of them are equal."""

import torch

from napari_clip_denoise.network.encoder import Encoder


@torch.no_grad()
def in_half_precision(encoder: Encoder) -> Encoder:
    """Round the weights of an encoder, in place, to what half precision can hold, and return it.

    Some copies of the same weights are stored in half precision, others in full. Rounded, they are
    equal, so that a model trained with one of them can be paired with any other.
    """
    for tensor in encoder.state_dict().values():
        if tensor.is_floating_point():
            rounded = tensor.half().float()
            tensor.copy_(torch.where(rounded.isfinite(), rounded, tensor))
    return encoder
