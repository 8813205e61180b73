"""Certificates that end soon: ours and the authorities', told 90, 60, 30, 14, 7 days and a day ahead. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

STEPS: Final = (1, 7, 14, 30, 60, 90)
"""Days before the end at which a person is told."""
URGENT: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One certificate and how long it has left."""

    subject: str
    ends: datetime
    days: int
    """Whole days left; negative when it has ended."""
    step: int | None
    """The smallest step that is reached; None: there is time."""

    @property
    def urgent(self) -> bool:
        return self.days < URGENT

    @property
    def text(self) -> str:
        """One sentence for people."""
        if self.days < 0:
            return f"{self.subject} ended on {self.ends:%Y-%m-%d}"
        return f"{self.subject} ends on {self.ends:%Y-%m-%d}, in {self.days} days"


def expiries(certificates: Iterable[x509.Certificate], at: datetime) -> tuple[Expiry, ...]:
    """How long each certificate has left, the first to end first."""
    found = []
    for certificate in dict.fromkeys(certificates):
        ends = certificate.not_valid_after_utc
        days = (ends - at).days
        step = next((s for s in STEPS if days < s), None)
        found.append(Expiry(subject=certificate.subject.rfc4514_string(), ends=ends, days=days, step=step))
    return tuple(sorted(found, key=lambda one: one.ends))
