"""How a result is made: for people, and to tell whether two runs give the same bytes."""

from dataclasses import asdict
from typing import Any

import torch

from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.formatting import software
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.settings import DenoiseSettings

CHOSEN = ("tile", "batch", "threads")
"""Settings that the machine decides where nobody does, and a run that is resumed for its rest."""


def provenance(job: Job, settings: DenoiseSettings) -> dict[str, Any]:
    """Describe how a result was made, as plain values for JSON."""
    model = job.runner.model
    return {
        "software": software(),
        "source": job.stack.origin,
        "model": model.card.name,
        "model_sha256": model.sha256,
        "settings": settings.model_dump(mode="json"),
        "intensity_mapping": [asdict(channel) for channel in job.mapping.channels],
        "device": str(job.runner.device),
        "precision": str(job.runner.precision).removeprefix("torch."),
    }


def fingerprint(job: Job) -> dict[str, Any]:
    """Everything that decides the bytes of a result, by names that people understand."""
    runner = job.runner
    return {
        "software": f"{software()} with torch {torch.__version__}",
        "model": f"{runner.card.name} {runner.model.sha256}",
        **source_fingerprint(job.stack),
        "intensity": [asdict(channel) for channel in job.mapping.channels],
        "strength": job.strength,
        "self-ensemble": job.self_ensemble,
        "type": str(job.dtype),
        "tile": list(job.tile_shape),
        "batch": job.batch,
        "device": runner.device.type,
        "precision": str(runner.precision).removeprefix("torch."),
        "threads": runner.threads,
    }
