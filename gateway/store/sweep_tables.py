"""Tables of sweeps. Every row belongs to an account.

They are made where they are missing, so an older database gets them at its next start.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.model.sweep import Change, SweepKind, SweepState
from gateway.store.tables import Instant, Json, Word, metadata

_Long = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("account.id"), nullable=False)


sweep = Table(
    "sweep",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    Column("kind", Word(SweepKind), nullable=False),
    Column("state", Word(SweepState), nullable=False),
    _text("actor"),
    Column("due", Instant, nullable=False),
    Column("started", Instant),
    Column("ended", Instant),
    _text("owner"),
    Column("lease_until", Instant),
    _text("cursor"),
    *(Column(name, Integer, nullable=False) for name in ("total", "done", "asked", "questions", "requests")),
    Column("counts", Json, nullable=False),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    # There is one for each account and night, and one that somebody asked for and that has not ended.
    Column("once_key", Text, unique=True),
)
Index("sweep_list", sweep.c.account, sweep.c.id)
_open = sweep.c.ended.is_(None)
Index("sweep_open", sweep.c.due, sqlite_where=_open, postgresql_where=_open)

sweep_difference = Table(
    "sweep_difference",
    metadata,
    Column("number", _Long, primary_key=True),
    _account(),
    Column("sweep", Text, ForeignKey("sweep.id"), nullable=False),
    # Without a foreign key: the report stays when the counterpart is removed.
    _text("counterpart"),
    _text("name"),
    Column("change", Word(Change), nullable=False),
    *(_text(name) for name in ("participant", "before", "after", "sv", "en")),
    Column("time", Instant, nullable=False),
)
Index("sweep_difference_of", sweep_difference.c.sweep, sweep_difference.c.number)

# What an SMP said of one address of a counterpart when it was asked last.
sweep_known = Table(
    "sweep_known",
    metadata,
    Column("counterpart", Text, ForeignKey("counterpart.id"), nullable=False),
    _account(),
    *(_text(name) for name in ("participant", "smp", "reason")),
    Column("asked", Instant, nullable=False),
    Column("expires", Instant),
    PrimaryKeyConstraint("counterpart", "participant"),
)
