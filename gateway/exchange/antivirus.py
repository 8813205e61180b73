"""Shows to a virus scanner what strangers sent: files inside documents, and files that came in on paper's road.

What the scanner has not seen is handed to nobody. While it is away everything waits; one that fails several times in a
row is left alone for a while, like any other destination.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.exchange.breakers import Breakers
from gateway.exchange.threads import in_thread_if_large
from gateway.model.message import Direction, Message
from gateway.model.octets import Octets, size_of
from gateway.ports.antivirus import VirusScanner
from gateway.ubl import attached
from gateway.ubl.attached import Attached

SCANNER: Final = "virus scanner"
"""How it is called as a destination."""
HELD: Final = "held"
"""The link of a document that is kept back because of what is attached to it; its value says why."""
SCANNED: Final = "scanned"
"""The link of a document whose attachments were looked at; its value is ``clean``."""
Quarantine = Literal["virus", "unscanned"]
QUARANTINED: Final = ("virus", "unscanned")
"""Values of ``held`` with which the octets are given to nobody but by an explicit deed."""
RELEASED: Final = "released"
"""The value of ``held`` once a document that was kept back may go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Why a file is not let through."""

    kind: Quarantine
    name: str
    """Of the file, as its sender called it."""
    found: str = ""

    @property
    def english(self) -> str:
        """For the operator, and for whoever sent the file."""
        if self.kind == "virus":
            return f"The virus scanner found {self.found} in {self.name}"
        return f"{self.name} is larger than the virus scanner looks at, so nobody knows what is in it"

    @property
    def swedish(self) -> str:
        """The same in Swedish."""
        if self.kind == "virus":
            return f"Virusskyddet hittade {self.found} i {self.name}"
        return f"{self.name} är större än vad virusskyddet undersöker, så ingen vet vad som finns i den"


@dataclass(frozen=True, slots=True, kw_only=True)
class Antivirus:
    """The scanner, asked a few files at a time."""

    scanner: VirusScanner
    breakers: Breakers = field(default_factory=Breakers)
    largest: int = 25_000_000
    """Octets of a file that the scanner takes."""
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))

    async def of_file(self, octets: bytes, name: str) -> Suspicion | None:
        """Why this file is not let through; None when it is clean. Raises ``ScannerUnavailable``, ``AtRest``."""
        async with self.at_once:
            with self.breakers.trying(SCANNER):
                said = await self.scanner.inspect(octets)
        if said.clean:
            return None
        return Suspicion(kind="virus" if said.found else "unscanned", name=name, found=said.found)

    async def of_document(self, octets: Octets) -> tuple[int, Suspicion | None]:
        """How many attachments it has, and why the first bad one is not let through. Raises as :meth:`of_file`."""
        number = 0
        files = attached.read(octets, largest=2 * self.largest)  # Base64, with its line ends
        while (one := await in_thread_if_large(size_of(octets), _next, files)) is not None:
            number += 1
            name = one.name or f"attachment {number}"
            if one.octets is None:
                return number, Suspicion(kind="unscanned", name=name)
            if (suspicion := await self.of_file(one.octets, name)) is not None:
                return number, suspicion
        return number, None


def is_unseen(message: Message) -> bool:
    """Whether nobody has looked at its attachments yet: then they are looked at before it is given away.

    One that was looked at is not looked at again, so that an absent scanner keeps nobody from old documents.
    """
    return message.direction is Direction.IN and message.links.get(SCANNED) != "clean"


def is_quarantined(message: Message) -> bool:
    """Whether its octets are given to nobody but by an explicit deed."""
    return message.links.get(HELD) in QUARANTINED


def _next(files: Iterator[Attached]) -> Attached | None:
    return next(files, None)
