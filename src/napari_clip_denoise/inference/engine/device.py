"""Choice of the device and of the precision of a run."""

import torch

from napari_clip_denoise.errors import DeviceError, InputError
from napari_clip_denoise.inference.settings import DenoiseSettings, DeviceName, Precision
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.zoo.card import ZooCard


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


def way_to_run(model: Model, settings: DenoiseSettings) -> tuple[torch.device, torch.dtype]:
    """Return the device and the precision of a run with a model.

    A package of other authors runs in float32, and its ONNX on the CPU.

    Raises
    ------
    DeviceError
        If the device is not available, or the model cannot run as the settings ask.
    InputError
        If it cannot because of another setting.
    """
    card = model.card
    device, precision = settings.device, settings.precision
    if isinstance(card, ZooCard):
        if precision not in ("auto", "float32"):
            raise DeviceError(
                f"The model {card.name} is a package of other authors, which runs in float32; set "
                "precision to auto."
            )
        if settings.hot_pixels == "replace":
            raise InputError(
                f"The model {card.name} is a package of other authors, which sees hot pixels as "
                "they are; set hot pixels to keep."
            )
        precision = "float32"
    if model.runs_on is not None:
        if device not in ("auto", *model.runs_on):
            raise DeviceError(
                f"The model {card.name} is an ONNX network, which runs on the CPU; set device to "
                "auto or cpu."
            )
        device = "cpu"
    rows, columns = card.input_sizes
    if settings.self_ensemble and rows != columns:
        raise InputError(
            f"The model {card.name} takes other numbers of rows than of columns, so it cannot "
            "denoise rotated tiles; leave the self-ensemble off."
        )
    found = resolve_device(device)
    return found, resolve_precision(precision, found)
