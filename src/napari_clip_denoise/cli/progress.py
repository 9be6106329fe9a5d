"""A progress bar in planes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from napari_clip_denoise.formatting import format_seconds, image_label
from napari_clip_denoise.inference.progress import KEPT, VERIFYING, Progress

if TYPE_CHECKING:
    from napari_clip_denoise.inference.batch import BatchProgress


def describe_planes(progress: Progress) -> str:
    """Describe the progress of a run in planes, with its speed and the remaining time."""
    if progress.message:
        return f"{progress.message}: {progress.done:.0f}/{progress.total} regions"
    left = progress.seconds_left
    return f"{progress.done:.0f}/{progress.total} planes, {progress.planes_per_second:.1f}/s" + (
        f", {format_seconds(left)} left" if left else ""
    )


def describe_files(progress: "BatchProgress") -> str:
    """Describe the progress of a batch, with the current file and the remaining time."""
    name = image_label(progress.source.name, progress.image)
    if progress.message:
        return f"{progress.message}: {name}"
    left = progress.seconds_left
    return (
        f"{int(progress.done)}/{progress.total} files, {name} "
        f"{100 * progress.file_done:.0f} %" + (f", {format_seconds(left)} left" if left else "")
    )


@contextmanager
def progress_bar(
    label: str,
    describe: Callable[[Any], str] = describe_planes,
    kept: str = "nothing was written",
) -> Iterator[Callable[[Any], None]]:
    """Show a bar and a description of the progress on standard error.

    Ctrl-C inside the context ends the program with a one-sentence message and exit code 130.

    Parameters
    ----------
    label : str
        Text before the bar.
    describe : callable
        Returns the description of a progress object.
    kept : str
        End of the message after Ctrl-C, which says what is kept.

    Yields
    ------
    callable
        Function that shows a progress object.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(label, total=None, state="preparing")
        is_verifying = False

        def report(progress: Any) -> None:
            nonlocal is_verifying
            is_verifying = progress.message == VERIFYING
            state = describe(progress)
            bar.update(task, total=progress.total, completed=progress.done, state=state)

        try:
            yield report
        except KeyboardInterrupt:
            bar.stop()
            print(f"Cancelled; {KEPT if is_verifying else kept}.", file=sys.stderr)
            raise typer.Exit(130) from None
