"""Trainings that break off half-way."""

from typing import Any

import pytest

from napari_clip_denoise.training import trainer
from napari_clip_denoise.training.pretrain import fit


class Interrupted(Exception):
    """What ends the training."""


def train_until(step: int, *arguments: Any, **options: Any) -> None:
    """Call `fit.train`, which ends before a step as if it were killed."""
    original = trainer.learning_rate

    def stop(now, settings):
        if now == step:
            raise Interrupted
        return original(now, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "learning_rate", stop)
        with pytest.raises(Interrupted):
            fit.train(*arguments, **options)
