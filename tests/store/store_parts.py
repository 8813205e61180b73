"""What the store's tests share: a clock that stands still, and small documents."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.model.identifiers import AccountId, DocumentId, InstanceId, MessageId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Evidence, Message, PayloadKind, TimelineEntry
from gateway.ports import Arrival
from gateway.store import open_store
from tests.postgres_server import ask

EXEMPEL = AccountId("exempel-ab")
NORDISK = AccountId("nordisk")
START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass
class StillClock:
    """Time passes only when a test says so."""

    time: datetime = field(default=START)

    def now(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def place_database(folder: Path, url: str) -> None:
    """Say where the database of this folder is, when it is not the SQLite file in it."""
    (folder / "database").write_text(url)


def database_in(folder: Path) -> str:
    placed = folder / "database"
    return placed.read_text() if placed.exists() else "sqlite:var/gateway.db"


def opened(folder: Path, clock: StillClock, **more: Any) -> Any:
    return open_store(database_in(folder), Path("var/payloads"), clock, base=folder, **more)


only_sqlite: Any = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
only_postgresql: Any = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@contextmanager
def plain_sqlite(folder: Path) -> Iterator[sqlite3.Connection]:
    """The same file as another program sees it."""
    connection = sqlite3.connect(folder / "var/gateway.db")
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def plain(folder: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What another program sees or does in the folder's database; ``?`` stands for each value."""
    url = database_in(folder)
    if url.startswith("sqlite:"):
        with plain_sqlite(folder) as connection:
            return connection.execute(statement, values).fetchall()
    for number in range(len(values)):
        statement = statement.replace("?", f"${number + 1}", 1)
    return ask(url, statement, *values)


def outgoing(
    id: str,
    *,
    key: str = "",
    account: AccountId = EXEMPEL,
    octets: bytes = b"<Invoice>1</Invoice>",
    evidence: Sequence[Evidence] = (),
    fingerprint: str | None = None,
    **more: Any,
) -> Arrival:
    """A document as C1 hands it in."""
    digest = hashlib.sha256(octets).hexdigest()
    fields: dict[str, Any] = {
        "direction": Direction.OUT,
        "state": State.ACCEPTED,
        "sender": "0007:5567212047",
        "receiver": "0007:5590001234",
        "number": "1001",
        "issue_date": date(2026, 11, 25),
        "amount": Decimal("1250.00"),
        "currency": "SEK",
        "seller_name": "Exempel AB",
        "buyer_name": "Nordisk Kontorsmaterial AB",
        "message_id": MessageId(f"{id}@example.org"),
        "instance_id": InstanceId(f"instance-{id}"),
        "next_attempt": START,
        "created": START,
        "updated": START,
        "links": {"self": f"/v1/documents/{id}"},
    }
    fields |= more
    message = Message(
        id=DocumentId(id), account=account, idempotency_key=key, sha256=digest, size=len(octets), **fields
    )
    return Arrival(
        message=message,
        payloads={PayloadKind.DOCUMENT: octets},
        evidence=tuple(evidence),
        entry=TimelineEntry(time=message.created, event="Accepted", reason="Handed in"),
        fingerprint=digest if fingerprint is None else fingerprint,
    )


def incoming(id: str, *, seat: str = "POP000102", message_id: str = "m1@example.org", **more: Any) -> Arrival:
    """A document as another access point sends it, with the receipt that it gets."""
    receipt = Evidence(kind="receipt", media_type="application/soap+xml", octets=f"<Receipt for='{id}'/>".encode())
    parts = {"direction": Direction.IN, "state": State.RECEIVED, "peer": seat, "message_id": MessageId(message_id)}
    return outgoing(id, evidence=(receipt,), **{**parts, **more})


def message_in(id: str, document: bytes, part: bytes, at: int | None, **more: Any) -> Arrival:
    """A document as it comes in a part, which has it from the octet ``at`` on, with envelope and receipt."""
    proofs = [("request-envelope", "soap"), ("receipt", "soap")]
    references = "".join(
        f"<ds:Reference URI='#{n}'>{hashlib.sha256(part).hexdigest()}</ds:Reference>" for n in range(9)
    )
    return replace(
        incoming(id, octets=document, **more),
        payloads={PayloadKind.DOCUMENT: document, PayloadKind.PART: part},
        evidence=tuple(
            Evidence(kind=kind, media_type=f"application/{type_}+xml", octets=f"<{kind} {id}>{references}".encode())
            for kind, type_ in proofs
        ),
        fingerprint=hashlib.sha256(part).hexdigest(),
        part_sha256=hashlib.sha256(part).hexdigest(),
        document_at=at,
    )
