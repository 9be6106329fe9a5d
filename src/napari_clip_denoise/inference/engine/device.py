"""Choice of the device and of the precision of a run."""

import torch

from napari_clip_denoise.errors import DeviceError
from napari_clip_denoise.inference.settings import DeviceName, Precision


def resolve_device(name: DeviceName) -> torch.device:
    """Return the torch device for a setting.

    Raises
    ------
    DeviceError
        If a device of that kind is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available[name]:
        there = ", ".join(kind for kind, is_there in available.items() if is_there)
        raise DeviceError(
            f"The device '{name}' is not available here; choose auto or one of: {there}."
        )
    return torch.device(name)


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the data type of the convolutions for a precision setting."""
    if precision != "auto":
        return getattr(torch, precision)
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
