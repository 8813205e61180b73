"""Several invoices in one file: a person says which pages belong together, and each part is handed in by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, Protocol

from gateway.errors import Conflict
from gateway.exchange.scans import Scans
from gateway.model.scan import Refusal, Scan, ScanState
from gateway.ports import Incoming, Taken

MOST: Final = 30
_PART: Final = re.compile(r"([1-9][0-9]{0,3})(?:\s*[-–]\s*([1-9][0-9]{0,3}))?", re.ASCII)
_SPLIT: Final = ("Split into {number} files by {actor}", "Delad i {number} filer av {actor}")

Parts = tuple[tuple[int, int], ...]


class Cuts(Protocol):
    """Cuts a file; the sandbox stands behind it."""

    async def cut(self, octets: bytes, parts: Sequence[tuple[int, int]]) -> list[bytes] | Refusal:
        """A file for each first and last page. Raises ``Overloaded``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting:
    """Makes files of one file of an account."""

    scans: Scans
    cuts: Cuts

    async def split(self, scan: Scan, actor: str, parts: Parts) -> tuple[Scan, Sequence[Taken]]:
        """Hand every part in, then close the whole; repeated after a crash, no part comes twice.

        Raises ``Conflict`` when it waits for nobody, when parts name pages that there are not, or cannot be cut;
        ``Overloaded``.
        """
        if scan.state is not ScanState.REVIEW or scan.hold == "picture":
            raise Conflict(f"The scan is {scan.state}: nobody is asked about it any more")
        if len(parts) < 2 or any(last > scan.pages for _, last in parts):
            raise Conflict(f"Name two parts or more of the {scan.pages} pages, such as 1, 2-3.")
        store = self.scans.store.reviews
        pieces = await self.cuts.cut(await store.octets(scan.account, scan.id), parts)
        if isinstance(pieces, Refusal):
            raise Conflict(pieces.en)
        proofs = tuple(await store.evidence(scan.account, scan.id))
        suffix = ".pdf" if scan.media_type == "application/pdf" else ".tiff"
        taken = []
        for (first, last), octets in zip(parts, pieces, strict=True):
            incoming = Incoming(
                account=scan.account,
                octets=octets,
                file_name=f"{PurePosixPath(scan.file_name).stem}-{first}{suffix}",
                source=scan.source,  # type: ignore[arg-type]
                sender=scan.sender,
                key=f"split {scan.id} {first}-{last}",
                evidence=proofs,
            )
            taken.append(await self.scans.hand_in(incoming))
        en, sv = (text.format(number=len(parts), actor=actor) for text in _SPLIT)
        now = self.scans.clock.now()
        after = replace(scan, state=ScanState.REFUSED, hold="", decided_by=actor, decided_at=now)
        return await store.settle(scan, replace(after, reason=en, reason_sv=sv)), taken


def read_parts(text: str) -> Parts | None:
    """Parts as a person writes them, ``1, 2-3``: no page in two, the earlier pages first; None for anything else."""
    parts: list[tuple[int, int]] = []
    for piece in text.split(","):
        found = _PART.fullmatch(piece.strip())
        if found is None or len(parts) >= MOST:
            return None
        first = int(found[1])
        last = int(found[2] or first)
        if last < first or (parts and first <= parts[-1][1]):
            return None
        parts.append((first, last))
    return tuple(parts)
