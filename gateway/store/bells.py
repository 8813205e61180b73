"""Who waits for a document hears of its next commit in this process, instead of asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.model.identifiers import DocumentId
from gateway.model.message import Message


@dataclass(slots=True)
class Bell:
    """Rung with the document as it has become."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)
    _latest: Message | None = None

    async def wait(self, seconds: float) -> Message | None:
        """Give the document at its next change, or None after so long: other processes change it without a sound."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return None
        self._rung.clear()
        return self._latest

    def ring(self, message: Message) -> None:
        self._latest = message
        self._rung.set()


@dataclass(slots=True)
class Bells:
    """The bells of all documents that somebody waits for."""

    _hung: dict[DocumentId, list[Bell]] = field(default_factory=dict)

    @contextmanager
    def watch(self, id: DocumentId) -> Iterator[Bell]:
        """A bell for the document; what happens inside the block is not missed."""
        bell = Bell()
        self._hung.setdefault(id, []).append(bell)
        try:
            yield bell
        finally:
            self._hung[id].remove(bell)
            if not self._hung[id]:
                del self._hung[id]

    def ring(self, changed: Iterable[Message]) -> None:
        """These documents have changed."""
        for message in changed:
            for bell in self._hung.get(message.id, ()):
                bell.ring(message)
