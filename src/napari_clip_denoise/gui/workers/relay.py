"""Work in a separate thread whose messages arrive in batches."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import Any, Protocol

from napari_clip_denoise.gui.workers.priority import lower_priority

POLL_SECONDS = 0.25


class Cancellable(Protocol):
    """Anything that can stop work in another thread."""

    def cancel(self) -> None:
        """Ask the work to stop."""
        ...


def relay(
    work: Callable[[Callable[[Any], None]], Any], cancel: Cancellable
) -> Generator[tuple[Any, ...], None, Any]:
    """Run work in a separate thread and yield its messages, at most four times a second.

    The limit keeps the window responsive even if there are many messages.

    Parameters
    ----------
    work : callable
        Called with a function that sends a message; its return value becomes that of the generator.
    cancel : Cancellable
        Cancelled if the generator is closed before the work is done.

    Yields
    ------
    tuple
        New messages, possibly none.
    """
    messages: SimpleQueue[Any] = SimpleQueue()
    with ThreadPoolExecutor(1, initializer=lower_priority) as thread:
        done = thread.submit(work, messages.put)
        try:
            while not (done.done() and messages.empty()):
                wait([done], POLL_SECONDS)
                yield tuple(messages.get_nowait() for _ in range(messages.qsize()))
        finally:
            if not done.done():
                cancel.cancel()
    return done.result()
