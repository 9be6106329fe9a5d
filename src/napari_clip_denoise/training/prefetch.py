"""Drawing of batches ahead of the training."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")


def prefetch(draw: Callable[[int], Batch], first: int) -> Generator[tuple[int, Batch]]:
    """Draw the next batch in a thread while the network works on this one, endlessly.

    Parameters
    ----------
    draw : callable
        Returns the batch of a step.
    first : int
        Number of the first step.

    Yields
    ------
    step : int
        Number of the step.
    batch
        Its batch.
    """
    with ThreadPoolExecutor(1) as pool:
        step, ahead = first, pool.submit(draw, first)
        while True:
            current, ahead = ahead.result(), pool.submit(draw, step + 1)
            yield step, current
            step += 1
