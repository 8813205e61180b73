"""A share for each account, so that one with ten times its share delays nobody but itself. [I/O]

An account alone has all the places that one account may have, at any rate: nobody gains by its waiting. It has to stand
back while others with little to do are here: then calls beyond its share wait in its own line, and when that is
long too, the next is answered 429 with the time after which it has its turn. Accounts that all do much have places in
equal parts and no rate. Each process keeps its own shares.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.web.problem import Problem

log = logging.getLogger(__name__)

DELAYED: Final = "share delayed"
REFUSED: Final = "share refused"
LINE: Final = 128
"""Calls of one account that wait before the next one is refused, while others are here."""
_HERE_SECONDS: Final = 0.25
"""So long after its last call others stand back for an account: who looks in now and then costs them little."""
_KNOWN_SECONDS: Final = 1.0
"""So long after its last call what an account has used up is known; then its share is whole again."""
_LEAST_PLACES: Final = 4
_LOOK_SECONDS: Final = 0.02


@dataclass(eq=False, slots=True)
class _Share:
    """One account: what it holds, what it has left, who waits."""

    left: float
    filled: float
    seen: float
    held: int = 0
    line: deque[asyncio.Future[None]] = field(default_factory=deque)


class Place:
    """Held by a call while it is in work."""

    __slots__ = ("_account", "_held", "_shares")

    def __init__(self, shares: Shares, account: str) -> None:
        self._shares, self._account, self._held = shares, account, True

    def leave(self) -> None:
        """The work is done, and what is left is waiting for something else; may be said twice."""
        if self._held:
            self._held = False
            self._shares.back(self._account)


def _is_busy(share: _Share) -> bool:
    return bool(share.held or share.line)


PLACE: Final = web.RequestKey("place", Place)


class Shares:
    """Places and rates of accounts, in one event loop."""

    def __init__(self, at_once: int, rate: int, count: Callable[[str], None], now: Callable[[], float]) -> None:
        self._at_once, self._rate, self._count, self._now = at_once, rate, count, now
        self._known: dict[str, _Share] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told = self._tidied = float("-inf")

    async def take(self, account: str) -> Place:
        """A place for a call of this account, as soon as it has one. Raises the problem ``too-many``."""
        now = self._now()
        share = self._share(account, now)
        share.seen = now
        if share.line or not self._may(share, now):
            await self._wait(account, share, now)
        else:
            self._start(share)
        return Place(self, account)

    def back(self, account: str) -> None:
        """A place is free again."""
        self._known[account].held -= 1
        self._give()

    async def _wait(self, account: str, share: _Share, now: float) -> None:
        if len(share.line) >= max(LINE, self._left(share, now)) and self._keeps_others(share, now):
            raise self._refusal(account, share, now)
        self._count(DELAYED)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        share.line.append(turn)
        self._look_later()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.back(account)
            raise

    def _refusal(self, account: str, share: _Share, now: float) -> Problem:
        self._count(REFUSED)
        if now - self._told > 60:
            self._told = now
            log.warning("an account calls more often than its share, and others are here", extra={"account": account})
        after = max(1, round(len(share.line) / self._rate))
        return Problem(
            "too-many",
            f"{len(share.line)} calls of this account wait already while others are here; its share is then "
            f"{self._rate} calls a second.",
            headers={"Retry-After": str(after)},
        )

    def _share(self, account: str, now: float) -> _Share:
        if now - self._tidied >= _KNOWN_SECONDS:
            self._tidied = now
            known = self._known.items()
            self._known = {name: one for name, one in known if _is_busy(one) or now - one.seen < _KNOWN_SECONDS}
        share = self._known.get(account)
        if share is None:
            share = self._known[account] = _Share(left=float(self._rate), filled=now, seen=now)
        return share

    def _start(self, share: _Share) -> None:
        share.held += 1
        share.left = max(0.0, share.left - 1)

    def _may(self, share: _Share, now: float) -> bool:
        if share.held >= self._at_once:
            return False
        others = sum(1 for one in self._known.values() if one is not share and self._is_here(one, now))
        if not others:
            return True
        if share.held >= max(_LEAST_PLACES, self._at_once // (others + 1)):
            return False
        return not self._stands_back(share, now)

    def _stands_back(self, share: _Share, now: float) -> bool:
        """Whether it has used its share up while somebody else is here who has not."""
        return self._left(share, now) < 1 and self._keeps_others(share, now)

    def _keeps_others(self, share: _Share, now: float) -> bool:
        """Whether somebody is here who has not used their share up."""
        others = (one for one in self._known.values() if one is not share and self._is_here(one, now))
        return bool(self._rate) and any(self._left(one, now) >= 1 for one in others)

    def _left(self, share: _Share, now: float) -> float:
        share.left = min(float(self._rate), share.left + (now - share.filled) * self._rate)
        share.filled = now
        return share.left

    def _is_here(self, share: _Share, now: float) -> bool:
        return _is_busy(share) or now - share.seen < _HERE_SECONDS

    def _give(self) -> None:
        """Let those go on who may, one of each account in turn."""
        now = self._now()
        waiting = [share for share in self._known.values() if share.line]
        while waiting:
            waiting = [share for share in waiting if share.line and self._may(share, now)]
            for share in waiting:
                turn = share.line.popleft()
                if not turn.done():  # its caller has left
                    self._start(share)
                    turn.set_result(None)

    def _look_later(self) -> None:
        """Shares fill up and others leave without telling."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._give()
        if any(share.line for share in self._known.values()):
            self._look_later()


def leave(request: web.Request) -> None:
    """From here on the call only waits for something else, and holds no place."""
    place: Any = request.get(PLACE)
    if place is not None:
        place.leave()
