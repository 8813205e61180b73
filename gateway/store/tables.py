"""The schema: every row belongs to an account.

Times are text of one width in UTC, so that they compare as they read; amounts are decimal text. Where a column
of ``message`` has the name of a field of :class:`~gateway.model.message.Message` it holds that field.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    literal_column,
    or_,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from gateway.model.lifecycle import State
from gateway.model.message import Direction, PayloadKind, Route
from gateway.model.registration import Goal

SCHEMA_VERSION: Final = 6
"""The last step of ``migrations``."""
MOVING_IN: Final = -2
"""Stands in ``schema_version`` while ``gateway db move`` fills a store; no gateway opens it."""
MOVED_AWAY: Final = -1
"""Stands there when everything was moved to another database; no gateway opens it, or documents would go out twice."""
TROUBLE: Final = (State.FAILED, State.REJECTED, State.UNKNOWN)
"""States in which a document waits for a person."""
NOT_ARRIVED: Final = (*TROUBLE, State.ACCEPTED, State.DIVERTED, State.RECEIVED)
"""States that few of all stored documents are in."""
NETWORK: Final = "peppol"
"""The channel that most stored documents went by."""


class Instant(TypeDecorator[datetime]):
    """A moment in UTC: ``2026-11-25T13:01:03.000000Z``."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else instant_text(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Day(TypeDecorator[date]):
    """A calendar date: ``2026-11-25``."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> str | None:
        return None if value is None else value.isoformat()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> date | None:
        return None if value is None else date.fromisoformat(value)


class Amount(TypeDecorator[Decimal]):
    """A decimal number exactly as it was written."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Json(TypeDecorator[Any]):
    """JSON text; what JSON cannot say is written as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str:
        return json_text(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Word(TypeDecorator[StrEnum]):
    """One word of a closed list."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


@lru_cache(4096)
def instant_text(moment: datetime) -> str:
    """Write a moment as the store keeps it; a time without zone is a mistake of ours (``ValueError``)."""
    if moment.tzinfo is None:
        raise ValueError("a time without zone cannot be stored")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def json_text(value: object) -> str:
    """Write JSON as the store keeps it."""
    if not value:
        if isinstance(value, dict):
            return "{}"
        if isinstance(value, list):
            return "[]"
    return _encode(value)


def repeated_json_text(value: dict[str, object]) -> str:
    """The same, for what is often said alike, such as who signed and how that was checked: written once."""
    if not value:
        return "{}"
    try:
        key = marshal.dumps(value, 2)  # tells 1 from True and keeps the order; knows no class of ours
    except ValueError:
        return _encode(value)
    text = _repeated.get(key)
    if text is None:
        text = _encode(value)
        if len(key) <= _REPEATED_MOST:
            if len(_repeated) >= _REPEATED_MANY:
                _repeated.clear()
            _repeated[key] = text
    return text


_repeated: Final[dict[bytes, str]] = {}
_REPEATED_MOST: Final = 2_000
_REPEATED_MANY: Final = 500


_encode: Final = json.JSONEncoder(default=str, ensure_ascii=False, separators=(",", ":")).encode


def reader(column: Column[Any]) -> Callable[[Any], Any] | None:
    """What turns a value of the database, other than NULL, into ours; None where it is the same."""
    kind = column.type
    if isinstance(kind, Word):
        return kind.words._value2member_map_.__getitem__
    if isinstance(kind, Boolean):
        return bool
    readers: dict[type, Callable[[Any], Any]] = {
        Instant: datetime.fromisoformat,
        Day: date.fromisoformat,
        Amount: Decimal,
        Json: json.loads,
    }
    return readers.get(type(kind))


metadata = MetaData()
_Long: Final = BigInteger().with_variant(Integer, "sqlite")
"""A number of 64 bits: SQLite's own integers are that, and only those number rows."""


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, default="")


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("account.id"), nullable=False)


def _message() -> Column[str]:
    return Column("message", Text, ForeignKey("message.id"), nullable=False)


def _octets() -> list[Column[Any]]:
    """Octets as ``octets.py`` keeps them: packed in the row, or in the named file."""
    return [
        Column("sha256", Text, nullable=False),
        Column("size", _Long, nullable=False),
        Column("packing", Text, nullable=False),
        Column("octets", LargeBinary),
        _text("file"),
    ]


schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    Column("created", Instant, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("hash", Text, primary_key=True),
    _account(),
    Column("created", Instant, nullable=False),
)

participant = Table(
    "participant",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    _text("name"),
    _text("country"),
    _text("delivery"),
    Column("document_types", Json, nullable=False),
    Column("created", Instant, nullable=False),
)

registration = Table(
    "registration",
    metadata,
    Column("participant", Text, primary_key=True),
    _account(),
    Column("goal", Word(Goal), nullable=False),
    Column("done", Json, nullable=False),
    _text("migration_key"),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Instant, index=True),
    _text("problem"),
    _text("moved_to"),
    _text("moved_signer"),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
)

message = Table(
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    _account(),
    Column("direction", Word(Direction), nullable=False),
    Column("state", Word(State), nullable=False),
    Column("route", Word(Route), nullable=False),
    _text("channel"),
    _text("reason"),
    _text("sender"),
    _text("receiver"),
    _text("document_type"),
    _text("process"),
    _text("number"),
    Column("issue_date", Day),
    Column("due_date", Day),
    Column("amount", Amount),
    _text("currency"),
    _text("seller_name"),
    _text("buyer_name"),
    _text("message_id"),
    _text("instance_id"),
    _text("conversation_id"),
    _text("peer"),
    _text("sha256"),
    Column("size", _Long, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_octets", Boolean, nullable=False),
    Column("next_attempt", Instant),
    Column("queued_since", Instant, nullable=False),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    _text("idempotency_key"),
    Column("acknowledged", Instant),
    Column("links", Json, nullable=False),
    # What there may be only one of: (account, idempotency key) outbound, (peer seat, MessageId) inbound.
    Column("once_key", Text, unique=True),
    Column("instance_key", Text, index=True),
    _text("fingerprint"),
    Column("lease_until", Instant),
    _text("lease_owner"),
    Column("evidence_count", Integer, nullable=False, default=0),
    # Everything that a search looks at, case-folded, a line each.
    _text("search"),
)


def _one_of(states: tuple[State, ...]) -> ColumnElement[bool]:
    """Whether a document is in one of these states, as an index has it: whoever asks so finds by the index.

    Not ``IN``: for a longer list SQLite makes a table anew with each row that is written, a quarter of what that costs.
    """
    return or_(*(message.c.state == literal_column(f"'{state}'", Text()) for state in states))


# Only what waits for work is in the first index: it stays small however many documents there are.
_due: Final = message.c.next_attempt.is_not(None)
Index("message_due", message.c.next_attempt, sqlite_where=_due, postgresql_where=_due)
# Few documents are ever in it; what waits for a person is counted by it.
in_trouble = _one_of(TROUBLE)
message_trouble = Index("message_trouble", message.c.state, sqlite_where=in_trouble, postgresql_where=in_trouble)
Index("message_list", message.c.account, message.c.created, message.c.id)
# Who mostly receives finds the little that was sent at once, and the other way round.
message_direction = Index("message_direction", message.c.account, message.c.direction, message.c.created, message.c.id)
# What went by mail or on paper, however much the network took. No row of it for what the network took.
off_network = message.c.channel.not_in([literal_column(f"'{name}'", Text()) for name in ("", NETWORK)])
message_off_network = Index(
    "message_off_network",
    *(message.c.account, message.c.channel, message.c.created, message.c.id),
    sqlite_where=off_network,
    postgresql_where=off_network,
)
# What has not arrived, or waits to be fetched: found at once, however much has arrived since.
not_arrived = _one_of(NOT_ARRIVED)
message_not_arrived = Index(
    "message_not_arrived",
    *(message.c.account, message.c.state, message.c.created, message.c.id),
    sqlite_where=not_arrived,
    postgresql_where=not_arrived,
)
# What we sent, by its number: what its receiver answers names nothing else of it. No row of it for what comes in.
went_out = message.c.direction == literal_column(f"'{Direction.OUT}'", Text())
message_number = Index(
    "message_number", message.c.account, message.c.number, sqlite_where=went_out, postgresql_where=went_out
)

event = Table(
    "event",
    metadata,
    Column("number", _Long, primary_key=True),
    _account(),
    _message(),
    Column("time", Instant, nullable=False),
    _text("event"),
    _text("reason"),
    Column("detail", Json, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("next_attempt", Instant),
    Column("evidence", Json, nullable=False),
)
Index("event_timeline", event.c.message, event.c.number)

payload = Table(
    "payload",
    metadata,
    _account(),
    _message(),
    Column("kind", Word(PayloadKind), nullable=False),
    *_octets(),
    PrimaryKeyConstraint("message", "kind"),
)

evidence = Table(
    "evidence",
    metadata,
    _account(),
    _message(),
    Column("number", Integer, nullable=False),
    _text("kind"),
    _text("media_type"),
    Column("time", Instant, nullable=False),
    *_octets(),
    PrimaryKeyConstraint("message", "number"),
)

mark = Table("mark", metadata, Column("name", Text, primary_key=True), _text("value"), Column("time", Instant))
"""Small notes: the last batch of each writer, when something periodic was done last."""
