"""Tables of mail: answers to those who sent us something, and what may still come back."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    literal_column,
)

from gateway.model.lifecycle import State
from gateway.store.tables import Instant, evidence, message, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("account.id"), nullable=False)


# One row an answer. When it has been sent its octets go and its key stays, so that there is never a second one.
mail_answer = Table(
    "mail_answer",
    metadata,
    Column("key", Text, primary_key=True),
    _account(),
    _text("recipient"),
    Column("octets", LargeBinary),
    Column("attempts", Integer, nullable=False),
    Column("due", Instant),
    Column("made", Instant, nullable=False),
)
_due = mail_answer.c.due.is_not(None)
Index("mail_answer_due", mail_answer.c.due, sqlite_where=_due, postgresql_where=_due)
Index("mail_answer_recipient", mail_answer.c.recipient, mail_answer.c.made)

# Few documents are ever in it: those that a carrier has and that may still come back.
HANDED_OVER = literal_column(f"'{State.DISPATCHED}'", Text())
_handed_over = message.c.state == HANDED_OVER
message_handed_over = Index(
    "message_handed_over",
    message.c.channel,
    message.c.updated,
    sqlite_where=_handed_over,
    postgresql_where=_handed_over,
)

# What came back of mails: a few rows among all the proofs.
BOUNCE = evidence.c.kind == literal_column("'bounce'", Text())
evidence_bounce = Index(
    "evidence_bounce",
    evidence.c.account,
    evidence.c.time,
    sqlite_where=BOUNCE,
    postgresql_where=BOUNCE,
)
