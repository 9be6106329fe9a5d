"""Settings as a shell command and as a Python script, either of which repeats a run."""

import shlex
from typing import Any

from napari_clip_denoise.inference.settings import DenoiseSettings

OPTIONS = {"output_dtype": "dtype"}
"""Command-line options whose name differs from that of the setting."""


def as_command(settings: DenoiseSettings, source: str, result: str, axes: str) -> str:
    """Return the command that denoises a file with these settings.

    Parameters
    ----------
    settings : DenoiseSettings
        Settings of the run; those with default values are left out.
    source, result : str
        Input and output files or stores.
    axes : str
        Axes of the source, one letter per dimension.

    Returns
    -------
    str
        The command line.
    """
    words = ["clip-denoise", "denoise", source, result, f"--axes={axes}"]
    for name, value in _changed(settings).items():
        option = f"--{OPTIONS.get(name, name).replace('_', '-')}"
        text = ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)
        words.append(option if value is True else f"{option}={text}")
    return shlex.join(words)


def as_python(settings: DenoiseSettings, source: str, result: str, axes: str) -> str:
    """Return a Python script that does the same as the command.

    Parameters
    ----------
    settings, source, axes :
        See `as_command`.
    result : str
        Output store, ending in ``.zarr``.

    Returns
    -------
    str
        The script.
    """
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
