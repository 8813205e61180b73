"""The socket for a virus scanner: a file goes in, what is in it comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a scanner says of one file."""

    found: str = ""
    """What was found, by the scanner's name for it; empty where nothing was."""
    too_large: bool = False
    """It was not looked at: it is larger than the scanner takes."""

    @property
    def clean(self) -> bool:
        """Whether it was looked at and nothing was found."""
        return not (self.found or self.too_large)


class VirusScanner(Protocol):
    """Looks at files. It is asked anew each time: what it knows changes every few hours."""

    async def inspect(self, octets: bytes) -> Inspected:
        """Look at one file. Raises ``ScannerUnavailable`` where there is no verdict."""
        ...

    async def version(self) -> str:
        """What it is and of when its signatures are, in its own words. Raises ``ScannerUnavailable``."""
        ...
