"""People who use the web tool: who they are, what they may do for which account, and what they did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from gateway.model.identifiers import AccountId

PersonId = NewType("PersonId", str)


class Role(StrEnum):
    """What somebody is for an account; each account knows its own."""

    CLERK = "clerk"
    """Documents: looks at them, puts them back to work."""
    OPERATOR = "operator"
    """The same, and what the gateway itself needs."""
    COMPLIANCE = "compliance"
    """Reads everything, changes nothing."""
    ADMIN = "admin"
    """Everything, and who else may do what."""


class Way(StrEnum):
    """How somebody came in."""

    PASSWORD = "password"  # noqa: S105
    SECOND = "second"
    """By password and a code of their device, or a recovery code."""
    SERVICE = "service"
    """By a sign-in service, which asks for what it finds right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One who may sign in."""

    id: PersonId
    name: str
    """Under which they sign in, in small letters: often an e-mail address."""
    language: str = ""
    """``sv``, ``en``, or empty for what the browser asks for."""
    theme: str = ""
    """``light``, ``dark``, or empty for what the system has."""
    created: datetime
    password: str = field(default="", repr=False)
    """Its argon2 hash; empty until they chose one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """The device of a person that shows a new code each half minute (TOTP, RFC 6238)."""

    person: PersonId
    sealed: str = field(repr=False)
    """The key that it shares with us, encrypted."""
    step: int
    """The last time step of which a code was taken."""
    since: datetime
    codes: int = 0
    """Recovery codes that are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What a person is for one account."""

    person: PersonId
    name: str
    account: AccountId
    role: Role
    active: bool
    """Whether they have a password or come by a sign-in service."""
    last_seen: datetime | None = None
    second_factor: bool = False
    """Whether a device of theirs is asked for a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One account that a person may work in."""

    account: AccountId
    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session: who it is, where they work now, and where else they may."""

    key: str
    """SHA-256 of the session's secret."""
    person: Person
    account: AccountId
    role: Role
    places: tuple[Place, ...]
    begun: datetime
    seen: datetime
    ends: datetime
    origin: str = ""
    agent: str = ""
    way: Way = Way.PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A change that somebody made: who, what, to what, from where. Rows are only ever added."""

    account: AccountId
    actor: str
    """The name of the person, or what acted in nobody's name."""
    action: str
    """One word of the list in the portal's words: ``signed-in``, ``requeued``, …"""
    subject: str = ""
    """The document, person, key or participant that it was done to."""
    detail: str = ""
    origin: str = ""
    """The address that it came from."""
    time: datetime | None = None
    """Set by the store."""
    number: int = 0
    """Set by the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key of an account, without the key."""

    hash: str
    name: str
    created: datetime
