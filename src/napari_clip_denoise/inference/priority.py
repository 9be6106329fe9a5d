"""Which thread goes first where there are fewer cores than work."""

import os
import sys
import threading

NICE = 5


def step_back() -> None:
    """Let others go before this thread and those it starts, such as the one that draws a window.

    On Linux alone, where a thread has a priority of its own; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
