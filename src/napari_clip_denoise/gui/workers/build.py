"""Building the paper's network as a generator for ``thread_worker``, without widget or viewer."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from napari_clip_denoise.formatting import progress_line
from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.workers.relay import relay
from napari_clip_denoise.inference.progress import CancelToken, Progress


@dataclass(frozen=True)
class Building:
    """Progress of a build.

    Attributes
    ----------
    steps : Progress
        Progress in training steps instead of planes.
    scores : tuple of float
        PSNR in dB of images that are not used for training, before and after; empty until measured.
    prospect : str
        What is said before the training, instead of the progress.
    """

    steps: Progress
    scores: tuple[float, ...]
    prospect: str = ""


def build_steps(
    minutes: float, clip_weights: Path | None, cancel: CancelToken
) -> Generator[tuple[Building, ...], None, tuple[float, ...]]:
    """Build ``clip-rn50`` in a separate thread and yield its progress.

    Parameters
    ----------
    minutes, clip_weights :
        See `build_clip`.
    cancel : CancelToken
        Token that stops the work at its next step; closing the generator does the same.

    Yields
    ------
    tuple of Building
        New messages, possibly none.

    Returns
    -------
    tuple of float
        The last scores.
    """

    def work(report: Callable[[Building], None]) -> tuple[float, ...]:
        keep_triton_out()
        from napari_clip_denoise.training.pretrain.build import build_clip

        scores: tuple[float, ...] = ()
        first, started = 0, 0.0

        def judge(entry: dict[str, float]) -> None:
            nonlocal scores
            if "score" in entry:
                scores = entry["noisy"], entry["score"]

        def tick(step: int, steps: int) -> None:
            nonlocal first, started
            cancel.check()
            if not started:
                first, started = step, time.monotonic()
            report(Building(Progress(step, steps, time.monotonic() - started, first), scores))

        build_clip(
            minutes=minutes,
            clip_weights=clip_weights,
            fetch=lambda *_: cancel.check(),
            on_start=lambda words: report(Building(Progress(0, 1, 0.0, 0), (), words)),
            on_progress=judge,
            on_step=tick,
        )
        return scores

    return (yield from relay(work, cancel))


def describe(building: Building) -> str:
    """Describe the progress, such as ``step 40 of 900 · 20.10 -> 23.90 dB · 48 min 10 s left``."""
    if building.prospect:
        return building.prospect
    steps = building.steps
    parts = [f"step {steps.done:.0f} of {steps.total}"]
    if building.scores:
        parts.append(say_scores(building.scores))
    return progress_line(*parts, seconds_left=steps.seconds_left)


def say_scores(scores: tuple[float, ...]) -> str:
    """Format the scores before and after, such as ``20.10 -> 23.90 dB``."""
    return " -> ".join(f"{score:.2f}" for score in scores) + " dB"
