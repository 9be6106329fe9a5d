"""A model file whose card tells how well the model scored."""

from pathlib import Path

import torch

from napari_clip_denoise.evaluation.scores.report import Evaluation
from napari_clip_denoise.models.checkpoint import Model, save_model


def write_scored(model: Model, evaluation: Evaluation, name: str, path: Path) -> Path:
    """Write a copy of a model with its scores on the card.

    Scores that the card has already and that were not measured anew stay.

    Parameters
    ----------
    model : Model
        Which.
    evaluation : Evaluation
        Where it was scored.
    name : str
        What its column is called there.
    path : Path
        The ``.safetensors`` file.
    """
    new = evaluation.card_scores(name)
    measured = {(score.data, score.noise, score.metric) for score in new}
    kept = tuple(
        score
        for score in model.card.scores
        if (score.data, score.noise, score.metric) not in measured
    )
    card = model.card.model_copy(update={"scores": kept + new})
    weights = [w for w in model.denoiser.state_dict().values() if w.is_floating_point()]
    is_half = all(torch.equal(weight, weight.half().float()) for weight in weights)
    dtype = torch.float16 if is_half else torch.float32
    save_model(Model(card, model.denoiser), path, dtype=dtype)
    return path
