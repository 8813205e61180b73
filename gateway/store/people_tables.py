"""Tables of the web tool: who may sign in, what they may do, what they did.

They are made where they are missing, so an older database gets them at its next start. Secrets (passwords, sessions,
codes) are here as hashes only.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.model.person import Role, Way
from gateway.store.tables import Instant, Word, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _person() -> Column[str]:
    return Column("person", Text, ForeignKey("person.id"), nullable=False)


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("account.id"), nullable=False)


person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    *(_text(name) for name in ("password", "language", "theme")),
    Column("created", Instant, nullable=False),
)

membership = Table(
    "membership",
    metadata,
    _person(),
    _account(),
    Column("role", Word(Role), nullable=False),
    PrimaryKeyConstraint("person", "account"),
)

# A code with which a person chooses a password, once.
invitation = Table(
    "invitation",
    metadata,
    Column("code", Text, primary_key=True),
    _person(),
    Column("ends", Instant, nullable=False),
)

login = Table(
    "login",
    metadata,
    Column("key", Text, primary_key=True),
    _person(),
    _account(),
    Column("begun", Instant, nullable=False),
    Column("seen", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    _text("origin"),
    _text("agent"),
    Column("way", Word(Way), nullable=False, server_default=Way.PASSWORD.value),
)
Index("login_person", login.c.person)

# Wrong passwords in a row, under the hash of a name or an address.
guess = Table(
    "guess",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Instant, nullable=False),
)

# What people changed. Rows are added and never changed; a deed goes with the commit that it tells of.
deed = Table(
    "deed",
    metadata,
    Column("number", Integer, primary_key=True),
    _account(),
    Column("time", Instant, nullable=False),
    *(_text(name) for name in ("actor", "action", "subject", "detail", "origin")),
)
Index("deed_list", deed.c.account, deed.c.number)

# What an API key is called.
key_name = Table("key_name", metadata, Column("hash", Text, primary_key=True), _account(), _text("name"))

# Documents in trouble that a person has seen to, and when. (No foreign key: it may outlive the document.)
handled = Table(
    "handled",
    metadata,
    Column("message", Text, primary_key=True),
    _account(),
    Column("time", Instant, nullable=False),
    _text("person"),
)
