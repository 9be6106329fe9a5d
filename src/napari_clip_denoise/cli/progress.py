"""A progress bar in planes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from napari_clip_denoise.inference.progress import Progress
from napari_clip_denoise.text import format_seconds


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with planes, planes/s and time left on standard error.

    Ctrl-C inside ends the program with one sentence and exit code 130.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(label, total=None, state="preparing")

        def report(progress: Progress) -> None:
            left = progress.seconds_left
            bar.update(
                task,
                total=progress.total,
                completed=progress.done,
                state=(
                    f"{progress.done:.0f}/{progress.total} planes, "
                    f"{progress.planes_per_second:.1f}/s"
                    + (f", {format_seconds(left)} left" if left else "")
                ),
            )

        try:
            yield report
        except KeyboardInterrupt:
            bar.stop()
            print("Cancelled; nothing was written.", file=sys.stderr)
            raise typer.Exit(130) from None
