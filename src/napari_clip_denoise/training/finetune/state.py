"""State of a fine-tuning, saved to disk so that an interrupted training can continue."""

import hashlib
import io
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_clip_denoise.errors import InputError, OutputError
from napari_clip_denoise.training.finetune.settings import FineTuneSettings

STATE = "last.pt"
FREE_TO_CHANGE = {"minutes", "steps", "patience", "device", "devices", "precision"}
Tensors = dict[str, Tensor]


@dataclass
class State:
    """Everything needed to continue a fine-tuning.

    Attributes
    ----------
    decoder, average : dict
        Weights of the trained decoder, and their running average.
    best : dict
        Running average with the best score.
    best_errors : Tensor
        Its error on each held-out patch.
    optimiser : dict
        State of the optimiser; empty before the first step.
    step, seconds, stale : int, float, int
        Number of finished steps, training time in seconds, and number of scores since the best.
    """

    decoder: Tensors
    average: Tensors
    best: Tensors
    best_errors: Tensor
    optimiser: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    stale: int = 0


class RunFolder:
    """Folder for the state of one fine-tuning.

    Parameters
    ----------
    path : Path or None
        Path of the folder, created if needed; None saves nothing.
    fingerprint : str
        Identifier of this fine-tuning, see `fingerprint`.
    """

    def __init__(self, path: Path | None, fingerprint: str):
        self.path = path
        self.fingerprint = fingerprint

    def load(self, *, restart: bool) -> State | None:
        """Read the saved state, if there is one.

        Parameters
        ----------
        restart : bool
            Whether to ignore a saved state.

        Returns
        -------
        State or None
            The state, or None if there is none or `restart` is set.

        Raises
        ------
        InputError
            If the state is damaged or belongs to another fine-tuning.
        """
        if self.path is None or not (self.path / STATE).exists() or restart:
            return None
        try:
            content = torch.load(self.path / STATE, map_location="cpu", weights_only=True)
            found = content.pop("fingerprint")
            state = State(**content)
        except Exception as error:  # whatever a damaged file makes the reader raise
            raise InputError(
                f"The state in {self.path} is damaged; start anew (--restart) or choose another "
                "name."
            ) from error
        if found != self.fingerprint:
            raise InputError(
                f"{self.path} holds an unfinished training with other settings or images; start "
                "anew (--restart) or choose another name."
            )
        return state

    def save(self, state: State) -> None:
        """Write the state atomically: a reader finds either the old or the new state.

        Raises
        ------
        OutputError
            If the state cannot be written.
        """
        if self.path is None:
            return
        content = {entry.name: getattr(state, entry.name) for entry in fields(state)}
        buffer = io.BytesIO()
        torch.save(content | {"fingerprint": self.fingerprint}, buffer)
        partial = self.path / f"{STATE}.partial"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(buffer.getbuffer())
            partial.replace(self.path / STATE)
        except OSError as error:
            raise OutputError(
                f"The state of the training could not be written to {self.path}: "
                f"{error.strerror or error}; make room and start it again, it goes on from its "
                "last state."
            ) from error

    def remove(self) -> None:
        """Remove the state, and its folder unless that holds other things."""
        if self.path is None:
            return
        for name in (STATE, f"{STATE}.partial"):
            (self.path / name).unlink(missing_ok=True)
        if self.path.is_dir() and not self.path.is_symlink() and not any(self.path.iterdir()):
            self.path.rmdir()


def fingerprint(settings: FineTuneSettings, parent_sha256: str, data: str, objective: str) -> str:
    """Return an identifier of a fine-tuning, computed from everything that decides its steps.

    Parameters
    ----------
    settings : FineTuneSettings
        Settings of the fine-tuning.
    parent_sha256 : str
        Hash of the initial model.
    data : str
        Identifier of the images.
    objective : str
        Name of the objective.

    Returns
    -------
    str
        The identifier.
    """
    decisive = settings.model_dump_json(exclude=FREE_TO_CHANGE)
    return hashlib.sha256(
        "\n".join((decisive, parent_sha256, data, objective)).encode()
    ).hexdigest()
