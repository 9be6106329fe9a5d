"""Noise by NumPy and by torch, so that one test holds both against theory."""

import numpy as np
import pytest
import torch


def on_array(model, clean, seed=0):
    return model(clean, np.random.default_rng(seed))


def on_tensor(model, clean, seed=0):
    noisy = model(torch.from_numpy(clean), torch.Generator().manual_seed(seed))
    assert noisy.dtype == torch.float32
    return noisy.numpy()


both = pytest.mark.parametrize("add", [on_array, on_tensor], ids=["numpy", "torch"])
