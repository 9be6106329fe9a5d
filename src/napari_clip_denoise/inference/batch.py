"""Many files with one setting: each on its own, so that one that fails does not stop the rest."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from napari_clip_denoise.errors import Cancelled, InputError, OutputError, in_words
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.discover import plan_outputs
from napari_clip_denoise.inference.progress import CancelToken, Notify, Progress
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.folder import AUTO
from napari_clip_denoise.models.registry import find, load

if TYPE_CHECKING:
    from napari_clip_denoise.models.checkpoint import Model

Existing = Literal["skip", "replace"]
State = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class FileResult:
    """What became of a file.

    Attributes
    ----------
    source, output : Path
        What was read, and where the result is or should have been.
    state : str
        ``"done"``, ``"skipped"`` (the output was there already) or ``"failed"``.
    seconds : float
        What it took.
    message : str
        Why it failed, in a sentence; empty otherwise.
    """

    source: Path
    output: Path
    state: State
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes
    ----------
    source : Path
        The file at work.
    done : float
        Files that are finished, in fractions of the one at work.
    total : int
        Files to denoise, without those that are skipped.
    seconds : float
        Time since the first file was begun.
    """

    source: Path
    done: float
    total: int
    seconds: float

    @property
    def file_done(self) -> float:
        """Share of the file at work that is finished."""
        return self.done % 1

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the files so far; None before anything is done."""
        return self.seconds * (self.total - self.done) / self.done if self.done else None


def denoise_files(
    sources: Sequence[str | Path],
    folder: str | Path,
    settings: DenoiseSettings | None = None,
    *,
    suffix: str | None = None,
    existing: Existing = "skip",
    axes: str | None = None,
    model: "Model | None" = None,
    clip_weights: str | Path | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
) -> Iterator[FileResult]:
    """Denoise many files with one setting, one after the other.

    Parameters
    ----------
    sources : sequence of str or Path
        Images that `open_stack` reads, see also `formats.discover.find_sources`.
    folder : str or Path
        Where the results go, under the images' own names; made if it is not there.
    settings : DenoiseSettings, optional
        For all of them. The intensity mapping is found for each.
    suffix : str, optional
        Format of the results, see `formats.discover.plan_outputs`.
    existing : str
        ``"skip"`` an image whose result is there already, or ``"replace"`` the result.
    axes : str, optional
        Of all images, instead of those that each tells.
    model : Model, optional
        Used instead of looking up ``settings.model``.
    clip_weights : str or Path, optional
        See `load`.
    progress : callable, optional
        Gets a `BatchProgress` when a file is begun and after each batch.
    cancel : CancelToken, optional
        Stops it; what is finished is kept.
    notify : callable, optional
        Told in a sentence what else there is to know, once; by default it is a warning.

    Yields
    ------
    FileResult
        For each image, as soon as it is finished.

    Raises
    ------
    InputError, OutputError, ModelError
        If nothing can begin; what is wrong with one image is told in its result.
    Cancelled
        If `cancel` says so.
    """
    settings = settings or DenoiseSettings()
    if existing not in get_args(Existing):
        raise InputError(f"There is no choice '{existing}'; skip or replace what is there.")
    paths = [Path(source) for source in sources]
    outputs = plan_outputs(paths, folder, suffix)
    if model is None:
        find(settings.model, rgb=False)
    _make_folder(Path(folder))

    from napari_clip_denoise.inference.api import denoise_to_file

    @cache
    def tell(sentence: str) -> None:
        (notify or warnings.warn)(sentence)

    @cache
    def suitable(rgb: bool) -> "Model":
        return load(AUTO, rgb=rgb, clip_weights=clip_weights)

    if model is None and settings.model != AUTO:
        model = load(settings.model, clip_weights=clip_weights)
    is_there = [existing == "skip" and output.exists() for output in outputs]
    total, done, started = is_there.count(False), 0, time.monotonic()
    for source, output, is_skipped in zip(paths, outputs, is_there, strict=True):
        if is_skipped:
            yield FileResult(source, output, "skipped")
            continue

        def report(inner: Progress, source: Path = source, done: int = done) -> None:
            part = min(inner.done / inner.total, 0.999)
            if progress is not None:
                passed = time.monotonic() - started
                progress(BatchProgress(source, done + part, total, passed))

        report(Progress(0, 1, 0))
        begun = time.monotonic()
        message = ""
        try:
            stack = open_stack(source, axes)
            denoise_to_file(
                stack,
                output,
                settings,
                model=model or suitable(stack.is_rgb),
                overwrite=existing == "replace",
                progress=report,
                cancel=cancel,
                notify=tell,
            )
        except Cancelled:
            raise
        except Exception as error:  # one broken file must not stop the rest
            message = in_words(error)
        done += 1
        state: State = "failed" if message else "done"
        yield FileResult(source, output, state, time.monotonic() - begun, message)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be made: {error.strerror}; give another one."
        ) from error
