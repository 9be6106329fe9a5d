"""Progress of a run in napari's activity dock, which can be seen from every panel."""

import os
from pathlib import Path

from napari.utils import progress

STEPS = 1000


class Activity:
    """An entry in the activity dock while something is running."""

    def __init__(self) -> None:
        self._bar: progress | None = None

    def begin(self, message: str) -> None:
        """Add the entry."""
        self.end()
        nowhere = Path(os.devnull).open("w")  # noqa: SIM115 the bar prints itself, too
        self._bar = progress(total=STEPS, desc=message, file=nowhere)

    def show(self, share: float, message: str) -> None:
        """Show the completed fraction of the work, from 0 to 1, and a message."""
        if self._bar is not None:
            self._bar.update(round(STEPS * share) - self._bar.n)
        if self._bar is not None:  # updating handles events, such as the end of the run
            self._bar.set_description(message)

    def end(self) -> None:
        """Remove the entry."""
        if self._bar is not None:
            self._bar.close()
            self._bar.fp.close()
            self._bar = None
