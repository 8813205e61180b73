"""Pages of a foreign file for a person to look at, and the file cut into pieces. [I/O, in ``process.py``]"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.errors import Overloaded
from gateway.model.scan import Refusal
from gateway.scanning import kinds, pages, process
from gateway.scanning.pages import png
from gateway.scanning.reader import Limits
from gateway.scanning.texts import refusal

_DPI: Final = 120
_WIDTH: Final = 900
_KEPT: Final = 24
_QUEUE: Final = 12


@dataclass(slots=True, kw_only=True)
class Leafing:
    """Opens a file again when a person looks at it: one file at a time, the latest pictures are kept."""

    limits: Limits = field(default_factory=Limits)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    _queued: int = 0
    _pictures: OrderedDict[tuple[str, int], bytes] = field(default_factory=OrderedDict)

    async def picture(self, octets: bytes, sha256: str, page: int) -> bytes | Refusal:
        """A page as PNG, counted from 1, lying as its fields were read. Raises ``Overloaded``."""
        if (known := self._pictures.get((sha256, page))) is not None:
            self._pictures.move_to_end((sha256, page))
            return known
        limits = replace(self.limits, drawn=1, dpi=_DPI, width=_WIDTH)
        seen, pixels = await self._ask(octets, {**limits.sizes(), "first": page}, None)
        drawn = pages.pages_of(seen.get("drawn", []), pixels)
        if "refused" in seen or not drawn:
            return refusal(str(seen.get("refused", "pages")))
        one = drawn[0]
        rows = [one.pixels[row * one.width : (row + 1) * one.width] for row in range(one.height)]
        made = await asyncio.to_thread(png, one.width, rows)
        self._pictures[sha256, page] = made
        if len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return made

    async def cut(self, octets: bytes, parts: Sequence[tuple[int, int]]) -> list[bytes] | Refusal:
        """A file for each first and last page, PDF of PDF and TIFF of pictures. Raises ``Overloaded``."""
        seen, behind = await self._ask(octets, self.limits.sizes(), [list(part) for part in parts])
        told = seen.get("parts")
        sizes = [size for size in told if isinstance(size, int) and size > 0] if isinstance(told, list) else []
        if "refused" in seen or len(sizes) != len(parts) or sum(sizes) != len(behind):
            return refusal(str(seen.get("refused", "crashed")))
        pieces, at = [], 0
        for size in sizes:
            pieces.append(behind[at : at + size])
            at += size
        return pieces

    async def _ask(
        self, octets: bytes, sizes: dict[str, int], parts: list[list[int]] | None
    ) -> tuple[dict[str, object], bytes]:
        kind = kinds.kind_of(octets)
        if not isinstance(kind, str):
            return {"refused": kind.name}, b""
        if self._queued >= _QUEUE:
            raise Overloaded("Many pages are being drawn at the moment")
        self._queued += 1
        try:
            async with self._turn:
                return await process.ask(octets, kind, sizes, self.limits.room, parts)
        finally:
            self._queued -= 1
