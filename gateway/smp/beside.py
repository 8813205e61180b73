"""Work that goes on beside the answer to a question, one at a time for each key, and ends with the search. [I/O]"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Final

MOST: Final = 32
"""Jobs at once; while there are so many, no other one begins."""


class Beside:
    """Jobs in the background. Made by :func:`open_beside`."""

    def __init__(self, tasks: asyncio.TaskGroup, most: int) -> None:
        self._tasks, self._most = tasks, most
        self._running: dict[Hashable, asyncio.Task[None]] = {}

    def begin(self, key: Hashable, job: Callable[[], Awaitable[None]]) -> bool:
        """See to it that the job of this key runs, which raises nothing; False when too many run already."""
        if key in self._running:
            return True
        if len(self._running) >= self._most:
            return False

        async def run() -> None:
            try:
                await job()
            finally:
                del self._running[key]

        self._running[key] = self._tasks.create_task(run())
        return True

    async def settled(self) -> None:
        """Come back when none of those that run now runs any more."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def stop(self) -> None:
        """End all of them."""
        for task in self._running.values():
            task.cancel()


@asynccontextmanager
async def open_beside(most: int = MOST) -> AsyncIterator[Beside]:
    """Room for ``most`` jobs, which end with the block."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        beside = Beside(tasks, most)
        try:
            yield beside
        except Exception as error:
            failure = error  # it leaves as it is, not in the task group's wrapping
        finally:
            beside.stop()
    if failure is not None:
        raise failure
