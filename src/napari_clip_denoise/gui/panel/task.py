"""Work in the background of a widget, from its start to the last word on it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_clip_denoise.errors import Cancelled, in_words
from napari_clip_denoise.gui.panel.progress import LOADING, ProgressRow
from napari_clip_denoise.gui.workers import Cancellable
from napari_clip_denoise.inference.progress import CancelToken

NOTHING_KEPT = "Cancelled; nothing was kept."


class Task(QObject):
    """Does one thing at a time in a thread, and ends it when its widget goes.

    Parameters
    ----------
    owner : QWidget
        The widget.
    progress : ProgressRow
        Shows how far the work is and what became of it.
    idle, busy : sequence of QWidget
        What can be used only while nothing goes on, and only while something does.
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
        self._worker: Any = None
        self._is_ending = False
        self._progress = progress
        self._idle: list[QWidget] = []
        self._busy: list[QWidget] = []
        self._is_gone = False
        self.follow(idle=idle, busy=busy)
        owner.destroyed.connect(self._leave)

    def follow(self, *, idle: Sequence[QWidget] = (), busy: Sequence[QWidget] = ()) -> None:
        """Enable more widgets only while nothing runs, or only while something does."""
        self._idle += idle
        self._busy += busy
        self._set_running(self.is_running)

    @property
    def is_running(self) -> bool:
        """Whether something goes on."""
        return self._worker is not None

    def start(
        self,
        work: Callable[..., Any],
        *arguments: Any,
        control: Cancellable | None = None,
        take: Callable[[Any], object] | None = None,
        finish: Callable[[Any], str],
        give_up: Callable[[], str] = lambda: NOTHING_KEPT,
        message: str = LOADING,
    ) -> None:
        """Begin, where nothing goes on.

        Parameters
        ----------
        work : callable
            Called in a thread with the arguments; what a generator function yields goes to `take`.
        control : Cancellable, optional
            What stops the work; it has to be among the arguments, too.
        take : callable, optional
            Gets what the work yields.
        finish : callable
            Gets what the work returns, and gives the last word.
        give_up : callable
            Called when the work failed or was cancelled; gives the last word on the latter.
        message : str
            Shown until the work tells how far it is.
        """
        if self.is_running:
            return
        self.control = control or CancelToken()
        self._is_ending = False
        self._worker = create_worker(work, *arguments, _start_thread=False, _ignore_errors=True)
        if take is not None:
            self._worker.yielded.connect(partial(self._take, take))
        self._worker.returned.connect(partial(self._finish, finish))
        self._worker.errored.connect(partial(self._fail, give_up))
        self._set_running(True)
        self._progress.begin(message)
        self._worker.start()

    def show(self, share: float, message: str) -> None:
        """Show what share of the work is done, in words; not once it is asked to end."""
        if not self._is_ending:
            self._progress.show_share(share, message)

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

    def _leave(self) -> None:
        """Stop the work of a widget that Qt deletes; what is still on its way is not shown."""
        self._is_gone = True
        self.control.cancel()

    def _take(self, take: Callable[[Any], object], message: Any) -> None:
        if not self._is_gone:
            take(message)

    def _finish(self, finish: Callable[[Any], str], result: Any) -> None:
        if self._is_gone:
            return
        self._set_running(False)
        self._progress.end(finish(result), is_done=True)

    def _fail(self, give_up: Callable[[], str], error: Exception) -> None:
        if self._is_gone:
            return
        self._set_running(False)
        cancelled = give_up()
        if isinstance(error, Cancelled):
            self._progress.end(cancelled, is_done=False)
            return
        message = in_words(error)
        self._progress.end(message, is_done=False)
        show_error(message)

    def _set_running(self, is_running: bool) -> None:
        if not is_running:
            self._worker = None
        for widget in self._idle:
            widget.setEnabled(not is_running)
        for widget in self._busy:
            widget.setEnabled(is_running)
