"""The table of addresses that failed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from gateway.model.addresses import Cause
from gateway.store.tables import Instant, Word, metadata

failed_address = Table(
    "failed_address",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.id"), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("channel", "address")),
    Column("cause", Word(Cause), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("said", "document", "counterpart")),
    Column("since", Instant, nullable=False),
    Column("search_at", Instant),
)
_known = failed_address.c
SEARCHING = _known.search_at.is_not(None)
Index("failed_address_list", _known.account, _known.since, _known.id)
failed_address_document = Index("failed_address_document", _known.document)
Index("failed_address_search", _known.search_at, sqlite_where=SEARCHING, postgresql_where=SEARCHING)
