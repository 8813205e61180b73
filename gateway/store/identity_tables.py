"""Tables of sign-in services: whose subject is which person, and which answers were used."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text

from gateway.store.tables import Instant, metadata

identity = Table(
    "identity",
    metadata,
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("created", Instant, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
)
Index("identity_person", identity.c.person, identity.c.issuer, unique=True)

# Answers that were used, for as long as they could be used again. Only what a provider has signed gets here.
spent = Table(
    "spent_answer",
    metadata,
    Column("key", Text, primary_key=True),
    Column("ends", Instant, nullable=False),
)
