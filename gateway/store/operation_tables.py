"""Tables of the operation: what a person or a nightly duty does with the store, not what happens to a document.

They are made where they are missing, so an older database gets them at its next start.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store.tables import Instant, Json, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


# Single facts about the store, such as that it was restored and waits for a person.
setting = Table("setting", metadata, Column("name", Text, primary_key=True), Column("value", Json, nullable=False))

# Work that is done once in a period over all processes: whoever inserts the row does it.
duty = Table(
    "duty",
    metadata,
    _text("name"),
    _text("period"),
    _text("owner"),
    Column("begun", Instant, nullable=False),
    PrimaryKeyConstraint("name", "period"),
)

# What people did to the store: who, what, to which document, why. Nothing of it is ever erased.
audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("time", Instant, nullable=False),
    _text("actor"),
    _text("action"),
    _text("message"),
    Column("detail", Json, nullable=False),
)

# Documents that are kept whatever their age, because a person said so.
legal_hold = Table(
    "legal_hold",
    metadata,
    Column("message", Text, ForeignKey("message.id"), primary_key=True),
    Column("since", Instant, nullable=False),
    _text("actor"),
    _text("reason"),
)

# What is left of documents that were erased wholly: that they were here.
tombstone = Table(
    "tombstone",
    metadata,
    Column("id", Text, primary_key=True),
    *(_text(name) for name in ("account", "direction", "state", "message_id", "sha256")),
    Column("created", Instant, nullable=False),
    Column("erased", Instant, nullable=False),
)
