"""A process that another one has started for itself ends with that one, however that one ends."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def end_with(parent: int) -> None:
    """Have the kernel tell this process to end (SIGTERM) as soon as its parent has ended, even by SIGKILL.

    The signal comes when the thread ends that started this process. Linux only; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel knew that we want to hear of it
        os.kill(os.getpid(), signal.SIGTERM)
