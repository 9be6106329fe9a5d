"""What a run tells: a bar and sentences for people, or JSON lines for programs."""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TextIO

import typer

if TYPE_CHECKING:
    from napari_clip_denoise.inference.batch import BatchProgress
    from napari_clip_denoise.inference.progress import Progress

JSON = "--json"
PACKAGE = Path(__file__).parent.parent
SECONDS_BETWEEN_LINES = 1.0
JsonOption = Annotated[
    bool,
    typer.Option(
        JSON,
        help="Print progress, notices and results as JSON, one object per line, on standard "
        "output.",
    ),
]


class Report(Protocol):
    """Where a command tells its progress, notices and results."""

    def notice(self, sentence: str) -> None:
        """Tell a sentence."""

    def result(self, text: str, **values: Any) -> None:
        """Tell a result, as text or as values."""

    def progress(self, kept: str) -> AbstractContextManager[Callable[[Any], None]]:
        """Yield a function that tells a progress object; `kept` says what Ctrl-C leaves."""


class Terminal:
    """Shows a bar and notices on standard error, and prints results on standard output.

    Parameters
    ----------
    describe : callable
        Returns the description of a progress object.
    """

    def __init__(self, describe: Callable[[Any], str]):
        self._describe = describe

    def notice(self, sentence: str) -> None:
        """Print a sentence on standard error."""
        print(sentence, file=sys.stderr)

    def result(self, text: str, **values: Any) -> None:
        """Print the text."""
        print(text)

    def progress(self, kept: str) -> AbstractContextManager[Callable[[Any], None]]:
        """Show a bar."""
        from napari_clip_denoise.cli.progress import progress_bar

        return progress_bar("Denoising", self._describe, kept)


class JsonLines:
    """Prints one JSON object per line on standard output; its ``event`` says what it is.

    Parameters
    ----------
    values : callable
        Returns what a progress object says, as plain values.
    """

    def __init__(self, values: Callable[[Any], dict[str, Any]]):
        self._values = values
        self._last = -SECONDS_BETWEEN_LINES

    def notice(self, sentence: str) -> None:
        """Print a ``notice``."""
        print_event("notice", message=sentence)

    def result(self, text: str, **values: Any) -> None:
        """Print a ``result``."""
        print_event("result", **values)

    @contextmanager
    def progress(self, kept: str) -> Iterator[Callable[[Any], None]]:
        """Print ``progress`` at most once a second, and where it ends."""

        def report(progress: Any) -> None:
            now = time.monotonic()
            if now - self._last >= SECONDS_BETWEEN_LINES or progress.done >= progress.total:
                self._last = now
                print_event("progress", **self._values(progress))

        try:
            yield report
        except KeyboardInterrupt:
            print_event("cancelled", message=f"Cancelled; {kept}.")
            raise typer.Exit(130) from None


def print_event(event: str, **values: Any) -> None:
    """Print an event as a line of JSON."""
    print(json.dumps({"event": event} | values), flush=True)


@contextmanager
def warnings_as_notices() -> Iterator[None]:
    """Tell the warnings of this package as sentences, without the line of code they come from."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is not UserWarning or PACKAGE not in Path(filename).parents:
            show_as_usual(message, category, filename, lineno, file, line)
        elif JSON in sys.argv:
            print_event("notice", message=str(message))
        else:
            print(message, file=sys.stderr)

    with warnings.catch_warnings():
        show_as_usual = warnings.showwarning
        warnings.showwarning = show
        yield


def report_on_run(as_json: bool) -> Report:
    """Return where the run of one image is told."""
    from napari_clip_denoise.cli.progress import describe_planes

    return JsonLines(_values_of_run) if as_json else Terminal(describe_planes)


def report_on_batch(as_json: bool) -> Report:
    """Return where a batch of files is told."""
    from napari_clip_denoise.cli.progress import describe_files

    return JsonLines(_values_of_batch) if as_json else Terminal(describe_files)


def _values_of_run(progress: "Progress") -> dict[str, Any]:
    return {
        "done": progress.done,
        "total": progress.total,
        "unit": "regions" if progress.message else "planes",
        "stage": progress.message or "Denoising",
        "seconds_left": progress.seconds_left,
        **({"image": progress.where} if progress.where else {}),
    }


def _values_of_batch(progress: "BatchProgress") -> dict[str, Any]:
    return {
        "done": progress.done,
        "total": progress.total,
        "unit": "files",
        "stage": progress.message or "Denoising",
        "seconds_left": progress.seconds_left,
        "input": str(progress.source),
    } | ({"image": progress.image} if progress.image else {})
