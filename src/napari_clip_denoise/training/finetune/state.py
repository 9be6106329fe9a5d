"""The state of a fine-tuning, kept on disk so that it survives its process."""

import hashlib
import io
import shutil
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
    """All that a fine-tuning needs to go on.

    Attributes
    ----------
    decoder, average : dict
        Weights of the decoder as trained, and their running average.
    best : dict
        The average at its best judgement.
    best_errors : Tensor
        Error of each held-out patch by it.
    optimiser : dict
        State of the optimiser; empty before the first step.
    step, seconds, stale : int, float, int
        Steps and time spent, and judgements since the best.
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
    """A folder for the state of one fine-tuning.

    Parameters
    ----------
    path : Path or None
        Made if need be; None keeps nothing.
    fingerprint : str
        Tells this fine-tuning from others, see `fingerprint`.
    """

    def __init__(self, path: Path | None, fingerprint: str):
        self.path = path
        self.fingerprint = fingerprint

    def load(self, *, restart: bool) -> State | None:
        """Read the state, if there is one and it is not to be thrown away.

        Raises
        ------
        InputError
            If it is that of another fine-tuning, or damaged.
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
        """Write the state, so that a reader finds the old or the new one, never half of it.

        Raises
        ------
        OutputError
            If it cannot be written.
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
        """Remove the folder with the state."""
        if self.path is not None and self.path.exists():
            shutil.rmtree(self.path)


def fingerprint(settings: FineTuneSettings, parent_sha256: str, data: str, objective: str) -> str:
    """Tell a fine-tuning from others by all that decides its steps."""
    decisive = settings.model_dump_json(exclude=FREE_TO_CHANGE)
    return hashlib.sha256(
        "\n".join((decisive, parent_sha256, data, objective)).encode()
    ).hexdigest()
