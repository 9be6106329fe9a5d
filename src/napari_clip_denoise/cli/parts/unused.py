"""Options that a command would not use are refused, never ignored."""

from collections.abc import Iterable
from pathlib import Path

from napari_clip_denoise.errors import InputError

RANDOM = "random"
"""An encoder with random weights, which needs no others."""


def refuse_unused(is_used: bool, where: str, **options: object) -> None:
    """Refuse options that have no effect in this call.

    Parameters
    ----------
    is_used : bool
        Whether the call is of the kind that uses the options.
    where : str
        The kind that uses them, in words that follow "only for".
    **options
        Values of the options, by their names with underscores. One counts as given unless it is
        None, False or an empty list.

    Raises
    ------
    InputError
        If such an option is given and is not used.
    """
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if value is not None and value is not False and value != []
    ]
    if given and not is_used:
        verb, pronoun = ("are", "them") if len(given) > 1 else ("is", "it")
        raise InputError(f"{' and '.join(given)} {verb} only for {where}; leave {pronoun} out.")


def refuse_unused_weights(
    clip_weights: Path | None, *models: str, encoders: Iterable[str] = (), rgb: bool = False
) -> None:
    """Refuse weights of CLIP if neither the models nor the encoders of a call need them.

    Parameters
    ----------
    clip_weights : Path or None
        Value of the option.
    *models : str
        Names or files of the models.
    encoders : iterable of str
        Encoders, see `napari_clip_denoise.training.pretrain.encoders.load_encoder`.
    rgb : bool
        Whether the images are RGB, see `napari_clip_denoise.models.registry.find`.
    """
    if clip_weights is None:
        return
    from napari_clip_denoise.models.clip_source import is_clip

    named = [name for name in encoders if name != RANDOM]
    is_used = any(map(is_clip, named)) or any(
        _lacks_encoder(each, rgb) for each in (*models, *named)
    )
    refuse_unused(is_used, "models that hold no encoder of their own", clip_weights=clip_weights)


def _lacks_encoder(model: str, rgb: bool) -> bool:
    from napari_clip_denoise.models.folder import CLIP_MODEL
    from napari_clip_denoise.models.registry import card_at, entries, find

    if model == CLIP_MODEL and CLIP_MODEL not in {entry.name for entry in entries()}:
        return True
    return not card_at(find(model, rgb=rgb)).encoder.included
