"""Settings as a command line and as Python, which both repeat a run."""

import shlex
from typing import Any

from napari_clip_denoise.inference.settings import DenoiseSettings

OPTIONS = {"output_dtype": "dtype"}
"""Options of the command line that have another name than the setting."""


def as_command(settings: DenoiseSettings, source: str, result: str, axes: str) -> str:
    """Write the command that denoises a file with these settings.

    Parameters
    ----------
    settings : DenoiseSettings
        Those that have their default value are left out.
    source, result : str
        Files or stores.
    axes : str
        One letter a dimension of the source.
    """
    words = ["clip-denoise", "denoise", source, result, f"--axes={axes}"]
    for name, value in _changed(settings).items():
        option = f"--{OPTIONS.get(name, name).replace('_', '-')}"
        text = ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)
        words.append(option if value is True else f"{option}={text}")
    return shlex.join(words)


def as_python(settings: DenoiseSettings, source: str, result: str, axes: str) -> str:
    """Write the Python script that does the same as `as_command`; `result` is a ``.zarr``."""
    lines = [
        "from napari_clip_denoise import denoise_to_zarr",
        "",
        "denoise_to_zarr(",
        f"    {source!r},",
        f"    {result!r},",
        f"    axes={axes!r},",
        *(f"    {name}={value!r}," for name, value in _changed(settings).items()),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _changed(settings: DenoiseSettings) -> dict[str, Any]:
    return {
        name: getattr(settings, name)
        for name, field in DenoiseSettings.model_fields.items()
        if getattr(settings, name) != field.default
    }
