"""Optimisers and learning rates."""

import math
from typing import Any

import torch
from timm.optim.muon import Muon
from torch import nn

from napari_clip_denoise.training.optimisation import Optimisation


def make_optimiser(module: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Create an optimiser for all weights of a module that require a gradient."""
    weights = {name: p for name, p in module.named_parameters() if p.requires_grad}
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "muon":
        left = [name for name in weights if name.startswith(settings.fallback)]
        taken = [p for name, p in weights.items() if name not in left]
        groups: list[dict[str, Any]] = [{"params": taken}]
        if left:
            groups.append({"params": [weights[name] for name in left], "use_fallback": True})
        return Muon(
            groups,
            lr=rate,
            weight_decay=decay,
            nesterov=True,
            fallback_lr_scale=settings.fallback_rate,
        )
    return torch.optim.AdamW(weights.values(), lr=rate, weight_decay=decay)


def learning_rate(step: int, settings: Optimisation) -> float:
    """Return the learning rate of a step: linear warm-up, then decay according to the schedule."""
    if settings.schedule == "restarts":
        return _rate_with_restarts(step, settings)
    if step < settings.warm_up:
        return settings.learning_rate * (step + 1) / settings.warm_up
    progress = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    if settings.schedule == "cosine":
        fraction = (1 + math.cos(math.pi * progress)) / 2
    else:
        fraction = min(1.0, (1 - progress) / settings.cool_down)
    return settings.final_learning_rate + fraction * (
        settings.learning_rate - settings.final_learning_rate
    )


def _rate_with_restarts(step: int, settings: Optimisation) -> float:
    begin = 0
    for period, minimum in zip(settings.periods, settings.minima, strict=True):
        if step < begin + period:
            fraction = (1 + math.cos(math.pi * (step - begin) / period)) / 2
            return minimum + fraction * (settings.learning_rate - minimum)
        begin += period
    return settings.minima[-1]
