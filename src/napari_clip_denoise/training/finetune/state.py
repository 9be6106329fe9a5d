"""State of a fine-tuning, saved to disk so that an interrupted training can continue."""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_clip_denoise.errors import InputError
from napari_clip_denoise.training.checkpoint import load_checkpoint, save_checkpoint
from napari_clip_denoise.training.finetune.settings import FineTuneSettings

STATE = "last.pt"
DAMAGED = "start anew (--restart) or choose another name"
FREE_TO_CHANGE = {"minutes", "steps", "patience", "device", "devices", "precision"}
Tensors = dict[str, Tensor]


@dataclass
class State:
    """Everything needed to continue a fine-tuning.

    Attributes
    ----------
    trainer : dict
        State of the `Trainer`.
    best : dict
        Running average with the best score.
    best_errors : Tensor
        Its error on each held-out patch.
    seconds, stale : float, int
        Training time in seconds, and number of scores since the best.
    """

    trainer: dict[str, Any]
    best: Tensors
    best_errors: Tensor
    seconds: float = 0.0
    stale: int = 0

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return int(self.trainer["step"])


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
        content = load_checkpoint(self.path / STATE, DAMAGED)
        try:
            found = content.pop("fingerprint")
            state = State(**content)
        except (KeyError, TypeError) as error:
            raise InputError(f"The state in {self.path} is damaged; {DAMAGED}.") from error
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
        save_checkpoint(self.path / STATE, content | {"fingerprint": self.fingerprint})

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
