"""Tables of prices and of the ledger of costs. Every row belongs to an account.

They are made where they are missing, so an older database gets them at its next start. The ledger names its documents
without a foreign key: what something cost is kept when the document has been erased.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.model.message import Direction
from gateway.store.tables import Amount, Day, Instant, Word, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("account.id"), nullable=False)


price = Table(
    "price",
    metadata,
    _account(),
    _text("channel"),
    _text("country"),
    Column("since", Day, nullable=False),
    Column("share", Integer, nullable=False),
    Column("amount", Amount, nullable=False),
    _text("currency"),
    _text("note"),
    PrimaryKeyConstraint("account", "channel", "country", "since", "share"),
)

cost = Table(
    "cost",
    metadata,
    Column("document", Text, nullable=False),
    _text("channel"),
    _account(),
    Column("time", Instant, nullable=False),
    _text("month"),
    Column("direction", Word(Direction), nullable=False),
    _text("country"),
    Column("amount", Amount, nullable=False),
    Column("paper", Amount, nullable=False),
    _text("currency"),
    PrimaryKeyConstraint("document", "channel"),
)
Index("cost_month_rows", cost.c.account, cost.c.month)

# The sums of the ledger, kept with it in the same commit, so that a page over years reads some hundred rows.
cost_month = Table(
    "cost_month",
    metadata,
    _account(),
    _text("month"),
    Column("direction", Word(Direction), nullable=False),
    _text("channel"),
    _text("currency"),
    Column("documents", Integer, nullable=False),
    Column("amount", Amount, nullable=False),
    Column("paper", Amount, nullable=False),
    PrimaryKeyConstraint("account", "month", "direction", "channel", "currency"),
)
