"""Records of how a result was made, for users and for comparing runs."""

from dataclasses import asdict
from typing import Any

import torch

from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.formatting import software
from napari_clip_denoise.inference.engine.job import Job
from napari_clip_denoise.inference.settings import DenoiseSettings

CHOSEN = ("tile", "batch", "threads")
"""Settings that the machine chooses by default; a resumed run keeps the first choice."""


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
    """Return everything that decides the bytes of a result, under readable names."""
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
