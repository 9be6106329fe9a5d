"""A progress bar in planes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from napari_clip_denoise.inference.progress import Progress


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with planes, planes/s and time left on standard error."""
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

        yield report


def format_seconds(seconds: float) -> str:
    """Write a duration as people read it, such as ``2 min 05 s``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
