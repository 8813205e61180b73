"""A small memory for answers, and one search at a time for one question.

Many invoices to one customer ask the same question at the same moment; the first one asks, the others wait for its
answer. Failures are never remembered. Keeps its own count of everything, in the process only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar

from gateway.errors import GatewayError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Remembers values until a time; the least recently used one goes when it is full."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[K, tuple[V, datetime]] = OrderedDict()

    def get(self, key: K, now: datetime) -> V | None:
        held = self._kept.get(key)
        if held is None:
            return None
        value, until = held
        if now >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    def drop(self, key: K) -> None:
        """Forget this one."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def put(self, key: K, value: V, until: datetime) -> None:
        self._kept[key] = (value, until)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)


class SingleFlight(Generic[K, V]):
    """Runs one search for each key at a time; whoever asks meanwhile gets the same answer or the same error."""

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Future[V | GatewayError]] = {}

    async def run(self, key: K, search: Callable[[], Awaitable[V]]) -> V:
        while (flight := self._flights.get(key)) is not None:
            try:
                landed = await asyncio.shield(flight)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not flight.cancelled() or (task and task.cancelling()):
                    raise  # we are cancelled ourselves
                continue  # the one who searched was: somebody else has to
            if isinstance(landed, GatewayError):
                raise landed
            return landed
        flight = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            found = await search()
        except GatewayError as error:
            flight.set_result(error)
            raise
        else:
            flight.set_result(found)
            return found
        finally:
            del self._flights[key]
            if not flight.done():  # cancelled, or a bug: the others try for themselves
                flight.cancel()
