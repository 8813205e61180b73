"""Octets as a value, however many there are: in memory while they are few, else in a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

IN_MEMORY: Final = 1024 * 1024
"""Up to so many octets a document is in memory while it is worked on; a larger one may be a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """Octets that are too many for memory, in a file of ours that nobody writes to any more.

    Whoever made the file removes it; whoever wants to keep the octets gives them a name of its own (a link).
    """

    path: Path
    sha256: str
    """Hex digest, taken while the file was written."""
    size: int


Octets = bytes | Spooled


def size_of(octets: Octets) -> int:
    """How many there are."""
    return octets.size if isinstance(octets, Spooled) else len(octets)


def sha256_of(octets: Octets) -> str:
    """Their SHA-256 as hex digits; a file's is known already."""
    return octets.sha256 if isinstance(octets, Spooled) else hashlib.sha256(octets).hexdigest()
