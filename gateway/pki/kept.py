"""Revocation lists on disk, so that a restart while an authority's server is down changes nothing. [I/O]

A list is kept as it came and checked again when it is read: the directory is trusted with nothing.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.files import write_durably
from gateway.pki.fetch import MAX_LIST

log = logging.getLogger(__name__)

_MOST: Final = 200
"""Lists that are read at a start."""
_ADDRESS: Final = 4096


@dataclass(frozen=True, slots=True)
class KeptLists:
    """A directory with each list as ``DIGEST.crl``, its address beside it as ``DIGEST.url``. Blocks."""

    directory: Path

    def save(self, url: str, octets: bytes) -> None:
        """Keep a list in place of the last one from there; a disk that cannot be written is only logged."""
        name = hashlib.sha256(url.encode()).hexdigest()[:40]
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_durably(self.directory / f"{name}.url", url.encode())
            write_durably(self.directory / f"{name}.crl", octets)
        except OSError as error:
            log.warning("a revocation list cannot be kept in %s: %s", self.directory, error.strerror)

    def load(self) -> list[tuple[str, bytes]]:
        """Every list with its address; what cannot be read is passed over, since it is fetched again."""
        found = []
        try:
            files = sorted(self.directory.glob("*.crl"))[:_MOST]
        except OSError:
            return []
        for file in files:
            try:
                if file.stat().st_size > MAX_LIST:
                    continue
                url = file.with_suffix(".url").read_bytes()[:_ADDRESS].decode()
                found.append((url, file.read_bytes()))
            except (OSError, UnicodeDecodeError) as error:
                log.warning("a kept revocation list cannot be read: %s", error)
        return found
