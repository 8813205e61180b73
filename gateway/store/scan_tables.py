"""Tables of what comes in on paper and as PDF. They are made where they are missing."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from gateway.model.scan import ScanState
from gateway.store.tables import Instant, Json, Word, _account, _octets, _text, metadata

# One file that came in: what was read of it, what became of it, who decided.
scan = Table(
    "scan",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    # What there may be only one of: the account and the key of whoever handed it in.
    Column("once_key", Text, unique=True, nullable=False),
    *(_text(name) for name in ("key", "hold", "source", "sender", "file_name", "media_type", "channel")),
    Column("state", Word(ScanState), nullable=False),
    Column("pages", Integer, nullable=False),
    *(Column(name, Json, nullable=False) for name in ("rungs", "fields", "evidence")),
    *(_text(name) for name in ("reason", "reason_sv", "receiver", "document", "decided_by")),
    Column("decided_at", Instant),
    Column("version", Integer, nullable=False),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    *_octets(),
)
Index("scan_list", scan.c.account, scan.c.state, scan.c.created)
Index("scan_unread", scan.c.state, scan.c.created)
scan_document = Index("scan_document", scan.c.document)  # it is erased with that

# The place of a field as a picture, which a person looks at.
scan_crop = Table(
    "scan_crop",
    metadata,
    _account(),
    Column("scan", Text, ForeignKey("scan.id"), nullable=False),
    _text("field"),
    Column("picture", LargeBinary, nullable=False),
    PrimaryKeyConstraint("scan", "field"),
)

# Accounts in which two people release a changed bank account.
four_eyes = Table("four_eyes", metadata, _account(), PrimaryKeyConstraint("account"))

# What an account knows of its suppliers: their bank accounts, and where things stand on their invoices.
supplier = Table(
    "supplier",
    metadata,
    _account(),
    _text("id"),
    _text("name"),
    Column("accounts", Json, nullable=False),
    Column("anchors", Json, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("updated", Instant, nullable=False),
    PrimaryKeyConstraint("account", "id"),
)
