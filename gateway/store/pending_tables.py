"""Files that somebody has handed in and has still to say yes to; they are dropped then, or after some hours."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text

from gateway.store.tables import Instant, metadata

pending_file = Table(
    "pending_file",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.id"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("octets", LargeBinary, nullable=False),
    Column("created", Instant, nullable=False),
)
Index("pending_file_of", pending_file.c.account, pending_file.c.created)
