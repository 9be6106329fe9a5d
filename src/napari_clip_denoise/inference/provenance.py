"""Records of how a result was made, for users and for comparing runs, written with the result."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_clip_denoise.formats import create_writer
from napari_clip_denoise.formats.base import OmeVersion, Writer
from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.formatting import software
from napari_clip_denoise.images.intensity import IntensityMapping
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
        "intensity_mapping": mapping_record(job.mapping),
        "device": str(job.runner.device),
        "precision": str(job.runner.precision).removeprefix("torch."),
    }


def fingerprint(job: Job) -> dict[str, Any]:
    """Return everything that decides the bytes of a result, under readable names."""
    runner = job.runner
    return {
        "software": f"{software()} with {runner.model.runtime}",
        "model": f"{runner.card.name} {runner.model.sha256}",
        **source_fingerprint(job.stack),
        "intensity": mapping_record(job.mapping),
        "strength": job.strength,
        "self-ensemble": job.self_ensemble,
        "hot pixels": job.hot_pixels,
        "destripe": job.destripe,
        **({"context": _context(job)} if job.context else {}),
        "type": str(job.dtype),
        "tile": list(job.tile_shape),
        "batch": job.batch,
        "device": runner.device.type,
        "precision": str(runner.precision).removeprefix("torch."),
        "threads": runner.threads,
    }


def _context(job: Job) -> list[Any]:
    """Return how many neighbours a plane has, along which axis, and if they are moved."""
    aligned = ["aligned"] if job.drift else []
    return [job.context, job.stack.axes[job.context_axis], *aligned]


def mapping_record(mapping: IntensityMapping) -> list[dict[str, Any]]:
    """Return the mapping of each channel, without what does not apply to it."""
    channels = [asdict(channel) for channel in mapping.channels]
    always = ("low", "high", "anscombe")
    return [{k: v for k, v in c.items() if k in always or v} for c in channels]


def open_writer(
    job: Job,
    settings: DenoiseSettings,
    path: str | Path,
    *,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion = "0.5",
    on_verified: Callable[[int, int], object] | None = None,
) -> Writer:
    """Create or resume the output of a job.

    Parameters
    ----------
    job : Job
        The job whose result is written.
    settings : DenoiseSettings
        Settings that the job was prepared with, recorded as provenance.
    path, overwrite, shard, ome_version :
        See `napari_clip_denoise.inference.runs.denoise_to_file`.
    on_verified : callable, optional
        Called while the regions of an interrupted run are verified, with the number of those that
        have been, and of all.

    Returns
    -------
    Writer
        Writer of the result.
    """
    is_store = Path(path).suffix.lower() == ".zarr"
    return create_writer(
        path,
        job.stack,
        job.dtype,
        overwrite=overwrite,
        attributes=provenance(job, settings),
        fingerprint=fingerprint(job) if is_store else None,
        inherit=tuple(name for name in CHOSEN if getattr(settings, name) is None),
        shard=shard,
        ome_version=ome_version,
        on_verified=on_verified,
    )
