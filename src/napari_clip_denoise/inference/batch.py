"""Denoising of many files with the same settings; a file that fails does not stop the others."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from napari_clip_denoise.errors import Cancelled, InputError, OutputError, door, in_words
from napari_clip_denoise.formats import open_stack
from napari_clip_denoise.formats.ome_zarr.plates.collection import open_collection
from napari_clip_denoise.formats.outputs import Source, each_image, plan_outputs, without_results
from napari_clip_denoise.inference.plates.check import check_suffix
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
    """Result of denoising one file.

    Attributes
    ----------
    source, output : Path
        The input file, and the path where the result is or would have been written.
    state : str
        ``"done"``, ``"skipped"`` (the output already existed) or ``"failed"``.
    seconds : float
        Time taken, in seconds.
    message : str
        Reason for a failure, as a sentence; otherwise empty.
    verdict : str
        Result of the check, as a sentence; empty if there was none.
    is_flagged : bool
        True if the check found that something other than noise was removed or added.
    image : str
        What tells the image from the others of its file; empty if it is the only one.
    """

    source: Path
    output: Path
    state: State
    seconds: float = 0.0
    message: str = ""
    verdict: str = ""
    is_flagged: bool = False
    image: str = ""


@dataclass(frozen=True)
class BatchProgress:
    """Progress of a batch of files.

    Attributes
    ----------
    source : Path
        The current file.
    done : float
        Number of finished files, including the finished fraction of the current one.
    total : int
        Number of files to denoise, excluding skipped ones.
    seconds : float
        Time since the first file was started, in seconds.
    message : str
        What is done to the current file instead of denoising it, if anything.
    image : str
        What tells the image from the others of its file; empty if it is the only one.
    """

    source: Path
    done: float
    total: int
    seconds: float
    message: str = ""
    image: str = ""

    @property
    def file_done(self) -> float:
        """Finished fraction of the current file."""
        return self.done % 1

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining time in seconds, or None before anything is done."""
        return self.seconds * (self.total - self.done) / self.done if self.done else None


@door
def denoise_files(
    sources: Sequence[str | Path | Source],
    folder: str | Path,
    settings: DenoiseSettings | None = None,
    *,
    suffix: str | None = None,
    existing: Existing = "skip",
    keep_folders: Iterable[str | Path] = (),
    axes: str | None = None,
    series: int | str | None = None,
    model: "Model | None" = None,
    clip_weights: str | Path | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
    cancel: CancelToken | None = None,
    notify: Notify | None = None,
) -> Iterator[FileResult]:
    """Denoise many files with the same settings, one after the other.

    Parameters
    ----------
    sources : sequence of str, Path or Source
        Images that `open_stack` can read, and plates; see also `formats.discover.find_sources`.
        Each scene of a microscope's file is an image.
    folder : str or Path
        Output folder, created if needed; the results keep the names of the images.
    settings : DenoiseSettings, optional
        Settings for all images. The intensity mapping is estimated for each image.
    suffix : str, optional
        Format of the results, see `formats.discover.plan_outputs`.
    existing : str
        ``"skip"`` skips images whose result already exists, ``"replace"`` replaces the result.
    keep_folders : iterable of str or Path
        Folders and patterns whose sub-folders the results keep.
    axes : str, optional
        Axes of all images, overriding those stored in the files.
    series : int or str, optional
        Number or name of the image to denoise of each file that holds several.
    model : Model, optional
        Loaded model, used instead of ``settings.model``.
    clip_weights : str or Path, optional
        See `load`.
    progress : callable, optional
        Called with a `BatchProgress` at the start of each file and after each batch of tiles.
    cancel : CancelToken, optional
        Stops the run when cancelled; finished files are kept.
    notify : callable, optional
        Called once with each notice to the user, a sentence; by default a warning is issued.

    Yields
    ------
    FileResult
        The result of each image, as soon as it is finished.

    Raises
    ------
    InputError, OutputError, ModelError
        If the batch cannot start. Errors of single images are reported in their results.
    Cancelled
        If `cancel` was cancelled.
    """
    settings = settings or DenoiseSettings()
    if existing not in get_args(Existing):
        raise InputError(f"There is no choice '{existing}'; skip or replace what is there.")
    images = without_results(each_image(sources, series), folder, suffix, keep_folders)
    outputs = plan_outputs(images, folder, suffix, keep_below=keep_folders)
    if model is None:
        find(settings.model, rgb=False)
    _make_folder(Path(folder))

    from napari_clip_denoise.inference.plates.run import denoise_collection
    from napari_clip_denoise.inference.runs import denoise_to_file
    from napari_clip_denoise.residual.run_verdict import RunVerdict

    @cache
    def tell(sentence: str) -> None:
        (notify or warnings.warn)(sentence)

    @cache
    def suitable(rgb: bool) -> "Model":
        return load(AUTO, rgb=rgb, clip_weights=clip_weights)

    if model is None and settings.model != AUTO:
        model = load(settings.model, clip_weights=clip_weights)

    def chosen(rgb: bool) -> "Model":
        return model or suitable(rgb)

    is_there = [
        existing == "skip" and output.exists() and output.resolve() != image.path.resolve()
        for image, output in zip(images, outputs, strict=True)
    ]
    total, done, started = is_there.count(False), 0, time.monotonic()
    for source, output, is_skipped in zip(images, outputs, is_there, strict=True):
        if is_skipped:
            yield FileResult(source.path, output, "skipped", image=source.image)
            continue

        def report(inner: Progress, source: Source = source, done: int = done) -> None:
            part = 0.0 if inner.message else min(inner.done / inner.total, 0.999)
            if progress is not None:
                passed = time.monotonic() - started
                at = (done + part, total, passed, inner.message)
                progress(BatchProgress(source.path, *at, source.image))

        report(Progress(0, 1, 0))
        begun = time.monotonic()
        message = ""
        verdicts: list[RunVerdict] = []
        try:
            _make_folder(output.parent)
            collection = open_collection(source.path) if source.series is None else None
            if collection is not None:
                check_suffix(output)
                whole = denoise_collection(
                    collection,
                    output,
                    settings,
                    chosen,
                    axes=axes,
                    overwrite=existing == "replace",
                    progress=report,
                    cancel=cancel,
                    notify=tell,
                )
                if whole.verdict:
                    verdicts.append(RunVerdict(whole.verdict.sentence, bool(whole.verdict.flagged)))
            else:
                stack = open_stack(source.path, axes, source.series)
                denoise_to_file(
                    stack,
                    output,
                    settings,
                    model=chosen(stack.is_rgb),
                    overwrite=existing == "replace",
                    progress=report,
                    cancel=cancel,
                    notify=tell,
                    on_checked=verdicts.append,
                )
        except Cancelled:
            raise
        except Exception as error:  # one broken file must not stop the rest
            message = in_words(error)
        done += 1
        state: State = "failed" if message else "done"
        verdict = verdicts[0] if verdicts and not message else None
        yield FileResult(
            source.path,
            output,
            state,
            time.monotonic() - begun,
            message,
            verdict.sentence if verdict else "",
            verdict is not None and verdict.is_flagged,
            source.image,
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be made: {error.strerror}; give another one."
        ) from error
