"""Tables of counterparts, relations and proposals. Every row belongs to an account.

They are made where they are missing, so an older database gets them at its next start. Evidence and decisions name
their counterpart without a foreign key: they stay when it is removed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.model.counterpart import Acceptance, AutoAccept, Origin, PartyKind, Quality, Role
from gateway.model.message import Direction, Route
from gateway.model.proposal import ProposalState
from gateway.model.relating import RelationState, Verdict
from gateway.store.tables import Amount, Instant, Json, Word, metadata

_Long = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("account.id"), nullable=False)


def _counterpart() -> Column[str]:
    return Column("counterpart", Text, ForeignKey("counterpart.id"), nullable=False)


def _times() -> list[Column[Any]]:
    return [Column("created", Instant, nullable=False), Column("updated", Instant, nullable=False)]


counterpart = Table(
    "counterpart",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    Column("role", Word(Role), nullable=False),
    *(_text(name) for name in ("number", "name", "country", "email", "language", "preferred", "mandate", "note")),
    Column("names", Json, nullable=False),
    Column("kind", Word(PartyKind), nullable=False),
    Column("address", Json, nullable=False),
    Column("address_quality", Word(Quality), nullable=False),
    Column("email_quality", Word(Quality), nullable=False),
    Column("route", Word(Route), nullable=False),
    Column("opt_out", Json, nullable=False),
    Column("acceptance", Word(Acceptance), nullable=False),
    Column("origin", Word(Origin), nullable=False),
    *_times(),
    # (account, role, number) where it has a number: there is one of each.
    Column("number_key", Text, unique=True),
    # What lists are sorted by, and what a search looks at: case-folded.
    _text("sort_name"),
    _text("search"),
)
Index("counterpart_list", counterpart.c.account, counterpart.c.sort_name, counterpart.c.id)

counterpart_identifier = Table(
    "counterpart_identifier",
    metadata,
    _account(),
    _counterpart(),
    Column("role", Word(Role), nullable=False),
    _text("scheme"),
    _text("value"),
    _text("key"),
    Column("origin", Word(Origin), nullable=False),
    _text("issuer"),
    Column("verified", Instant),
    PrimaryKeyConstraint("counterpart", "scheme", "value"),
)
Index("counterpart_key", counterpart_identifier.c.account, counterpart_identifier.c.key)

relation = Table(
    "relation",
    metadata,
    _account(),
    _counterpart(),
    Column("direction", Word(Direction), nullable=False),
    _text("family"),
    _text("channel"),
    Column("state", Word(RelationState), nullable=False),
    *(_text(name) for name in ("participant", "document_type", "process", "seat", "certificate")),
    Column("sink", Boolean, nullable=False),
    *(_text(name) for name in ("reason_sv", "reason_en", "owner")),
    Column("since", Instant, nullable=False),
    Column("confirmed", Instant),
    Column("denied", Instant),
    Column("asked", Integer, nullable=False),
    Column("next_check", Instant),
    *_times(),
    PrimaryKeyConstraint("counterpart", "direction", "family", "channel"),
)
_checked = relation.c.next_check.is_not(None)
Index("relation_due", relation.c.next_check, sqlite_where=_checked, postgresql_where=_checked)

capability = Table(
    "capability",
    metadata,
    _account(),
    _counterpart(),
    Column("direction", Word(Direction), nullable=False),
    *(_text(name) for name in ("channel", "participant", "document_type", "process", "source", "quality")),
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant),
    Column("seen", Instant, nullable=False),
    PrimaryKeyConstraint(
        "counterpart",
        "direction",
        "channel",
        "participant",
        "document_type",
        "process",
        "source",
        name="capability_key",
    ),
)

# What was asked about whom and answered. Append-only.
lookup_evidence = Table(
    "lookup_evidence",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    *(_text(name) for name in ("counterpart", "participant", "document_type", "asked", "place")),
    Column("verdict", Word(Verdict), nullable=False),
    *(_text(name) for name in ("text", "digest", "signer")),
    Column("milliseconds", Float, nullable=False),
    Column("time", Instant, nullable=False),
    Column("expires", Instant),
    Column("message", Text),
)
Index("lookup_evidence_of", lookup_evidence.c.account, lookup_evidence.c.counterpart, lookup_evidence.c.id)

proposal = Table(
    "proposal",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    _counterpart(),
    Column("direction", Word(Direction), nullable=False),
    _text("family"),
    Column("state", Word(ProposalState), nullable=False),
    *(_text(name) for name in ("from_channel", "to_channel", "participant", "document_type")),
    Column("volume", Integer, nullable=False),
    Column("saving", Amount, nullable=False),
    _text("currency"),
    *(Column(name, Json, nullable=False) for name in ("evidence", "risks", "requirements")),
    _text("text_sv"),
    _text("text_en"),
    Column("snoozed_until", Instant),
    Column("expires", Instant),
    Column("reminded", Integer, nullable=False),
    Column("decided", Instant),
    Column("converted", Instant),
    *_times(),
    # (counterpart, direction, family): there is one of each.
    Column("once_key", Text, unique=True),
    # Hundredths of the money saved: what lists are sorted by.
    Column("rank", _Long, nullable=False),
)
Index("proposal_list", proposal.c.account, proposal.c.rank, proposal.c.id)
proposal_of = Index("proposal_of", proposal.c.counterpart)

# Who decided what about a proposal, and what was shown. Append-only.
decision = Table(
    "decision",
    metadata,
    Column("number", _Long, primary_key=True),
    _account(),
    *(_text(name) for name in ("proposal", "counterpart", "event", "actor", "reason", "text_sv", "text_en")),
    Column("time", Instant, nullable=False),
)
Index("decision_of", decision.c.proposal, decision.c.number)

# Definitive refusals by participants: several in a row are a reason to leave one alone.
rejection = Table(
    "rejection",
    metadata,
    _account(),
    _text("participant"),
    _text("message"),
    Column("time", Instant, nullable=False),
    _text("code"),
    PrimaryKeyConstraint("account", "participant", "message", "time"),
)

# What an account lets the gateway decide by itself; none: the defaults.
relation_policy = Table(
    "relation_policy",
    metadata,
    Column("account", Text, ForeignKey("account.id"), primary_key=True),
    Column("auto_accept", Word(AutoAccept), nullable=False),
    *(Column(name, Json, nullable=False) for name in ("kinds", "schemes", "sinks")),
    _text("largest"),
    Column("share", Boolean, nullable=False),
    _text("actor"),
    Column("updated", Instant, nullable=False),
)
