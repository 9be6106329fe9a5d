"""Many files with one setting: each on its own, so that one that fails does not stop the rest."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Literal, get_args

from napari_clip_denoise.errors import Cancelled, ClipDenoiseError, InputError, OutputError
from napari_clip_denoise.images.source import (
    NIFTI_SUFFIXES,
    RASTER_SUFFIXES,
    SUFFIXES,
    TIFF_SUFFIXES,
    ZARR_SUFFIXES,
    is_dicom,
    looks_like_dicom,
    open_stack,
)
from napari_clip_denoise.inference.progress import CancelToken, Progress
from napari_clip_denoise.inference.run import denoise_to_file
from napari_clip_denoise.inference.settings import DenoiseSettings
from napari_clip_denoise.models.checkpoint import Model
from napari_clip_denoise.models.registry import load

Existing = Literal["skip", "replace"]
State = Literal["done", "skipped", "failed"]

DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr", *NIFTI_SUFFIXES)
WRITTEN_INSTEAD = {".lsm": ".tif", ".bmp": ".png"}
"""Formats that are read but not written, and what takes their place."""


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


def find_sources(inputs: Iterable[str | Path], pattern: str = "*") -> list[Path]:
    """Find the images that files, folders and patterns stand for.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files and stores stand for themselves, so does the folder of a DICOM series. Any other
        folder stands for the images in it, a text such as ``data/*.tif`` for what it matches.
    pattern : str
        Names of the images to take from folders, such as ``*.tif``; ``**/*.tif`` looks into
        their folders as well.

    Returns
    -------
    list of Path
        In the order given, those of a folder sorted; each once.

    Raises
    ------
    InputError
        If one is not there, or no image is found.
    """
    found: dict[Path, None] = {}
    for item in inputs:
        path = Path(item)
        if path.is_dir() and not _is_image(path):
            matches = _listed(path, pattern)
        elif path.exists():
            matches = [path]
        elif has_magic(str(item)):
            n_plain = next(i for i, part in enumerate(path.parts) if has_magic(part))
            inside = "/".join(path.parts[n_plain:])
            matches = _listed(Path(*path.parts[:n_plain]), inside)
        else:
            raise InputError(f"There is no file or folder {path}.")
        found.update(dict.fromkeys(matches))
    if not found:
        raise InputError(
            f"No image was found in {', '.join(map(str, inputs))} that fits '{pattern}'; give "
            "another folder or pattern."
        )
    return list(found)


def plan_outputs(
    sources: Sequence[Path], folder: str | Path, suffix: str | None = None
) -> list[Path]:
    """Name the result of each image: its own name, in another folder.

    Parameters
    ----------
    sources : sequence of Path
        The images.
    folder : str or Path
        Where the results go.
    suffix : str, optional
        Format of all results, such as ``.ome.zarr``. Without it, that of each image.

    Raises
    ------
    InputError
        If two results would have the same name, or the format is unknown.
    """
    if suffix is not None:
        suffix = f".{suffix.lstrip('.')}"
        if not suffix.endswith(SUFFIXES):
            raise InputError(
                f"The format {suffix} is not known; give one such as .ome.zarr, .tif or .nii.gz."
            )
    outputs: dict[Path, Path] = {}
    for source in sources:
        stem, own = _split_name(source)
        output = Path(folder) / (stem + (own if suffix is None else suffix))
        if output in outputs:
            raise InputError(
                f"{outputs[output]} and {source} would both be written to {output}; denoise them "
                "into different folders."
            )
        outputs[output] = source
    return list(outputs)


def denoise_files(
    sources: Sequence[str | Path],
    folder: str | Path,
    settings: DenoiseSettings | None = None,
    *,
    suffix: str | None = None,
    existing: Existing = "skip",
    axes: str | None = None,
    model: Model | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[FileResult]:
    """Denoise many files with one setting, one after the other.

    Parameters
    ----------
    sources : sequence of str or Path
        Images that `open_stack` reads, see also `find_sources`.
    folder : str or Path
        Where the results go, under the images' own names; made if it is not there.
    settings : DenoiseSettings, optional
        For all of them. The intensity mapping is found for each.
    suffix : str, optional
        Format of the results, see `plan_outputs`.
    existing : str
        ``"skip"`` an image whose result is there already, or ``"replace"`` the result.
    axes : str, optional
        Of all images, instead of those that each tells.
    model : Model, optional
        Used instead of looking up ``settings.model``; it is loaded once.
    progress : callable, optional
        Gets a `BatchProgress` when a file is begun and after each batch.
    cancel : CancelToken, optional
        Stops it; what is finished is kept.

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
    _make_folder(Path(folder))
    model = model or load(settings.model)
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
            denoise_to_file(
                open_stack(source, axes),
                output,
                settings,
                model=model,
                overwrite=existing == "replace",
                progress=report,
                cancel=cancel,
            )
        except Cancelled:
            raise
        except ClipDenoiseError as error:
            message = str(error)
        except Exception as error:  # one broken file must not stop the rest
            message = f"{type(error).__name__}: {error}"
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


def _split_name(path: Path) -> tuple[str, str]:
    """Name of an image without its suffix, and the suffix of a result of the same format."""
    name = path.name
    for suffix in DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], suffix
    if is_dicom(path):
        return (name if path.is_dir() else path.stem).replace(".", "_"), ""
    suffix = path.suffix.lower()
    return path.stem, WRITTEN_INSTEAD.get(suffix, suffix)


def _is_image(path: Path) -> bool:
    """Whether a path is an image by its name, or the folder or a file of a DICOM series."""
    if path.is_dir() and path.suffix.lower() not in ZARR_SUFFIXES:
        others = (*TIFF_SUFFIXES, *RASTER_SUFFIXES, *NIFTI_SUFFIXES)
        files = (file for file in path.iterdir() if not file.name.lower().endswith(others))
        return any(map(looks_like_dicom, files))
    return path.name.lower().endswith(SUFFIXES) or looks_like_dicom(path)


def _listed(folder: Path, pattern: str) -> list[Path]:
    """The images in a folder that fit a pattern, but for hidden ones and parts of stores."""
    found = []
    for path in sorted(folder.glob(pattern)):
        inside = path.relative_to(folder).parts
        is_part = any(part.lower().endswith(ZARR_SUFFIXES) for part in inside[:-1])
        is_hidden = any(part.startswith(".") for part in inside)
        if not is_part and not is_hidden and _is_image(path):
            found.append(path)
    return found
