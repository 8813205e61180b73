"""TLS certificates of one site, read again when their files change. [I/O]

Open connections go on as they were; new ones get the new certificate. Files that do not fit together, as for a
moment while both are being replaced, leave the old ones in use.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import ConfigurationError
from gateway.security.tls import Pair, ServerCertificate, server_context

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
SOON: Final = timedelta(days=30)
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class Certificates:
    """What one site shows. Raises :class:`ConfigurationError` when it cannot be made."""

    section: str
    pairs: Sequence[Pair]
    shown: tuple[ServerCertificate, ...] = field(init=False)
    _context: ssl.SSLContext = field(init=False)
    _stamp: _Stamp = field(init=False)

    def __post_init__(self) -> None:
        self._stamp = self._files()
        self._context, self.shown = server_context(self.pairs, section=self.section)

    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        return self._context

    def look(self) -> bool:
        """Read the files again if they have changed; tells whether new ones are in use."""
        stamp = self._files()
        return stamp != self._stamp and self.reload(stamp)

    def reload(self, stamp: _Stamp = ()) -> bool:
        """Read the files again; what cannot be used is logged, and the old ones stay."""
        self._stamp = stamp or self._files()
        try:
            self._context, self.shown = server_context(self.pairs, section=self.section)
        except ConfigurationError as error:
            for path, text in error.problems:
                _log.error("the old TLS certificate stays in use: %s: %s", path, text)
            return False
        _log.info("new TLS certificates of [%s], until %s", self.section, min(c.expires for c in self.shown).date())
        return True

    def warnings(self, now: datetime) -> list[str]:
        """What callers will soon refuse, or already do."""
        texts = []
        for certificate in self.shown:
            left = certificate.expires - now
            if left <= timedelta():
                texts.append(f"{self.section}: the {certificate.kind} TLS certificate has expired")
            elif left <= SOON:
                texts.append(f"{self.section}: the {certificate.kind} TLS certificate expires in {left.days} days")
        return texts

    def _files(self) -> _Stamp:
        found = []
        for pair in self.pairs:
            for path in (pair.certificate, pair.key):
                try:
                    about = path.stat()
                except OSError:
                    found.append((0, 0, 0))
                else:
                    found.append((about.st_mtime_ns, about.st_ino, about.st_size))
        return tuple(found)
