"""States of trainings on disk."""

import io
from pathlib import Path
from typing import Any

import torch

from napari_clip_denoise.errors import InputError, OutputError


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a state atomically: a reader finds either the old or the new one.

    Parameters
    ----------
    path : Path
        The file; its folder is created if needed.
    content : dict
        Tensors and plain values.

    Raises
    ------
    OutputError
        If the state cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(buffer.getbuffer())
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"The state of the training could not be written to {path.parent}: "
            f"{error.strerror or error}; make room and start it again, it goes on from its "
            "last state."
        ) from error


def load_checkpoint(path: Path, advice: str) -> dict[str, Any]:
    """Read a state onto the CPU.

    Parameters
    ----------
    path : Path
        The file.
    advice : str
        Advice to the user if it is damaged.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise InputError(f"The state in {path.parent} is damaged; {advice}.") from error
    return content
