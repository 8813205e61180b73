"""Where our participants stand on their way to and from the network: few rows, seldom written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from gateway.errors import LostLease
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.model.registration import Done, Goal, Registration, Stage
from gateway.store import accounts, tables

_table = tables.registration


def registration(connection: Connection, id: ParticipantId) -> Registration | None:
    """The registration of one participant, or None."""
    row = connection.execute(select(_table).where(_table.c.participant == str(id))).mappings().first()
    return None if row is None else _registration(row)


def registrations(connection: Connection, account: AccountId | None) -> list[Registration]:
    """Those of one account, or all."""
    wanted = select(_table).order_by(_table.c.participant)
    if account is not None:
        wanted = wanted.where(_table.c.account == account)
    return [_registration(row) for row in connection.execute(wanted).mappings()]


def due(connection: Connection, now: datetime, limit: int) -> list[Registration]:
    """Those whose present stage is to be tried now, longest due first."""
    wanted = select(_table).where(_table.c.next_attempt <= now).order_by(_table.c.next_attempt).limit(limit)
    return [_registration(row) for row in connection.execute(wanted).mappings()]


def begin(connection: Connection, new: Registration, participant: Participant | None) -> None:
    """Begin, in one step with the participant where there is one; what stood there before is over.

    Raises ``Conflict`` when the participant belongs to another account.
    """
    if participant is not None:
        accounts.save_participant(connection, participant, new.created)
    connection.execute(delete(_table).where(_table.c.participant == str(new.participant)))
    connection.execute(insert(_table).values(participant=str(new.participant), account=new.account, **_values(new)))


def step(connection: Connection, before: Registration, after: Registration) -> None:
    """Write what a stage came to. Raises ``LostLease`` when somebody else has gone on meanwhile."""
    same = (_table.c.participant == str(before.participant), _table.c.updated == before.updated)
    if not connection.execute(update(_table).where(*same).values(**_values(after))).rowcount:
        raise LostLease(f"the registration of {before.participant.value} has changed meanwhile")


def end(connection: Connection, before: Registration) -> None:
    """Forget participant and registration in one step. Raises ``NotFound``, ``LostLease``."""
    same = (_table.c.participant == str(before.participant), _table.c.updated == before.updated)
    if not connection.execute(delete(_table).where(*same)).rowcount:
        raise LostLease(f"the registration of {before.participant.value} has changed meanwhile")
    accounts.remove_participant(connection, before.account, before.participant)


def _values(of: Registration) -> dict[str, Any]:
    return {
        "goal": of.goal,
        "done": [[done.stage, done.time.isoformat(), done.text] for done in of.done],
        "migration_key": of.key,
        "attempts": of.attempts,
        "next_attempt": of.next_attempt,
        "problem": of.problem,
        "moved_to": of.moved_to,
        "moved_signer": of.moved_signer,
        "created": of.created,
        "updated": of.updated,
    }


def _registration(row: Mapping[Any, Any]) -> Registration:
    scheme, _, value = row["participant"].partition("::")
    return Registration(
        participant=ParticipantId(value, scheme),
        account=AccountId(row["account"]),
        goal=Goal(row["goal"]),
        done=tuple(
            Done(stage=Stage(stage), time=datetime.fromisoformat(time), text=text) for stage, time, text in row["done"]
        ),
        key=row["migration_key"],
        attempts=row["attempts"],
        next_attempt=row["next_attempt"],
        problem=row["problem"],
        moved_to=row["moved_to"],
        moved_signer=row["moved_signer"],
        created=row["created"],
        updated=row["updated"],
    )
