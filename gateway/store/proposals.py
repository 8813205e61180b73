"""Rows of relations, capabilities, evidence, proposals and decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import LostLease, NotFound
from gateway.model.counterpart import CounterpartId, PartyKind, RelationPolicy
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.message import Direction
from gateway.model.proposal import Decision, Proposal, ProposalId, ProposalState, Volume
from gateway.model.relating import Capability, LookupEvidence, Relation, RelationState
from gateway.store import relation_tables as of
from gateway.store import tables
from gateway.store.counterparts import read_row
from gateway.store.session import Row, Session, Statement

PAGE_MOST: Final = 200
_DUE_MOST: Final = 1000
_RELATION: Final = tuple(of.relation.c[field.name] for field in fields(Relation))
_CAPABILITY: Final = tuple(of.capability.c[field.name] for field in fields(Capability))
_EVIDENCE: Final = tuple(of.lookup_evidence.c[field.name] for field in fields(LookupEvidence))
_PROPOSAL: Final = tuple(of.proposal.c[field.name] for field in fields(Proposal))
_DECISION: Final = tuple(of.decision.c[field.name] for field in fields(Decision))
_POLICY: Final = tuple(of.relation_policy.c[field.name] for field in fields(RelationPolicy))
_POLICY_OF: Final = Statement(
    select(*_POLICY).where(of.relation_policy.c.account == bindparam("account")), ("account",)
)
_WAYS: Final = Statement(
    select(*_RELATION).where(
        of.relation.c.counterpart == bindparam("counterpart"), of.relation.c.account == bindparam("account")
    ),
    ("counterpart", "account"),
)


def relations(session: Session, account: AccountId, counterpart: CounterpartId) -> list[Relation]:
    """Every way to this one."""
    return [_relation(tuple(row)) for row in session.fetch(_WAYS, (counterpart, account))]


@lru_cache(1024)
def _relation(row: Row) -> Relation:
    """The relation of this row; that of one that many documents go to is the same each time."""
    return Relation(**read_row(_RELATION, row))


def ways_of(
    connection: Connection, account: AccountId, ids: Sequence[CounterpartId], direction: Direction, channel: str
) -> dict[CounterpartId, Relation]:
    """The way of this channel to each of these, where there is one."""
    table = of.relation
    wanted = select(*_RELATION).where(
        table.c.account == account,
        table.c.counterpart.in_(ids),
        table.c.direction == direction,
        table.c.channel == channel,
    )
    rows = [Relation(**row) for row in connection.execute(wanted).mappings()]
    return {row.counterpart: row for row in rows}


def proposals_on(
    connection: Connection, account: AccountId, ids: Sequence[CounterpartId], direction: Direction
) -> dict[CounterpartId, Proposal]:
    """The proposal on each of these, whatever its state, where there is one."""
    table = of.proposal
    wanted = select(*_PROPOSAL).where(
        table.c.account == account, table.c.counterpart.in_(ids), table.c.direction == direction
    )
    rows = [_proposal(row) for row in connection.execute(wanted).mappings()]
    return {row.counterpart: row for row in rows}


def due(connection: Connection, now: datetime, limit: int, states: Sequence[RelationState]) -> list[Relation]:
    """Those to be asked again by now."""
    column = of.relation.c.next_check
    wanted = select(*_RELATION).where(column.is_not(None), column <= now).order_by(column)
    if states:
        wanted = wanted.where(of.relation.c.state.in_(states))
    return [Relation(**row) for row in connection.execute(wanted.limit(min(limit, _DUE_MOST))).mappings()]


def save_relation(connection: Connection, new: Relation, expected: datetime | None) -> None:
    """Insert, or replace the one that was read. Raises ``LostLease``."""
    values = {field.name: getattr(new, field.name) for field in fields(new)}
    key = ("counterpart", "direction", "family", "channel")
    _save(connection, of.relation, values, (*key, "account"), expected)


def save_proposal(connection: Connection, new: Proposal, expected: datetime | None) -> None:
    """Insert, or replace the one that was read. Raises ``LostLease``."""
    values = {
        **{field.name: getattr(new, field.name) for field in fields(new)},
        "evidence": list(new.evidence),
        "risks": list(new.risks),
        "requirements": list(new.requirements),
        "once_key": f"{new.counterpart}\n{new.direction}\n{new.family}",
        "rank": int(new.saving * 100),
    }
    _save(connection, of.proposal, values, ("id", "account"), expected)


def see_capability(connection: Connection, new: Capability) -> None:
    """Add it, or note that it was seen again."""
    key = ("counterpart", "direction", "channel", "participant", "document_type", "process", "source")
    same = [of.capability.c[name] == getattr(new, name) for name in key]
    later = {"seen": new.seen, "valid_to": new.valid_to, "quality": new.quality}
    if not connection.execute(update(of.capability).where(*same).values(later)).rowcount:
        connection.execute(insert(of.capability).values(asdict(new)))


def add_evidence(connection: Connection, new: LookupEvidence) -> None:
    """Append it."""
    connection.execute(insert(of.lookup_evidence).values(asdict(new)))


def add_decision(connection: Connection, new: Decision) -> None:
    """Append it."""
    connection.execute(insert(of.decision).values(asdict(new)))


def capabilities(connection: Connection, account: AccountId, counterpart: CounterpartId) -> list[Capability]:
    """What it can take and send."""
    table = of.capability
    wanted = select(*_CAPABILITY).where(table.c.account == account, table.c.counterpart == counterpart)
    return [Capability(**row) for row in connection.execute(wanted.order_by(table.c.seen.desc())).mappings()]


def evidence(
    connection: Connection, account: AccountId, counterpart: CounterpartId, limit: int
) -> list[LookupEvidence]:
    """What was asked and answered, the newest first."""
    table = of.lookup_evidence
    wanted = select(*_EVIDENCE).where(table.c.account == account, table.c.counterpart == counterpart)
    wanted = wanted.order_by(table.c.id.desc()).limit(max(1, min(limit, PAGE_MOST)))
    return [LookupEvidence(**row) for row in connection.execute(wanted).mappings()]


def proposals(
    connection: Connection,
    account: AccountId,
    states: Sequence[ProposalState],
    counterpart: CounterpartId | None,
    direction: Direction | None,
    limit: int,
    cursor: str,
) -> tuple[list[Proposal], str]:
    """A page, the one that saves most first. Raises ``NotFound`` for a cursor that is not ours."""
    table, limit = of.proposal, max(1, min(limit, PAGE_MOST))
    wanted = select(*_PROPOSAL).where(table.c.account == account)
    if states:
        wanted = wanted.where(table.c.state.in_(states))
    if counterpart is not None:
        wanted = wanted.where(table.c.counterpart == counterpart)
    if direction is not None:
        wanted = wanted.where(table.c.direction == direction)
    if cursor:
        place = select(table.c.rank).where(table.c.account == account, table.c.id == cursor)
        rank = connection.execute(place).scalar_one_or_none()
        if rank is None:
            raise NotFound("There is no such cursor", remedy="Begin again without a cursor.")
        wanted = wanted.where(or_(table.c.rank < rank, and_(table.c.rank == rank, table.c.id < cursor)))
    wanted = wanted.order_by(table.c.rank.desc(), table.c.id.desc()).limit(limit + 1)
    found = [_proposal(row) for row in connection.execute(wanted).mappings()]
    return found[:limit], found[limit - 1].id if len(found) > limit else ""


def proposal(connection: Connection, account: AccountId, id: ProposalId) -> Proposal:
    """One of the account. Raises ``NotFound``."""
    wanted = select(*_PROPOSAL).where(of.proposal.c.account == account, of.proposal.c.id == id)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("There is no such proposal in this account")
    return _proposal(row)


def decisions(connection: Connection, account: AccountId, proposal: ProposalId) -> list[Decision]:
    """What was decided about it."""
    table = of.decision
    wanted = select(*_DECISION).where(table.c.account == account, table.c.proposal == proposal)
    return [Decision(**row) for row in connection.execute(wanted.order_by(table.c.number)).mappings()]


def volumes(connection: Connection, account: AccountId, direction: Direction, since: datetime) -> list[Volume]:
    """Documents since then by address, name and channel of the counterpart."""
    known = tables.message.c
    address, name = (
        (known.receiver, known.buyer_name) if direction is Direction.OUT else (known.sender, known.seller_name)
    )
    wanted = (
        select(address, name, known.channel, func.count(), func.max(known.created))
        .where(known.account == account, known.created >= since, known.direction == direction, known.channel != "")
        .group_by(address, name, known.channel)
    )
    rows = connection.execute(wanted)
    return [Volume(receiver=r, name=n, channel=c, documents=d, last=last) for r, n, c, d, last in rows]


def note_rejection(
    connection: Connection,
    account: AccountId,
    participant: str,
    message: DocumentId,
    code: str,
    since: datetime,
    now: datetime,
) -> tuple[int, int]:
    """Write one down and count those since then: (times, documents)."""
    table = of.rejection
    row = {"account": account, "participant": participant, "message": message, "time": now, "code": code}
    same = [table.c[name] == row[name] for name in ("account", "participant", "message", "time")]
    if connection.execute(select(table.c.code).where(*same)).first() is None:
        connection.execute(insert(table).values(row))
    counts = select(func.count(), func.count(table.c.message.distinct())).where(
        table.c.account == account, table.c.participant == participant, table.c.time >= since
    )
    times, documents = connection.execute(counts).one()
    return int(times), int(documents)


def policy(session: Session, account: AccountId) -> RelationPolicy | None:
    """The account's policy, where it has one."""
    found = session.fetch(_POLICY_OF, (account,))
    if not found:
        return None
    row = read_row(_POLICY, tuple(found[0]))
    return RelationPolicy(
        auto_accept=row["auto_accept"],
        kinds=tuple(PartyKind(word) for word in row["kinds"]),
        schemes=tuple(row["schemes"]),
        largest=row["largest"],
        sinks=tuple(row["sinks"]),
        share=row["share"],
    )


def save_policy(connection: Connection, account: AccountId, new: RelationPolicy, actor: str, now: datetime) -> None:
    """Replace the account's policy. Raises ``NotFound``."""
    table = of.relation_policy
    if connection.execute(select(tables.account.c.id).where(tables.account.c.id == account)).first() is None:
        raise NotFound(f"There is no account {account}")
    values = {**asdict(new), "actor": actor, "updated": now}
    if not connection.execute(update(table).where(table.c.account == account).values(values)).rowcount:
        connection.execute(insert(table).values(account=account, **values))


def sends_to_others(connection: Connection, account: AccountId, sender: str) -> bool:
    """Whether it has sent an e-invoice to another account that lets it be known."""
    known, shared = tables.message.c, of.relation_policy.c
    wanted = select(known.id).where(
        known.account.in_(select(shared.account).where(shared.share.is_(True), shared.account != account)),
        known.direction == Direction.IN,
        known.sender == sender,
        known.channel == "peppol",
    )
    return connection.execute(wanted.limit(1)).first() is not None


def _save(
    connection: Connection, table: Table, values: dict[str, Any], key: Sequence[str], expected: datetime | None
) -> None:
    changed = LostLease("It has changed meanwhile", remedy="Read it again first.")
    if expected is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(table).values(values))
        except IntegrityError as error:
            raise changed from error
        return
    same = (*(table.c[name] == values[name] for name in key), table.c.updated == expected)
    if not connection.execute(update(table).where(*same).values(values)).rowcount:
        raise changed


def _proposal(row: Any) -> Proposal:
    values = dict(row)
    for name in ("evidence", "risks", "requirements"):
        values[name] = tuple(values[name])
    return Proposal(**values)
