"""Denoising of a plate, or another store of many images, into a store of the same layout."""

import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_clip_denoise.errors import Cancelled
from napari_clip_denoise.formats.base import OmeVersion
from napari_clip_denoise.formats.fingerprint import source_fingerprint
from napari_clip_denoise.formats.ome_zarr.plates.collection import Collection
from napari_clip_denoise.formats.ome_zarr.plates.collection_writer import CollectionWriter
from napari_clip_denoise.formatting import software
from napari_clip_denoise.images.stack import Stack
from napari_clip_denoise.inference.engine.job import Job, prepare
from napari_clip_denoise.inference.engine.values import result_dtype
from napari_clip_denoise.inference.pipeline import OnProgress, run_to_writer
from napari_clip_denoise.inference.plates.check import Measure, checked, default_measure
from napari_clip_denoise.inference.plates.measure import plate_mapping
from napari_clip_denoise.inference.plates.verdicts import PlateVerdict, summarise
from napari_clip_denoise.inference.progress import (
    CancelToken,
    Notify,
    Progress,
    verification_reporter,
)
from napari_clip_denoise.inference.provenance import (
    CHOSEN,
    fingerprint,
    mapping_record,
    provenance,
)
from napari_clip_denoise.inference.result_check import ResultCheck
from napari_clip_denoise.inference.runs import warn_if_unsuitable, warn_of_result
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.checkpoint import Model

LoadModel = Callable[[bool], Model]
OF_EACH = ("source", "source shape", "source files", "source pixels", "type")
"""Entries of a fingerprint that each image has for itself."""


@dataclass(frozen=True)
class PlateResult:
    """Result of a run on a plate.

    Attributes
    ----------
    path : Path or str
        Path of the result, or its URL without credentials.
    is_complete : bool
        False as long as other parts of the run are unfinished.
    fields : tuple of str
        Names of the images that this run was to denoise.
    n_planes : int
        Number of planes of these images.
    verdict : PlateVerdict or None
        The verdict on all images, once the result is complete.
    """

    path: Path | str
    is_complete: bool
    fields: tuple[str, ...]
    n_planes: int
    verdict: PlateVerdict | None = None


def denoise_collection(
    collection: Collection,
    path: Path | str,
    settings: DenoiseSettings,
    load_model: LoadModel,
    *,
    axes: str | None = None,
    measure: Measure | None = None,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    ome_version: OmeVersion | None = None,
    labels: bool = True,
    skip_missing: bool = False,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
) -> PlateResult:
    """Denoise all images of a store; `denoise_plate` describes the arguments.

    Parameters
    ----------
    collection : Collection
        The source.
    path : Path or str
        Path or URL of the result.
    settings : DenoiseSettings
        Settings of the run.
    load_model : callable
        Takes whether an image is RGB and returns the model for it.

    Raises
    ------
    InputError, OutputError, ModelError, DeviceError
        If the run is not possible.
    Cancelled
        If `cancel` was cancelled.
    """
    tell = _OnceOfEachKind(notify or warnings.warn)
    collection = checked(collection, skip_missing=skip_missing, shard=shard, notify=tell)
    version: OmeVersion = ome_version or collection.version
    stacks = {name: collection.open(name, axes) for name in collection.fields}
    first = next(iter(stacks.values()))
    model = load_model(first.is_rgb)
    mapping = None
    if (measure or default_measure(collection)) == "plate":
        mapping = plate_mapping(list(stacks.values()), model.card, settings)
    job = prepare(first, model, settings, mapping=mapping)
    shared, inherit = _shared(job, settings, list(stacks.values()))
    if labels and (reason := _why_not_copied(collection, version)):
        labels = False
        tell(f"Labels and tables are not copied, because {reason}.")
    writer = CollectionWriter(
        path,
        collection,
        stacks,
        {name: result_dtype(stack, settings.output_dtype) for name, stack in stacks.items()},
        fingerprint=shared
        | {
            "source": collection.shown,
            "intensity": "of each image" if mapping is None else mapping_record(mapping),
            "images": " ".join(collection.fields),
        },
        inherit=inherit,
        overwrite=overwrite,
        shard=shard,
        ome_version=version,
        copies=labels,
    )
    fixed = _with_shared(settings, writer.fingerprint)
    total = sum(stacks[name].n_planes for name in writer.fields)
    counter = _Counter(total, progress)
    counter.before = sum(
        writer.fraction_done(name) * stacks[name].n_planes for name in writer.fields
    )
    try:
        for name in writer.fields:
            stack = stacks[name]
            report = partial(counter.report, name)
            verified = verification_reporter(report, cancel)
            if not writer.is_done(name, source_fingerprint(stack), verified):
                model = load_model(stack.is_rgb)
                warn_if_unsuitable(stack, model, tell)
                job = prepare(stack, model, fixed, mapping=mapping)
                in_field = partial(tell, where=name)
                warn_of_result(job, in_field)
                field = writer.begin(
                    name, provenance(job, settings), fingerprint(job), inherit, verified
                )
                check = None
                if settings.check:
                    check = ResultCheck(job, field, on_checked=lambda verdict: None)
                run_to_writer(
                    job, field, progress=report, cancel=cancel, notify=in_field, check=check
                )
            counter.finished(name, stack.n_planes)
        verdicts: list[PlateVerdict] = []

        def own() -> dict[str, Any]:
            verdicts.append(summarise(writer.verdicts(), len(stacks)))
            made = {
                "software": software(),
                "source": collection.shown,
                "settings": settings.model_dump(mode="json"),
                "measured": "field" if mapping is None else "plate",
            }
            return made | ({"check": verdicts[0].record()} if settings.check else {})

        is_complete = writer.finish(own)
    except Cancelled as error:
        writer.pause()
        raise Cancelled(
            "The run was cancelled; what is finished is kept, and the same run goes on from there."
        ) from error
    except BaseException:
        writer.pause()
        raise
    verdict = verdicts[0] if verdicts and settings.check else None
    return PlateResult(writer.path, is_complete, writer.fields, total, verdict)


def _why_not_copied(collection: Collection, version: OmeVersion) -> str:
    if version != collection.version:
        return f"the plate is OME-Zarr {collection.version} and the result {version}"
    if str(collection.source).startswith(("http:", "https:")):
        return "folders on a web server cannot be listed"
    return ""


def _shared(
    job: Job, settings: DenoiseSettings, stacks: list[Stack]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what determines the pixels of all images, and which of it a resumed run takes over."""
    found = {key: value for key, value in fingerprint(job).items() if key not in OF_EACH}
    if len({stack.plane_shape for stack in stacks}) > 1:
        found = {key: value for key, value in found.items() if key not in ("tile", "batch")}
    left_open = tuple(name for name in CHOSEN if getattr(settings, name) is None)
    return found, left_open


def _with_shared(settings: DenoiseSettings, begun: dict[str, Any]) -> DenoiseSettings:
    """Return the settings with the tile, batch and threads of the run that began the store."""
    chosen: dict[str, Any] = {"threads": begun["threads"]}
    if "tile" in begun:
        chosen |= {"tile": max(begun["tile"]), "batch": begun["batch"]}
    return settings.model_copy(update=chosen)


class _OnceOfEachKind:
    """Tells each kind of notice once, of the first image that it applies to."""

    def __init__(self, notify: Callable[[str], object]):
        self._notify = notify
        self._told: set[str] = set()

    def __call__(self, sentence: str, where: str = "") -> None:
        kind = re.sub(r"\d+", "#", sentence)
        if kind not in self._told:
            self._told.add(kind)
            self._notify(f"{where}, and perhaps others: {sentence}" if where else sentence)


class _Counter:
    """Adds up the progress of images."""

    def __init__(self, total: int, on_progress: OnProgress | None):
        self._total = total
        self._on_progress = on_progress
        self._done = 0.0
        self._started = time.monotonic()
        self.before = 0.0

    def report(self, name: str, inner: Progress) -> None:
        """Report the progress within an image."""
        if self._on_progress is None:
            return
        if inner.message:
            self._on_progress(replace(inner, where=name))
            return
        done = min(self._done + inner.done, self._total)
        seconds = time.monotonic() - self._started
        self._on_progress(Progress(done, self._total, seconds, min(self.before, done), where=name))

    def finished(self, name: str, n_planes: int) -> None:
        """Count an image."""
        self._done += n_planes
        self.report(name, Progress(0, 1, 0))
