"""How long each page of the web tool takes with 100,000 documents, and the searches in it.

    python -m benchmarks.portal [--documents 100000] [--counterparts 5000] [--rounds 50] [--postgresql] [--dir FOLDER]
                                [--limit 100] [--without-index]

The store holds the documents of four accounts, nearly all of the first; half went out, in three ways, over a year, and
some are in trouble. Counterparts have relations, evidence and proposals. Each page is asked for over HTTP on loopback,
by a person signed in, so many times, in turn with the others. The table shows what half of the answers took at most
(p50), what all but one in twenty did (p95), and the CPU of server and client together (of half), which others on
the machine do not disturb. Ends with 1 where a page is above ``--limit`` milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession, CookieJar, web
from sqlalchemy import Connection, insert

from benchmarks.store import arrival
from gateway.app import Gateway
from gateway.exchange.following import Following
from gateway.exchange.ids import new_document_id
from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, Quality, Role
from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId, InstanceId, MessageId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Message, PayloadKind
from gateway.model.proposal import Proposal, ProposalId, ProposalState
from gateway.model.relating import EvidenceId, LookupEvidence, Relation, RelationState, Verdict
from gateway.portal import front_of
from gateway.ports import Changes, Filter
from gateway.serving.site import settings
from gateway.store import open_store, tables
from gateway.store.keys import instance_key, once_key, search_text
from gateway.store.session import MESSAGE_FIELDS
from gateway.web.api import application
from gateway.web.invitation import hash_secret
from tests.portal import stage
from tests.web.conftest import INVOICE, OURS

_CHUNK: Final = 2_000
OTHERS: Final = tuple(AccountId(f"ovrigt-{n}") for n in range(3))
WAYS: Final = ("peppol", "peppol", "email", "print")
PER_TROUBLE: Final = 400
"""One of so many documents is in trouble."""
ADDRESS: Final = PostalAddress(name="x", street="Storgatan 1", postal_code="111 22", city="Exempelstad", country="SE")


def customer(number: int) -> str:
    return f"Exempelkund {number} AB"


def participant(number: int) -> str:
    return f"0007:{5_560_000_000 + number * 7}"


def messages(number: int, counterparts: int, octets: bytes) -> Iterator[Message]:
    """So many documents over a year, the oldest first."""
    kinds = {direction: arrival(octets, direction).message for direction in Direction}
    for n in range(number):
        direction = Direction.IN if n % 2 else Direction.OUT
        other, created = n * 13 % counterparts, stage.NOW - timedelta(days=365) * (1 - n / number)
        out = direction is Direction.OUT
        trouble = n % PER_TROUBLE == 7 or n % PER_TROUBLE == 8
        yield replace(
            kinds[direction],
            id=new_document_id(created),
            account=OTHERS[n % 3] if n % 20 == 19 else stage.ALPHA,
            number=f"{2026 if out else 'F'}-{10_000 + n}",
            state=(State.REJECTED if trouble else State.SENT) if out else State.FAILED if trouble else State.DELIVERED,
            channel=WAYS[n // 2 % len(WAYS)] if out else "peppol",
            sender=OURS if out else participant(other),
            receiver=participant(other) if out else OURS,
            seller_name="Exempel AB" if out else customer(other),
            buyer_name=customer(other) if out else "Exempel AB",
            amount=Decimal(100 + n % 5000),
            currency="SEK",
            message_id=MessageId(f"{n:08x}-bench@pop000001.as4"),
            instance_id=InstanceId(f"{n:08x}-instance"),
            idempotency_key=f"key-{n}" if out else "",
            acknowledged=None if out else created,
            next_attempt=None,
            queued_since=created,
            created=created,
            updated=created,
        )


def fill(connection: Connection, number: int, counterparts: int, octets: bytes) -> None:
    """Insert the documents, each with two rows of timeline and its octets."""
    chunk: list[Message] = []
    for message in messages(number, counterparts, octets):
        chunk.append(message)
        if len(chunk) == _CHUNK:
            _insert(connection, chunk, octets)
            chunk.clear()
    _insert(connection, chunk, octets)


def _insert(connection: Connection, chunk: list[Message], octets: bytes) -> None:
    if not chunk:
        return
    rows = []
    for one in chunk:
        row: dict[str, Any] = {name: getattr(one, name) for name in MESSAGE_FIELDS}
        row |= {"once_key": once_key(one), "instance_key": instance_key(one), "fingerprint": one.sha256}
        rows.append(row | {"lease_owner": "", "evidence_count": 0, "search": search_text(one)})
    connection.execute(insert(tables.message), rows)
    events = []
    for one in chunk:
        row = {"account": one.account, "message": one.id, "time": one.created, "reason": "", "attempt": 0}
        row |= {"detail": {"channel": one.channel}, "evidence": []}
        first, then = ("Accepted", "Sent") if one.direction is Direction.OUT else ("Received", "Delivered")
        events += [row | {"event": first}, row | {"event": then}]
    connection.execute(insert(tables.event), events)
    kept = {"kind": PayloadKind.DOCUMENT, "packing": "plain", "octets": octets, "file": "", "size": len(octets)}
    values = [{"account": one.account, "message": one.id, "sha256": one.sha256} | kept for one in chunk]
    connection.execute(insert(tables.payload), values)


async def enter(gateway: Gateway, number: int) -> None:
    """So many customers of the first account: every third has a relation in use, every tenth a proposal."""
    now = stage.NOW
    for start in range(0, number, 500):
        some = range(start, min(start + 500, number))
        parties = [
            Counterpart(
                id=CounterpartId(f"kund{n}"),
                account=stage.ALPHA,
                role=Role.CUSTOMER,
                number=f"K{n}",
                name=customer(n),
                country="SE",
                email=f"faktura@kund{n}.example" if n % 2 else "",
                email_quality=Quality.BAD if n % 50 == 1 else Quality.UNKNOWN,
                address=replace(ADDRESS, name=customer(n)),
                identifiers=(Identifier(scheme="0007", value=participant(n)[5:], origin=Origin.MASTER_DATA),),
                opt_out=("email",) if n % 40 == 3 else (),
                created=now,
                updated=now,
            )
            for n in some
        ]
        ways = [
            Relation(
                account=stage.ALPHA,
                counterpart=party.id,
                direction=Direction.OUT,
                state=RelationState.ACTIVE if n % 3 == 0 else RelationState.CANDIDATE,
                participant=participant(n),
                since=now,
                created=now,
                updated=now,
            )
            for n, party in zip(some, parties, strict=True)
        ]
        evidence = [
            LookupEvidence(
                id=EvidenceId(new_document_id(now)),
                account=stage.ALPHA,
                counterpart=party.id,
                participant=participant(n),
                asked=f"SML and SMP for {participant(n)}",
                verdict=(Verdict.POSITIVE, Verdict.NEGATIVE, Verdict.INDETERMINATE)[n % 3],
                text="an answer",
                time=now,
            )
            for n, party in zip(some, parties, strict=True)
        ]
        proposals = [
            Proposal(
                id=ProposalId(f"p{n}"),
                account=stage.ALPHA,
                counterpart=party.id,
                direction=Direction.OUT,
                state=ProposalState.OPEN,
                from_channel="print",
                participant=participant(n),
                volume=12,
                saving=Decimal(n % 900),
                text_sv="Flytta till e-faktura.",
                text_en="Move to e-invoice.",
                created=now,
                updated=now,
            )
            for n, party in zip(some, parties, strict=True)
            if n % 10 == 0
        ]
        changes = Changes(
            counterparts=tuple((one, None) for one in parties),
            relations=tuple((one, None) for one in ways),
            evidence=tuple(evidence),
            proposals=tuple((one, None) for one in proposals),
        )
        await gateway.store.relations.commit(changes)


def pages(known: Message) -> dict[str, str]:
    """What is asked for, by name."""
    return {
        "today": "/",
        "documents": "/documents",
        "documents, incoming": "/documents?direction=in",
        "documents, failed": "/documents?status=failed",
        "documents, letters": "/documents?channel=print",
        "documents, a way that nobody used": "/documents?channel=scan",
        "search a number": f"/documents?q={known.number}",
        "search the beginning of a number": f"/documents?q={known.number[:-1]}",
        "search a company number": f"/documents?q={known.receiver[5:11]}-{known.receiver[11:]}",
        "search a name": f"/documents?q={known.buyer_name.replace(' ', '+')}",
        "search a word of every document": "/documents?q=exempel",
        "search a word of none": "/documents?q=finnsinte",
        "search a common word among letters": "/documents?q=exempelkund&channel=print",
        "search a document id": f"/documents?q={known.id}",
        "document": f"/documents/{known.id}",
        "counterparts": "/counterparts",
        "counterparts, proposals": "/counterparts?only=proposal",
        "counterparts, don't know": "/counterparts?only=unsure",
        "counterparts, by letter": "/counterparts?channel=print",
        "counterparts, bad address": "/counterparts?only=bad_address",
        "search a counterpart": "/counterparts?q=kund+4321",
        "counterpart": f"/counterparts/kund{int(known.buyer_name.split()[1])}",
        "counterpart, form": "/counterparts/kund7/edit",
        "proposals": "/proposals",
        "statistics": "/statistics",
        "basis": "/statistics/basis?month=2026-11",
        "prices": "/prices",
        "operator": "/operator",
        "settings": "/settings",
        "people": "/settings/people",
        "keys": "/settings/keys",
        "audit": "/audit",
        "profile": "/profile",
    }


@asynccontextmanager
async def filled(url: str, base: Path, documents: int, counterparts: int, *, index: bool) -> AsyncIterator[Any]:
    """The gateway over such a store, and one document that a search looks for."""
    clock = stage.SteadyClock()
    async with open_store(url, Path("payloads"), clock=clock, base=base) as store:
        await store.first_account("Exempel AB", hash_secret("gwk_alpha"))
        for account in (stage.BETA, *OTHERS):
            await store.add_account(account, account, hash_secret(f"gwk_{account}"))
        await stage.put_people(store)
        octets = INVOICE.replace("NUMBER", "2026-1").encode()
        began = time.monotonic()
        await store.operation.write(lambda connection: fill(connection, documents, counterparts, octets))
        gateway = stage.gateway_around(store, clock, base)
        await enter(gateway, counterparts)
        await Following(follower=store.money).catch_up()
        told, began = time.monotonic() - began, time.monotonic()
        if index:
            await Following(follower=store.search).catch_up()
        print(f"{documents:,} documents in {told:.0f} s, their words in {time.monotonic() - began:.0f} s", flush=True)
        known = list(messages(documents, counterparts, octets))[documents // 2 - documents // 2 % 8]
        found, _ = await store.find(stage.ALPHA, Filter(query=known.number))
        yield gateway, found[0]


async def measure(gateway: Gateway, known: Message, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds and CPU of each page, so many times, the pages in turn."""
    runner = web.AppRunner(application(gateway, front_of(gateway)), **settings())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in pages(known)}
    try:
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            await sign_in(session, url, "admin@exempel.example")
            for turn in range(rounds + 1):
                for name, path in pages(known).items():
                    began, cpu = time.perf_counter(), time.process_time()
                    async with session.get(url + path, allow_redirects=False) as answer:
                        await answer.read()
                    if answer.status != 200:
                        raise SystemExit(f"{path}: {answer.status}")
                    if turn:  # the first reads templates
                        took[name].append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu)))
    finally:
        await runner.cleanup()
    return took


async def sign_in(session: ClientSession, url: str, name: str) -> None:
    async with session.get(f"{url}/sign-in") as answer:
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', await answer.text())
    assert token
    form = {"csrf": token[1], "name": name, "password": stage.PASSWORD}
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with session.post(f"{url}/sign-in", data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303, answer.status


def show(took: dict[str, list[tuple[float, float]]], limit: float) -> bool:
    """Print the table; tells whether all are below the limit."""
    print(f"{'milliseconds':40}{'p50':>8}{'p95':>8}{'CPU':>8}")
    good = True
    for name, all_of_it in took.items():
        kept, cpu = sorted(wall for wall, _ in all_of_it), sorted(busy for _, busy in all_of_it)
        p50, p95 = kept[len(kept) // 2], kept[min(len(kept) - 1, len(kept) * 95 // 100)]
        good = good and p95 <= limit
        print(
            f"{name:40}{p50:>8.1f}{p95:>8.1f}{cpu[len(cpu) // 2]:>8.1f}{'  ← above the limit' if p95 > limit else ''}"
        )
    return good


async def run(options: argparse.Namespace, url: str, base: Path) -> bool:
    index = not options.without_index
    async with filled(url, base, options.documents, options.counterparts, index=index) as (gateway, known):
        return show(await measure(gateway, known, options.rounds), options.limit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--counterparts", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--limit", type=float, default=100.0, help="milliseconds that the p95 of a page may take")
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL server of its own instead of SQLite")
    parser.add_argument("--without-index", action="store_true", help="as a store of an earlier release is at first")
    parser.add_argument("--dir", type=Path, help="folder on the disk to measure; default: a temporary one")
    options = parser.parse_args()
    from tests import postgres_server

    server_of_its_own = postgres_server.running() if options.postgresql else nullcontext()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder, server_of_its_own as server:
        url = server.new_database("portal") if server else "sqlite:portal.db"
        return 0 if asyncio.run(run(options, url, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
