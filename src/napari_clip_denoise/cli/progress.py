"""A progress bar in planes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from napari_clip_denoise.formatting import format_seconds
from napari_clip_denoise.inference.progress import Progress

if TYPE_CHECKING:
    from napari_clip_denoise.inference.batch import BatchProgress


def describe_planes(progress: Progress) -> str:
    """Say how many planes of a run are done, how fast, and how long the rest will take."""
    left = progress.seconds_left
    return f"{progress.done:.0f}/{progress.total} planes, {progress.planes_per_second:.1f}/s" + (
        f", {format_seconds(left)} left" if left else ""
    )


def describe_files(progress: "BatchProgress") -> str:
    """Say how many files of a batch are done, which is at work, and how long the rest will take."""
    left = progress.seconds_left
    return (
        f"{int(progress.done)}/{progress.total} files, {progress.source.name} "
        f"{100 * progress.file_done:.0f} %" + (f", {format_seconds(left)} left" if left else "")
    )


@contextmanager
def progress_bar(
    label: str,
    describe: Callable[[Any], str] = describe_planes,
    kept: str = "nothing was written",
) -> Iterator[Callable[[Any], None]]:
    """Show a bar and what `describe` says of the progress on standard error.

    Ctrl-C inside ends the program with one sentence, which says what is kept, and exit code 130.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(label, total=None, state="preparing")

        def report(progress: Any) -> None:
            state = describe(progress)
            bar.update(task, total=progress.total, completed=progress.done, state=state)

        try:
            yield report
        except KeyboardInterrupt:
            bar.stop()
            print(f"Cancelled; {kept}.", file=sys.stderr)
            raise typer.Exit(130) from None
