"""Progress of a run in napari's activity dock, which can be seen from every panel."""

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer

STEPS = 1000
MILLISECONDS = 250


class Nowhere:
    """A file that forgets what is written, because an entry also prints itself."""

    def write(self, text: str) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""


class Activity(QObject):
    """An entry in the activity dock while something is running.

    The dock handles all waiting events whenever an entry changes. Entries therefore change in a
    timer of their own, never while the results of a run are received.

    Parameters
    ----------
    parent : QObject
        Ends the entry when it is destroyed.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._entry = Entry()
        self._timer = QTimer(self)
        self._timer.setInterval(MILLISECONDS)
        self._timer.timeout.connect(self._entry.update)
        parent.destroyed.connect(self._entry.close)

    def begin(self, message: str) -> None:
        """Add the entry."""
        self.show(0, message)
        self._timer.start()

    def show(self, fraction: float, message: str) -> None:
        """Show the completed fraction of the work, from 0 to 1, and a message."""
        self._entry.wanted = fraction, message

    def end(self) -> None:
        """Remove the entry."""
        self._timer.stop()
        self._entry.wanted = None
        QTimer.singleShot(0, self._entry.update)


class Entry:
    """The entry itself, which follows what is wanted."""

    def __init__(self) -> None:
        self.wanted: tuple[float, str] | None = None
        self._shown: tuple[float, str] | None = None
        self._bar: progress | None = None
        self._is_within = False

    def update(self) -> None:
        """Add, change or remove the entry.

        Each of these handles waiting events, which may call this again or want something else: only
        the outermost call acts, until the entry is as wanted.
        """
        if self._is_within:
            return
        self._is_within = True
        try:
            while self._shown != self.wanted:
                self._follow(self.wanted)
        finally:
            self._is_within = False

    def close(self) -> None:
        """Remove the entry."""
        self.wanted = None
        self.update()

    def _follow(self, wanted: tuple[float, str] | None) -> None:
        bar, message_shown = self._bar, self._shown[1] if self._shown else None
        self._shown = wanted
        if wanted is None:
            self._bar = None
            if bar is not None:
                bar.close()
            return
        fraction, message = wanted
        if bar is None:
            bar = self._bar = progress(total=STEPS, desc=message, file=Nowhere())
        elif message != message_shown:
            bar.set_description(message)
        if step := round(STEPS * fraction) - bar.n:
            bar.update(step)
