"""One thread beside the event loop, for what waits for the disk.

An executor does the same with two futures, a condition and three hand-overs for each errand; there is one for each
commit, and whatever Python the thread runs takes the loop's turn away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")

_Given = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Aside:
    """Does one errand after another. Ends by :meth:`close`, and with the process, whatever it has in hand."""

    def __init__(self, name: str) -> None:
        self._errands: SimpleQueue[_Given | None] = SimpleQueue()
        self._name = name
        self._thread: Thread | None = None

    async def do(self, errand: Callable[[], Result]) -> Result:
        """Have it done in the thread; gives or raises what it did. Cancelling the caller does not stop it."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._errands.put((errand, answer))
        return await answer

    def close(self) -> None:
        """Let the thread end when it has done what it was given."""
        self._errands.put(None)

    def _run(self) -> None:
        while (given := self._errands.get()) is not None:
            errand, answer = given
            outcome: object = None
            error: BaseException | None = None
            try:
                outcome = errand()
            except BaseException as caught:
                error = caught
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                answer.get_loop().call_soon_threadsafe(_answer, answer, outcome, error)
            del given, errand, answer, outcome, error  # nothing is kept alive by a thread that waits


def _answer(answer: asyncio.Future[Any], outcome: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(outcome)
    else:
        answer.set_exception(error)
