"""Whether the machine's clock can be believed: jumps that are seen here, and what the kernel knows of its offset. [I/O]

Waiting and time-outs go by the monotonic clock, which never jumps; what is written down goes by the wall clock, because
others read it. When that one jumps, what was to be done at a time that is now far away is brought near again, and
what waits is not given up for time that nobody has lived through.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.errors import GatewayError

log = logging.getLogger(__name__)

JUMP_SECONDS: Final = 2.0
ALARM_SECONDS: Final = 1.0
"""An offset that somebody should see to."""
WRONG_SECONDS: Final = 30.0
"""An offset with which stamps would be refused by others: not ready."""
_LOOK_SECONDS: Final = 1.0
_BUILT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_UNSYNCHRONISED: Final = 0x0040
_NANO: Final = 0x2000


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2), as far as it is read here."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


@dataclass(frozen=True, slots=True)
class Offset:
    """What the kernel knows of its clock, as a time service has told it."""

    seconds: float
    """What is left of the difference that the time service found."""
    synchronised: bool


def kernel_offset() -> Offset | None:
    """Ask the kernel, which changes nothing; None where it cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        told = _Timex()
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    seconds = told.offset / (1e9 if told.status & _NANO else 1e6)
    return Offset(seconds, not told.status & _UNSYNCHRONISED)


@dataclass(slots=True, kw_only=True)
class Timekeeping:
    """Watches the wall clock beside the monotonic one."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    offset: Callable[[], Offset | None] = kernel_offset
    jumps: int = field(default=0, init=False)
    """How often it has jumped since the start."""
    jumped: float = field(default=0.0, init=False)
    """Seconds of all jumps together; forward is positive."""
    _wall: float = field(default=0.0, init=False)
    _steady: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._wall, self._steady = self.wall(), self.steady()

    @property
    def ahead(self) -> timedelta:
        """Time that the wall clock has run through without living through it."""
        return timedelta(seconds=max(0.0, self.jumped))

    def look(self) -> float:
        """Seconds by which the clock has jumped since the last look; 0 when it has not."""
        wall, steady = self.wall(), self.steady()
        jump = (wall - self._wall) - (steady - self._steady)
        self._wall, self._steady = wall, steady
        if abs(jump) < JUMP_SECONDS:
            return 0.0
        self.jumps += 1
        self.jumped += jump
        log.error("the clock has jumped by %+.1f s; see to its time service", jump)
        return jump

    def standing(self) -> str:
        """``ok``, or why no stamp of ours should be believed now."""
        if self.wall() < _BUILT.timestamp():
            return f"it is set to {datetime.fromtimestamp(self.wall(), UTC):%Y-%m-%d}"
        known = self.offset()
        if known is not None and known.synchronised and abs(known.seconds) > WRONG_SECONDS:
            return f"it is {abs(known.seconds):.0f} s off"
        return "ok"

    async def watch(self, mend: Callable[[], Awaitable[int]]) -> None:
        """Look each second, until cancelled; ``mend`` brings near what has become far away."""
        first = True
        while True:
            if self.look() or first:
                first = False
                try:
                    if moved := await mend():
                        log.warning("%d documents would have waited for a time far away; they do not any more", moved)
                except GatewayError as error:
                    log.error("times far away are not mended: %s", error)
                    first = True
            await asyncio.sleep(_LOOK_SECONDS)
