"""Background work of a widget, from its start to its final message."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_clip_denoise.errors import Cancelled, in_words
from napari_clip_denoise.gui.panel.progress import LOADING, ProgressRow
from napari_clip_denoise.gui.panel.turns import Steps, Turns, at_once, in_steps
from napari_clip_denoise.gui.workers.relay import Cancellable
from napari_clip_denoise.inference.progress import CancelToken

NOTHING_KEPT = "Cancelled; nothing was kept."


class Task(QObject):
    """Runs one piece of work at a time in a thread, and stops it when its widget is destroyed.

    Parameters
    ----------
    owner : QWidget
        The widget.
    progress : ProgressRow
        Shows the progress and the outcome of the work.
    idle, busy : sequence of QWidget
        Widgets that are enabled only while no work is running, and only while some is.

    Attributes
    ----------
    turns : Turns
        What is still to be done in the main thread.
    """

    def __init__(
        self,
        owner: QWidget,
        progress: ProgressRow,
        *,
        idle: Sequence[QWidget] = (),
        busy: Sequence[QWidget] = (),
    ) -> None:
        super().__init__(owner)
        self.control: Cancellable = CancelToken()
        self.turns = Turns(self)
        self._worker: Any = None
        self._is_ending = False
        self._progress = progress
        self._idle: list[QWidget] = []
        self._busy: list[QWidget] = []
        self._is_gone = False
        self._give_up: Callable[[], Any] = lambda: None
        self.follow(idle=idle, busy=busy)
        owner.destroyed.connect(self._leave)

    def follow(self, *, idle: Sequence[QWidget] = (), busy: Sequence[QWidget] = ()) -> None:
        """Enable more widgets only while no work is running, or only while some is.

        Parameters
        ----------
        idle, busy : sequence of QWidget
            Widgets that are enabled only while no work is running, and only while some is.
        """
        self._idle += idle
        self._busy += busy
        self._set_running(self.is_running)

    @property
    def is_running(self) -> bool:
        """True if work is running."""
        return self._worker is not None

    def start(
        self,
        work: Callable[..., Any],
        *arguments: Any,
        control: Cancellable | None = None,
        take: Callable[[Any], object] | None = None,
        finish: Callable[[Any], str | Steps],
        give_up: Callable[[], str | Steps] = lambda: NOTHING_KEPT,
        message: str = LOADING,
    ) -> None:
        """Start the work, unless some is already running.

        `take`, `finish` and `give_up` may be generator functions, which yield after each step that
        takes the main thread long; the window stays alive between steps.

        Parameters
        ----------
        work : callable
            Called in a thread with `arguments`; values yielded by a generator function are passed
            to `take`.
        *arguments : object
            Arguments of `work`.
        control : Cancellable, optional
            Stops the work; it must also be among the arguments.
        take : callable, optional
            Called with each value that the work yields.
        finish : callable
            Called with the return value of the work; returns the final message.
        give_up : callable
            Called when the work failed or was cancelled; returns the final message for the latter.
        message : str
            Shown until the work reports its progress.
        """
        if self.is_running:
            return
        self.control = control or CancelToken()
        self._give_up = give_up
        self._is_ending = False
        self._worker = create_worker(work, *arguments, _start_thread=False, _ignore_errors=True)
        if take is not None:
            self._worker.yielded.connect(partial(self._take, take))
        self._worker.returned.connect(partial(self._finish, finish))
        self._worker.errored.connect(partial(self._fail, give_up))
        self._set_running(True)
        self._progress.begin(message)
        self._worker.start()

    def show(self, fraction: float, message: str) -> None:
        """Show the progress, unless the work was asked to stop.

        Parameters
        ----------
        fraction : float
            Completed fraction of the work, from 0 to 1.
        message : str
            The progress in words.
        """
        if not self._is_ending:
            self._progress.show_fraction(fraction, message)

    def cancel(self) -> None:
        """Ask the work to stop; it ends within a second or two."""
        self.control.cancel()
        self.wind_down("Cancelling …")

    def wind_down(self, message: str) -> None:
        """Show that the work will end soon."""
        self._is_ending = True
        for widget in self._busy:
            widget.setEnabled(False)
        self._progress.say(message)

    def abandon(self) -> None:
        """Stop the work at once and undo what it did, because its panel was closed."""
        self.turns.clear()
        if self.is_running:
            self.control.cancel()
            self._worker.returned.disconnect()
            self._worker.errored.disconnect()
            if hasattr(self._worker, "yielded"):
                self._worker.yielded.disconnect()
            self._set_running(False)
            at_once(in_steps(self._give_up))
            self._progress.end("", is_done=False)

    def _leave(self) -> None:
        """Stop the work of a widget that Qt deletes; later messages are ignored."""
        self._is_gone = True
        self.control.cancel()

    def _take(self, take: Callable[[Any], object], message: Any) -> None:
        if not self._is_gone:
            self.turns.add(in_steps(take, message))

    def _finish(self, finish: Callable[[Any], str | Steps], result: Any) -> None:
        if not self._is_gone:
            self.turns.add(self._end(in_steps(finish, result), is_done=True))

    def _fail(self, give_up: Callable[[], str | Steps], error: Exception) -> None:
        if self._is_gone:
            return
        message = "" if isinstance(error, Cancelled) else in_words(error)
        self.turns.add(self._end(in_steps(give_up), message, is_done=False))

    def _end(self, steps: Steps, error: str = "", *, is_done: bool) -> Steps:
        """Do the last steps, and show their message or an error."""
        try:
            message = yield from steps
        except Exception:
            self._set_running(False)
            raise
        self._set_running(False)
        self._progress.end(error or message, is_done=is_done)
        if error:
            show_error(error)

    def _set_running(self, is_running: bool) -> None:
        if not is_running:
            self._worker = None
        for widget in self._idle:
            widget.setEnabled(not is_running)
        for widget in self._busy:
            widget.setEnabled(is_running)
