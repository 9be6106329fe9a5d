"""A thread that makes previews, always of the latest view."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from napari_clip_denoise.errors import Cancelled, in_words
from napari_clip_denoise.gui.workers.priority import lower_priority
from napari_clip_denoise.inference.preview import Preview, PreviewMaker, View
from napari_clip_denoise.inference.progress import CancelToken


@dataclass(frozen=True)
class Failure:
    """Reason, in one sentence, why a view has no preview."""

    view: View
    message: str


class Previewer:
    """Thread that makes the preview of the latest view and abandons earlier ones.

    Parameters
    ----------
    deliver : callable
        Called in that thread with each `Preview` or `Failure`.
    """

    def __init__(self, deliver: Callable[[Preview | Failure], object]):
        self._deliver = deliver
        self._make = PreviewMaker()
        self._cancel = CancelToken()
        self._thread = ThreadPoolExecutor(1, "preview", initializer=lower_priority)

    def request(self, view: View) -> None:
        """Request a preview; earlier requests are dropped."""
        self.cancel()
        self._cancel = CancelToken()
        self._thread.submit(self._work, view, self._cancel)

    def cancel(self) -> None:
        """Drop the current request."""
        self._cancel.cancel()

    def _work(self, view: View, cancel: CancelToken) -> None:
        if cancel.is_cancelled:
            return
        try:
            made: Preview | Failure = self._make(view, cancel)
        except Cancelled:
            return
        except Exception as error:  # ours, or a source's own, such as a file that has gone
            made = Failure(view, in_words(error))
        if not cancel.is_cancelled:
            self._deliver(made)
