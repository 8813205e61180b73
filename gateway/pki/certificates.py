"""Our certificates and what is known about them and their authorities now: for health, metrics and reminders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import RevocationUnknown, Untrusted
from gateway.pki.watch import ListState, Watch
from gateway.ports import Clock
from gateway.security.expiry import Expiry, expiries
from gateway.security.trust import Role, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What one gateway is and whom it believes."""

    own: Sequence[x509.Certificate]
    """Of the access point, and of the SMP where it runs."""
    trust: Trust
    clock: Clock
    watch: Watch | None
    """What keeps the revocation lists fresh; None in a private network that asks none."""

    def standing(self) -> str:
        """``ok``, or why the others would not believe us or we nobody: no host names."""
        try:
            self.trust.believe(self.own[0].public_bytes(Encoding.DER), Role.ACCESS_POINT, self.clock.now())
        except RevocationUnknown:
            return "no current revocation list of the access point authority"
        except Untrusted:
            return "our access point certificate is not believed"
        return "ok"

    def expiries(self) -> tuple[Expiry, ...]:
        """How long our certificates and the authorities have left."""
        return expiries((*self.own, *self.trust.access_point, *self.trust.smp), self.clock.now())

    def lists(self) -> tuple[ListState, ...]:
        """Every revocation list that is held, wanted or failing."""
        return self.watch.states() if self.watch else ()
