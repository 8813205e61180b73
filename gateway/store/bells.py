"""Who waits for a document hears of its next commit in this process, instead of asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.model.identifiers import DocumentId


@dataclass(slots=True)
class Bell:
    """Rung when the document has changed."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float) -> None:
        """Wait for the next change, at most so long: another process may change it without a sound."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()

    def ring(self) -> None:
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

    def ring(self, ids: Iterable[DocumentId]) -> None:
        """These documents have changed."""
        for changed in ids:
            for bell in self._hung.get(changed, ()):
                bell.ring()
