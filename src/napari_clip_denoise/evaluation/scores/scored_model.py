"""Model files with their scores on the model card."""

from pathlib import Path

import torch

from napari_clip_denoise.evaluation.scores.report import Evaluation
from napari_clip_denoise.models.checkpoint import Model, save_model


def write_scored(model: Model, evaluation: Evaluation, name: str, path: Path) -> Path:
    """Write a copy of a model with its scores on the card.

    Scores that are already on the card and were not measured again are kept.

    Parameters
    ----------
    model : Model
        The model to copy.
    evaluation : Evaluation
        Evaluation that scored the model.
    name : str
        Title of the model's column in the evaluation.
    path : Path
        The ``.safetensors`` file to write.

    Returns
    -------
    Path
        The written file.
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
