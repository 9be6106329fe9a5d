"""Fine-tuning as a generator for napari's ``thread_worker``, without widget or viewer."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_clip_denoise.gui.llvm import keep_triton_out
from napari_clip_denoise.gui.workers.relay import relay
from napari_clip_denoise.training.finetune.progress import Control, Learning
from napari_clip_denoise.training.finetune.settings import FineTuneSettings, run_folder

if TYPE_CHECKING:
    from napari_clip_denoise.training.finetune.result import FineTuned


@dataclass(frozen=True)
class Begun:
    """The chosen objective with the reason for it, and notes."""

    reason: str
    notes: tuple[str, ...]


Message = Begun | Learning


def fine_tune_steps(
    sources: dict[str, Any], settings: FineTuneSettings, control: Control
) -> "Generator[tuple[Message, ...], None, FineTuned]":
    """Fine-tune in a separate thread and yield its messages.

    Parameters
    ----------
    sources : dict
        Images, by the names of `fine_tune`'s arguments.
    settings : FineTuneSettings
        Settings of the fine-tuning.
    control : Control
        Stops or cancels the work; closing the generator cancels it.

    Yields
    ------
    tuple of Begun or Learning
        New messages, possibly none.

    Returns
    -------
    FineTuned
        The result.
    """

    def work(report: Callable[[Message], None]) -> "FineTuned":
        keep_triton_out()
        from napari_clip_denoise.training.finetune.api import fine_tune

        return fine_tune(
            **sources,
            settings=settings,
            run=run_folder(settings.name),
            on_start=lambda reason, notes: report(Begun(reason, notes)),
            on_progress=report,
            control=control,
        )

    return (yield from relay(work, control))
