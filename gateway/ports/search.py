"""The socket towards the store's index of words."""

from __future__ import annotations

from typing import Protocol


class Search(Protocol):
    """Behind the timeline by seconds; ``Store.find`` is right without it, and slow among very many documents."""

    async def advance(self, limit: int) -> int:
        """Enter the words of what has happened since the last call, up to ``limit`` rows of timelines; how many it saw.

        Several processes may call it. Raises ``StoreUnavailable``.
        """
        ...
