"""Tables of letters. Every row belongs to an account. They are made where they are missing."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text

from gateway.model.letter import LetterState, ReturnReason
from gateway.store.tables import Amount, Instant, Json, Word, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, default=0)


letter = Table(
    "letter",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.id"), nullable=False),
    _text("document"),
    Column("state", Word(LetterState), nullable=False),
    *(_text(name) for name in ("kind", "batch", "file", "sha256")),
    *(_number(name) for name in ("pages", "sheets", "grams")),
    Column("duplex", Boolean, nullable=False),
    Column("colour", Boolean, nullable=False),
    *(_text(name) for name in ("envelope", "postage", "currency", "country", "number", "reference", "reason")),
    _text("carrier"),
    Column("price", Amount),
    Column("address", Json, nullable=False),
    Column("posted", Instant),
    Column("returned", Word(ReturnReason)),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    # Case-folded: what a search looks at.
    _text("search"),
)
Index("letter_by_account", letter.c.account, letter.c.created, letter.c.id)
Index("letter_by_state", letter.c.state, letter.c.updated)
Index("letter_by_batch", letter.c.account, letter.c.batch)
Index("letter_by_document", letter.c.document)

letter_event = Table(
    "letter_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("letter", Text, ForeignKey("letter.id"), nullable=False),
    Column("time", Instant, nullable=False),
    Column("state", Word(LetterState), nullable=False),
    _text("reason"),
)
Index("letter_event_by_letter", letter_event.c.letter, letter_event.c.id)
