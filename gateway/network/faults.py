"""What can be made to go wrong in a market while it is up: switches in a file that everybody of the market reads. [I/O]

A switch counts from the next question on. Each is about one gateway or about all; who runs the market tells its
gateways (SIGHUP), so that they forget what they found before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError
from gateway.files import write_durably
from gateway.network.market import Market

_FILE: Final = "faults.json"

FAULTS: Final[Mapping[str, str]] = {
    "servfail": "DNS answers SERVFAIL for its participants: nobody can tell, so nothing is printed",
    "dns-silent": "DNS does not answer about its participants at all",
    "lying-smp": "its SMP says yes to every document type, which its own list lacks",
    "slow-smp": "its SMP takes half a minute for every answer",
    "broken-smp": "its SMP answers 503 to everything",
    "forged-smp": "its SMP's answers are changed after they were signed",
    "redirect-loop": "its SMP redirects to an SMP that redirects again",
    "revoked-ap": "its access point certificate is on the revocation list, and OCSP says so",
    "no-lists": "neither revocation lists nor OCSP can be had",
}
OF_LISTS: Final = ("revoked-ap", "no-lists")


@dataclass(slots=True)
class Faults:
    """The switches of one market; read again whenever the file has changed."""

    path: Path
    _stamp: tuple[int, int] | None = None
    _on: Mapping[str, frozenset[str]] | None = None

    def on(self, fault: str, gateway: str) -> bool:
        """Whether this is to go wrong for that gateway now."""
        return gateway in self.all().get(fault, ())

    def all(self) -> Mapping[str, frozenset[str]]:
        """The gateways of each fault that is on. Raises :class:`ConfigurationError`."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            return {}
        stamp = (about.st_mtime_ns, about.st_ino)
        if self._on is None or stamp != self._stamp:
            try:
                self._on = {name: frozenset(held) for name, held in json.loads(self.path.read_text()).items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise ConfigurationError([(str(self.path), f"cannot be read: {error}; remove it")]) from None
            self._stamp = stamp
        return self._on

    def switch(self, fault: str, gateways: frozenset[str], *, on: bool) -> None:
        """Make it go wrong for these gateways, or right again."""
        held = dict(self.all())
        before = held.get(fault, frozenset())
        held[fault] = before | gateways if on else before - gateways
        octets = json.dumps({name: sorted(names) for name, names in held.items() if names}, indent=1)
        write_durably(self.path, octets.encode())


def faults_of(market: Market) -> Faults:
    """The switches of a market."""
    return Faults(market.directory / _FILE)


def set_fault(market: Market, fault: str, gateway: str, *, on: bool) -> None:
    """Switch a fault for a gateway, or for all where none is named; raises :class:`ConfigurationError`."""
    names = frozenset(member.name for member in market.members)
    if fault not in FAULTS:
        raise ConfigurationError([("FAULT", f"“{fault[:40]}” is none; there are {', '.join(FAULTS)}")])
    if gateway and gateway not in names:
        raise ConfigurationError([("--gateway", f"“{gateway[:40]}” is none of {', '.join(sorted(names))}")])
    if fault in OF_LISTS and market.lists is None:
        text = "this market asks no revocation lists; make one with: gateway network new DIR --revocation"
        raise ConfigurationError([(fault, text)])
    if market.front is None:
        raise ConfigurationError([(str(market.directory), "was made by an earlier version; make a new market")])
    faults_of(market).switch(fault, frozenset({gateway}) if gateway else names, on=on)
