"""Counterparts: the customers and suppliers of an account, as the account knows them.

A party has many numbers, and a number alone proves nothing: an operator's own code may look like a GLN, a sole trader's
number is a person's. So every number says which kind it is (``scheme``) and where it comes from (``origin``), and two
parties are one only when a number *and* the name agree (``routing/matching.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId
from gateway.model.message import Route

CounterpartId = NewType("CounterpartId", str)
"""Our own identifier of a counterpart."""

MAX_IDENTIFIERS: Final = 30
MAX_NAMES: Final = 20


class Role(StrEnum):
    """Which way the invoices go."""

    CUSTOMER = "customer"
    SUPPLIER = "supplier"


class PartyKind(StrEnum):
    """What it is before the law: the rules on electronic invoices ask for it."""

    UNKNOWN = "unknown"
    PUBLIC = "public"
    BUSINESS = "business"
    SOLE_TRADER = "sole_trader"
    CONSUMER = "consumer"


class Origin(StrEnum):
    """Where a number comes from, the most trusted first."""

    MASTER_DATA = "master_data"
    """The account's own register says so."""
    REGISTER = "register"
    """A public register says so."""
    INVOICE = "invoice"
    """An invoice said so."""
    DERIVED = "derived"
    """Worked out of another number."""
    OPERATOR_EID = "operator_eid"
    """An operator's own code, which may look like a GLN and is none: never an address on the network."""


_TRUST: Final = {
    Origin.MASTER_DATA: 4,
    Origin.REGISTER: 4,
    Origin.INVOICE: 3,
    Origin.DERIVED: 1,
    Origin.OPERATOR_EID: 0,
}


class Quality(StrEnum):
    """What is known of a postal or e-mail address."""

    UNKNOWN = "unknown"
    GOOD = "good"
    """Something sent there has arrived."""
    BAD = "bad"
    """Something sent there came back: it is not used again."""


class Acceptance(StrEnum):
    """Whether a way newly found for this counterpart is taken at once."""

    INHERIT = "inherit"
    """As the account's policy says."""
    PROPOSE = "propose"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One number of a party."""

    scheme: str
    """ISO 6523 code (``0007``), or a word of our own where it is none (``vat``, ``eid``)."""
    value: str
    """In the normal form of its scheme (``model/numbers.py``), in lower case as on the network."""
    origin: Origin
    issuer: str = ""
    """Who gave the number out, where the scheme does not say so: the operator of an ``eid``."""
    verified: datetime | None = None
    """When somebody other than its origin confirmed it."""

    @property
    def key(self) -> str:
        """``0007:5567212047``: by what it is found again. Scheme and number, never digits alone."""
        return f"{self.scheme}:{self.value}"

    @property
    def trust(self) -> int:
        """From 0 (never an address) to 5 (confirmed by somebody else)."""
        base = _TRUST[self.origin]
        return base + 1 if base and self.verified else base


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """One customer or supplier of an account. Times are UTC."""

    id: CounterpartId
    account: AccountId
    role: Role
    number: str = ""
    """Customer or supplier number in the account's own system; once per role."""
    name: str
    names: tuple[str, ...] = ()
    """Other names it is known by."""
    country: str = ""
    """ISO 3166-1 alpha-2."""
    kind: PartyKind = PartyKind.UNKNOWN
    identifiers: tuple[Identifier, ...] = ()
    address: PostalAddress = field(default_factory=PostalAddress)
    address_quality: Quality = Quality.UNKNOWN
    email: str = ""
    email_quality: Quality = Quality.UNKNOWN
    language: str = ""
    """``sv`` or ``en``; empty: as the document says."""
    route: Route = Route.AUTO
    """Other than ``auto``: this way and no other, whatever happens."""
    preferred: str = ""
    """``email`` or ``print``: so it gets its invoices until a proposal is accepted; what it cannot take goes on."""
    opt_out: tuple[str, ...] = ()
    """Ways that are never used for it: ``peppol``, ``email``, ``print``."""
    acceptance: Acceptance = Acceptance.INHERIT
    mandate: str = ""
    """Class of a legal duty as a person set it (``structured``, ``free``); empty: as the legal gate finds it."""
    note: str = ""
    origin: Origin = Origin.MASTER_DATA
    """Whether the account entered it, or an invoice brought it."""
    created: datetime
    updated: datetime

    @property
    def all_names(self) -> tuple[str, ...]:
        return (self.name, *self.names)

    @property
    def addresses(self) -> tuple[Identifier, ...]:
        """The numbers under which it may be on the network, the most trusted first."""
        usable = [one for one in self.identifiers if one.trust and one.scheme.isdigit() and len(one.scheme) == 4]
        return tuple(sorted(usable, key=lambda one: -one.trust))


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterpartFilter:
    """Which counterparts a list shows. Empty fields do not narrow."""

    role: Role | None = None
    query: str = ""
    """Matched against names and numbers."""
    channel: str = ""
    """The usual way: ``peppol``, ``email``, ``print``, or ``none`` where there is none."""
    state: str = ""
    """Of its relation on the network (``model/relating.py``); ``none`` also where there is no relation."""
    proposal: bool = False
    """Only those with a proposal that waits for a decision."""
    unsure: bool = False
    """Only those of whom the network has given no certain answer, or none was asked for."""
    opt_out: bool = False
    """Only those that want some way not to be used."""
    bad_address: bool = False
    """Only those whose postal or e-mail address is known to be bad."""
    among: tuple[CounterpartId, ...] = ()
    """Only these."""
    limit: int = 50
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of a list: the counterpart, how it is reached, and what is known of that."""

    counterpart: Counterpart
    channel: str
    """The usual way, worked out of what is stored: ``peppol``, ``email``, ``print`` or ``none``."""
    state: str = "none"
    """Of its relation on the network."""
    proposal: bool = False
    """Whether one waits for a decision."""
    verdict: str = ""
    """Of the newest answer (``model/relating.py``); empty where none is stored."""
    asked: datetime | None = None
    """When that came."""


class AutoAccept(StrEnum):
    """Which newly found ways an account takes without asking anybody."""

    INVOICE = "invoice"
    """Receivers found through an identifier that stands on the invoice itself (BT-46 to BT-49)."""
    ALWAYS = "always"
    """Also those found through the customer register, and those that are set to mail or letter."""
    NEVER = "never"
    """Every new way is proposed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationPolicy:
    """What an account lets the gateway decide by itself. Empty fields do not narrow."""

    auto_accept: AutoAccept = AutoAccept.INVOICE
    kinds: tuple[PartyKind, ...] = ()
    """Automatic only for these kinds of counterpart."""
    schemes: tuple[str, ...] = ()
    """Automatic only for addresses of these schemes (``0007``)."""
    largest: str = ""
    """Automatic only up to this amount of the invoice, in its own currency; decimal text."""
    sinks: tuple[str, ...] = ()
    """Seat ids of access points known to pass invoices on as mail: what goes there is no structured invoice."""
    share: bool = False
    """Whether other accounts here may learn that a supplier sends e-invoices to this one (never to whom)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a decision needs to know of an account before it looks closer."""

    policy: RelationPolicy = field(default_factory=RelationPolicy)
    customers: bool = False
    """Whether it has any customer here."""
