"""What a service manager hears of us: ready, stopping, still turning. Nothing where nobody asks (``NOTIFY_SOCKET``).

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
_TURNING: Final = "WATCHDOG=1"


def tell(state: str) -> None:
    """Say it; that nobody listens, or not quickly enough, is no reason to stop or to wait."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
        line.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def pause() -> float:
    """Seconds between two signs of life, half of what we are allowed; 0 where nobody watches this process."""
    try:
        allowed = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
        watched = int(os.environ.get("WATCHDOG_PID", "0")) in (0, os.getpid())
    except ValueError:
        return 0.0
    return allowed / 2 if watched else 0.0


async def beat(each: float) -> None:
    """Signs of life from the event loop, for as long as it turns."""
    while True:
        tell(_TURNING)
        await asyncio.sleep(each)


class Pulse:
    """Signs of life from a loop that comes by often."""

    def __init__(self) -> None:
        self._each, self._due = pause(), 0.0

    def beat(self, now: float) -> None:
        """Say it, if it is time."""
        if self._each and now >= self._due:
            self._due = now + self._each
            tell(_TURNING)
