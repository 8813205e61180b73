"""What the store is asked: one document, lists with pages and search, timeline, octets, proofs.

Every statement names the account; what belongs to another account is not found.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, literal_column, or_, select

from gateway.errors import NotFound
from gateway.model.identifiers import AccountId, DocumentId, MessageId
from gateway.model.message import Direction, Message, PayloadKind, TimelineEntry
from gateway.ports import DEATHS, Filter
from gateway.store import searching, tables
from gateway.store.documents import MESSAGE_COLUMNS
from gateway.store.hosts import KEPT_COLUMNS, kept_of, with_host
from gateway.store.keys import evidence_name, inbound_key, sent_key
from gateway.store.packing import Kept
from gateway.store.session import Session, Statement, message_of
from gateway.store.tables import instant_text

PAGE_MOST: Final = 200
_QUERY_MOST: Final = 200
_WORDS_MOST: Final = 8

_message = tables.message


_GET: Final = Statement(
    select(*MESSAGE_COLUMNS).where(_message.c.id == bindparam("of_id"), _message.c.account == bindparam("account")),
    ("of_id", "account"),
)
_PAYLOAD: Final = Statement(
    with_host(tables.payload, lambda host: host.c.kind == literal_column(f"'{PayloadKind.PART}'")).where(
        tables.payload.c.message == bindparam("message"), tables.payload.c.kind == bindparam("kind")
    ),
    ("message", "kind"),
)
_RECEIVED: Final = Statement(
    select(*MESSAGE_COLUMNS).where(_message.c.once_key == bindparam("once_key")), ("once_key",)
)


_LAST_OUTCOME: Final = Statement(
    select(tables.event.c.attempt, tables.event.c.detail)
    .where(tables.event.c.message == bindparam("message"), tables.event.c.event != literal_column("'Sending'"))
    .order_by(tables.event.c.number.desc())
    .limit(literal_column("1"))
    .offset(literal_column("0")),
    ("message",),
)


def deaths(session: Session, message: Message) -> int:
    """How many claims of it ended without a word, besides the present one: whoever had it in hand died.

    ``attempts`` counts claims and every outcome is a row with the attempt that it ended, so the database knows without
    a statement more. An outcome that only put it aside carries the number on.
    """
    rows = session.fetch(_LAST_OUTCOME, (message.id,))
    if not rows:
        return 0
    last, detail = rows[0]
    silent = max(0, message.attempts - 1 - int(last))
    return silent + int(json.loads(detail).get(DEATHS, 0))


def get(session: Session, account: AccountId, id: DocumentId) -> Message:
    """One document of the account. Raises ``NotFound``."""
    rows = session.fetch(_GET, (id, account))
    if not rows:
        raise NotFound(f"There is no document {id}")
    return message_of(rows[0])


def payload(session: Session, id: DocumentId, kind: PayloadKind) -> Kept:
    """Where the octets of a document are. Raises ``NotFound``."""
    rows = session.fetch(_PAYLOAD, (id, kind.value))
    if not rows:
        raise NotFound(f"There is no {kind} of a document {id}")
    return kept_of(rows[0])


def find_received(session: Session, seat: str, message_id: MessageId) -> Message | None:
    """The inbound message with this key, or None."""
    rows = session.fetch(_RECEIVED, (inbound_key(seat, message_id),))
    return message_of(rows[0]) if rows else None


_SENT: Final = Statement(
    select(*MESSAGE_COLUMNS).where(_message.c.instance_key == bindparam("instance_key")).order_by(_message.c.created),
    ("instance_key",),
)


def find_sent(session: Session, instance_id: str) -> list[Message]:
    """What we sent in the business envelope of this id, of whatever account, oldest first."""
    return [message_of(row) for row in session.fetch(_SENT, (sent_key(instance_id),))]


_NUMBERED: Final = Statement(
    select(*MESSAGE_COLUMNS).where(
        _message.c.account == bindparam("of"),
        _message.c.number == bindparam("number"),
        tables.went_out,
        _message.c.sender == bindparam("sender"),
        _message.c.receiver == bindparam("receiver"),
    ),
    ("of", "number", "sender", "receiver"),
)


def find_numbered(session: Session, account: AccountId, number: str, sender: str, receiver: str) -> list[Message]:
    """What the account sent under this number from one participant to the other, newest first."""
    found = [message_of(row) for row in session.fetch(_NUMBERED, (account, number, sender, receiver))]
    # Ordered here: asked for an order, SQLite would read the list of all documents in that order instead.
    return sorted(found, key=lambda message: (message.created, message.id), reverse=True)


def find(connection: Connection, account: AccountId, which: Filter) -> tuple[list[Message], str]:
    """One page of the account's documents, newest first, and the cursor of the next page."""
    limit = max(1, min(which.limit, PAGE_MOST))
    few = _few(connection, account, which)
    if few is not None and not few:
        return [], ""
    messages: list[Message] = []
    for part in [which] if few is not None else _parts(which):
        where = _message.c.account == account if few is None else and_(of_account(account), _message.c.id.in_(few))
        wanted = _narrowed(select(*MESSAGE_COLUMNS).where(where), part, seldom=few is None)
        wanted = wanted.order_by(_message.c.created.desc(), _message.c.id.desc()).limit(limit + 1)
        messages += [Message(**row) for row in connection.execute(wanted).mappings()]
    messages.sort(key=lambda message: (message.created, message.id), reverse=True)
    page = messages[:limit]
    return page, _cursor(page[-1]) if len(messages) > limit else ""


def of_account(account: AccountId) -> ColumnElement[bool]:
    """Written so that no index of accounts is chosen: for what a smaller index finds, such as that of trouble."""
    return _message.c.account + "" == account


def _few(connection: Connection, account: AccountId, which: Filter) -> list[str] | None:
    """The documents to look at one by one, as the index of words has them; None where the list itself is read."""
    if words := _words(which):
        return searching.candidates(connection, account, words)
    if which.parties or which.names:
        return searching.of_parties(connection, account, which.parties, which.names)
    return None


def _words(which: Filter) -> list[str]:
    return which.query[:_QUERY_MOST].casefold().split()[:_WORDS_MOST]


def _parts(which: Filter) -> list[Filter]:
    """States that few documents are in are asked for one by one: their index gives each in the order of the list."""
    if not which.states or not set(which.states) <= set(tables.NOT_ARRIVED):
        return [which]
    return [replace(which, states=(state,)) for state in dict.fromkeys(which.states)]


def _narrowed(wanted: Select[*tuple[object, ...]], which: Filter, *, seldom: bool) -> Select[*tuple[object, ...]]:
    waiting = seldom and bool(which.states) and set(which.states) <= set(tables.NOT_ARRIVED)
    if which.direction is not None:
        # Their own index finds fewer than that of a direction.
        of = _message.c.direction + "" if waiting else _message.c.direction
        wanted = wanted.where(of == which.direction)
    if which.states:
        wanted = wanted.where(_message.c.state.in_(which.states))
    if waiting:
        wanted = wanted.where(tables.not_arrived)  # as the index is written: it is used then
    if which.channel:
        wanted = wanted.where(_message.c.channel == which.channel)
        if seldom and which.channel != tables.NETWORK:
            wanted = wanted.where(tables.off_network)
    if which.parties or which.names:
        wanted = wanted.where(_other_side(which))
    if which.idle:
        wanted = wanted.where(_message.c.next_attempt.is_(None))
    if which.unacknowledged:
        wanted = wanted.where(_message.c.direction == Direction.IN, _message.c.acknowledged.is_(None))
    for rule in searching.by_words(_words(which)):
        wanted = wanted.where(rule)
    if which.cursor:
        wanted = wanted.where(_after(which.cursor))
    return wanted


def _other_side(which: Filter) -> ColumnElement[bool]:
    """Received by one of these of what went out, sent by one of them of what came in."""
    out, into = _message.c.direction == Direction.OUT, _message.c.direction == Direction.IN
    return or_(
        and_(out, or_(_message.c.receiver.in_(which.parties), _message.c.buyer_name.in_(which.names))),
        and_(into, or_(_message.c.sender.in_(which.parties), _message.c.seller_name.in_(which.names))),
    )


def _cursor(last: Message) -> str:
    return base64.urlsafe_b64encode(f"{instant_text(last.created)}|{last.id}".encode()).decode()


def _after(cursor: str) -> ColumnElement[bool]:
    try:
        created_text, _, last = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        created = datetime.fromisoformat(created_text)
        instant_text(created)
    except (ValueError, binascii.Error):
        raise NotFound("There is no such page", remedy="Ask for the first page, without a cursor.") from None
    # The first condition alone lets the index begin at the right place.
    return and_(_message.c.created <= created, or_(_message.c.created < created, _message.c.id < last))


def _check(connection: Connection, account: AccountId, id: DocumentId) -> None:
    if (
        connection.execute(select(_message.c.id).where(_message.c.id == id, _message.c.account == account)).first()
        is None
    ):
        raise NotFound(f"There is no document {id}")


def timeline(connection: Connection, account: AccountId, id: DocumentId) -> list[TimelineEntry]:
    """The document's history, oldest first. Raises ``NotFound``."""
    _check(connection, account, id)
    happened = tables.event
    wanted = select(happened).where(happened.c.message == id, happened.c.account == account)
    return [_entry(row) for row in connection.execute(wanted.order_by(happened.c.number))]


def _entry(row: Row[*tuple[object, ...]]) -> TimelineEntry:
    of = row._mapping
    return TimelineEntry(
        time=of["time"],
        event=of["event"],
        reason=of["reason"],
        detail=of["detail"],
        attempt=of["attempt"],
        next_attempt=of["next_attempt"],
        evidence=tuple(of["evidence"]),
    )


def evidence(
    connection: Connection, account: AccountId, id: DocumentId
) -> Sequence[tuple[str, datetime, str, str, Kept]]:
    """The document's proofs as (name, time, kind, media type, where its octets are). Raises ``NotFound``."""
    _check(connection, account, id)
    proof = tables.evidence
    wanted = select(proof).where(proof.c.message == id, proof.c.account == account).order_by(proof.c.number)
    found: list[tuple[str, datetime, str, str, Kept]] = []
    before: dict[int, Kept] = {}
    for row in connection.execute(wanted).mappings():
        number = row["number"]
        kept = Kept(**{name: row[name] for name in KEPT_COLUMNS})
        if kept.is_slice:
            kept = kept._replace(host=before.get(number - 1))
        before[number] = kept
        found.append((evidence_name(number, row["kind"]), row["time"], row["kind"], row["media_type"], kept))
    return found
