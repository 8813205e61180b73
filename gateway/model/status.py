"""What a receiver answers: the status of a message (MLS, MLR) and the response to an invoice, as plain values.

Source: Peppol Message Level Status 1.1, Message Level Response 3, Invoice Message Response 3. The codecs are
``gateway/ubl/status.py`` and ``gateway/ubl/invoice_response.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Literal

from gateway.model.identifiers import ParticipantId

PROVIDERS: Final = "0242"
"""ISO 6523 code of service provider ids (SPIS): ``0242:000306``."""
_PROVIDER: Final = re.compile(r"[0-9]{6}(-[0-9a-z_]{3,12}(\.[0-9a-z._~-]{3,24})?)?", re.IGNORECASE | re.ASCII)


class StatusCode(StrEnum):
    """What became of a message."""

    AP = "AP"
    """Handed to C4, which has confirmed it."""
    AB = "AB"
    """Taken by C3 and handed on without C4's confirmation; of an MLR: acknowledged."""
    RE = "RE"
    """Refused, or could not be delivered."""


class IssueCode(StrEnum):
    """What kind of thing is wrong."""

    SV = "SV"
    """The schema is violated."""
    BV = "BV"
    """A fatal rule is violated."""
    FD = "FD"
    """It could not be delivered to C4."""
    BW = "BW"
    """A rule warns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that a status names."""

    code: IssueCode | None = None
    """None where the sender named none that we know (an MLR may)."""
    location: str = "NA"
    """XPath in the document."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    """A Message Level Status, or the older Message Level Response."""

    id: str
    kind: Literal["MLS", "MLR"] = "MLS"
    issued: str
    """Date and, after a ``T``, time as written."""
    sender: ParticipantId
    receiver: ParticipantId
    code: StatusCode
    text: str = ""
    reference: str
    """InstanceIdentifier of the business envelope that it is about."""
    issues: tuple[Issue, ...] = ()


class ResponseCode(StrEnum):
    """What C4 says to an invoice, in the only order that is allowed."""

    AB = "AB"
    IP = "IP"
    UQ = "UQ"
    CA = "CA"
    RE = "RE"
    AP = "AP"
    PD = "PD"


REASONS: Final = ("NON", "REF", "LEG", "REC", "QUA", "DEL", "PRI", "QTY", "ITM", "PAY", "UNR", "FIN", "PPD", "OTH")
"""Code list OPStatusReason: why."""
ACTIONS: Final = ("NOA", "PIN", "NIN", "CNF", "CNP", "CNA", "OTH")
"""Code list OPStatusAction: what is asked of the seller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clarification:
    """A reason or a wanted action, with words and the values that it is about."""

    list: Literal["OPStatusReason", "OPStatusAction"]
    code: str
    text: str = ""
    conditions: tuple[tuple[str, str], ...] = ()
    """(business term, what it should be), as ``("BT-48", "EU123456789")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """Who answers, or who is answered."""

    endpoint: ParticipantId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceResponse:
    """A response to one invoice or credit note. Source: Invoice Message Response 3 (T111)."""

    id: str
    issued: str
    sender: Correspondent
    receiver: Correspondent
    code: ResponseCode
    note: str = ""
    effective: date | None = None
    clarifications: tuple[Clarification, ...] = ()
    number: str
    """Number of the invoice that it is about."""
    issue_date: date | None = None
    document_code: str = "380"
    """UNTDID 1001 code of that document: 380 invoice, 381 credit note."""


def provider_of_seat(seat: str) -> ParticipantId | None:
    """The service provider id of an access point: ``0242:`` and the six digits of its seat id; None without them."""
    digits = seat[-6:]
    return (
        ParticipantId(f"{PROVIDERS}:{digits}") if len(digits) == 6 and digits.isascii() and digits.isdigit() else None
    )


def is_provider(id: ParticipantId) -> bool:
    """Whether this is the id of a service provider."""
    return id.icd == PROVIDERS and _PROVIDER.fullmatch(id.number) is not None


def addressee(mls_to: str, seat: str) -> ParticipantId | None:
    """Who gets the status of what this access point sent: whom it names, if that is itself, else its seat's own id.

    None where the seat has none: then nobody can be told.
    """
    own = provider_of_seat(seat)
    if own is None or not mls_to:
        return own
    named = ParticipantId(mls_to.lower())
    return named if is_provider(named) and named.number[:6] == own.number else own
