"""From a participant to its SMP: the name that DNS is asked for, and what the NAPTR records say.

Source: Peppol SML 1.3, eDelivery BDXL 1.6, RFC 3403; only the NAPTR form, the CNAME form is forbidden since
November 2025. Asking DNS is :mod:`gateway.smp.resolver`'s. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import InvalidAddress, InvalidAnswer
from gateway.model.identifiers import ParticipantId
from gateway.security.weburl import WebRules, check_url

SERVICE: Final = "Meta:SMP"
MAX_RECORDS: Final = 32

# Two regular expressions are in use and both match everything; the URL takes no part of what they match, so
# nothing is ever computed from the name that was asked for (field of RFC 3402 3.2, delimiter always "!").
_REGEXP: Final = re.compile(r"!(?:\.\*|\^\.\*\$)!([^!\\]{1,500})!", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naptr:
    """One NAPTR record, as DNS gave it."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str = "."

    def __str__(self) -> str:
        words = f'"{self.flags}" "{self.service}" "{self.regexp}"'
        return f"{self.order} {self.preference} {words} {self.replacement}"


def query_name(participant: ParticipantId, zone: str) -> str:
    """The name to ask NAPTR for: Base32 of the SHA-256 of the lower-case value, scheme, zone."""
    return f"{label(participant)}.{participant.scheme}.{zone.strip('.')}"


def label(participant: ParticipantId) -> str:
    """The first part of the name: 52 characters. The scheme is no part of what is hashed."""
    digest = hashlib.sha256(participant.value.lower().encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()


def read_location(records: Sequence[Naptr], rules: WebRules) -> str:
    """Give the base URL of the SMP that the records name, without a slash at the end.

    The lowest order counts, then the lowest preference; records of other services and records that cannot be
    followed are passed over. Raises :class:`InvalidAnswer` when none is left: the participant *is* registered then,
    only in a way that nobody can follow.
    """
    usable = [r for r in records if r.flags.upper() == "U" and r.service.lower() == SERVICE.lower()]
    if not usable:
        raise InvalidAnswer(f"none of the NAPTR records has the service {SERVICE} and the flag U")
    reasons: list[str] = []
    for record in sorted(usable, key=lambda record: (record.order, record.preference))[:MAX_RECORDS]:
        try:
            return _url(record, rules)
        except InvalidAddress as error:
            reasons.append(str(error))
    raise InvalidAnswer(f"the NAPTR record cannot be followed: {reasons[0]}")


def _url(record: Naptr, rules: WebRules) -> str:
    fit = _REGEXP.fullmatch(record.regexp)
    if fit is None:
        raise InvalidAddress(f"“{record.regexp[:120]}” does not have the form !.*!URL!")
    url = check_url(fit[1], rules)
    if "?" in url:
        raise InvalidAddress(f"“{url[:120]}” holds a query")
    return url.removesuffix("/")
