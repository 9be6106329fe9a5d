"""Fine-tuning as a generator for napari's ``thread_worker``: no widget and no viewer in here."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.training.finetune_progress import Control, Learning
from napari_clip_denoise.training.finetune_settings import FineTuneSettings, run_folder

if TYPE_CHECKING:
    from napari_clip_denoise.training.finetune import FineTuned

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Begun:
    """Which objective was chosen and why, and notes."""

    reason: str
    notes: tuple[str, ...]


Messages = tuple[Begun | Learning, ...]


def fine_tune_steps(
    sources: dict[str, Any], settings: FineTuneSettings, control: Control
) -> "Generator[Messages, None, FineTuned]":
    """Fine-tune in a thread of its own and pass on what it reports.

    Parameters
    ----------
    sources : dict
        Images, by the names of `fine_tune`'s arguments.
    settings : FineTuneSettings
        See there.
    control : Control
        Stops or cancels the work; closing the generator cancels it.

    Yields
    ------
    tuple of Begun or Learning
        What is new since the last time, perhaps nothing.

    Returns
    -------
    FineTuned
        The result.
    """
    messages: SimpleQueue[Begun | Learning] = SimpleQueue()

    def work() -> "FineTuned":
        keep_triton_out()
        from napari_clip_denoise.training.finetune import fine_tune

        return fine_tune(
            **sources,
            settings=settings,
            run=run_folder(settings.name),
            begin=lambda reason, notes: messages.put(Begun(reason, notes)),
            report=messages.put,
            control=control,
        )

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(work)
        try:
            while not (running.done() and messages.empty()):
                yield _drain(messages)
        finally:
            if not running.done():
                control.cancel()
    return running.result()


def _drain(messages: "SimpleQueue[Begun | Learning]") -> Messages:
    """Wait a moment for a message, and take all that there are."""
    found: list[Begun | Learning] = []
    try:
        found.append(messages.get(timeout=POLL_SECONDS))
        while True:
            found.append(messages.get_nowait())
    except Empty:
        return tuple(found)
