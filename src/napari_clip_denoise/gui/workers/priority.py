"""Priority of threads when there is more work than CPU cores."""

import os
import sys
import threading

NICE = 5


def lower_priority() -> None:
    """Lower the priority of this thread and those it starts, to keep the window responsive.

    This works only on Linux, where each thread has its own priority; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
