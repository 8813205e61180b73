"""A market whose first gateway has three accounts: operator, caller, and a stranger who must not notice anything."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from gateway.app import SystemClock
from gateway.config import load
from gateway.model.identifiers import AccountId
from gateway.network.market import new_market
from gateway.network.running import run_market
from gateway.store import open_store
from tests.scanning import generator
from tests.web.conftest import INVOICE, OURS, THEIRS

KEYS = {"operator": "gwk_" + "o" * 43, "caller": "gwk_" + "c" * 43, "stranger": "gwk_" + "s" * 43}
MORE = '\n[print]\nkind = "folder"\ntarget = "var/letters"\n\n[scan]\n'
NOBODY = "0007:5575968531"
REGISTERED = {"operator": "0007:5597947729", "caller": OURS, "stranger": THEIRS}
SENDS_TO = {"operator": "stranger", "stranger": "caller", "caller": "operator"}
"""(what the caller sends once more must not arrive at the stranger's: it would change there, and rightly)"""
LISTS = ("documents", "inbox", "counterparts", "addresses", "proposals", "scans", "reviews", "letters", "users",
         "participants", "sweeps", "relations/policy", "prices", "statistics", "statistics/basis",
         "letters/batches", "letters/counts", "destinations")  # fmt: skip
SETTLED = ("delivered", "failed", "rejected", "unknown")


@dataclass(slots=True)
class World:
    """What can be called, and what is where."""

    http: aiohttp.ClientSession
    url: str
    ids: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    async def call(self, who: str, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {KEYS[who]}", **more.pop("headers", {})}
        async with self.http.request(method, self.url + path, headers=headers, **more) as answer:
            octets = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path} for {who}: {answer.status} {octets[:600]!r}")
            return json.loads(octets) if answer.content_type == "application/json" else octets

    async def picture(self, who: str) -> dict[str, str]:
        """Everything of an account, each call's answer by its digest."""
        seen = {}
        for name in LISTS:
            found, cursor = [], ""
            while True:
                more = {"params": {"cursor": cursor}} if cursor else {}
                page = await self.call(who, "GET", f"/v1/{name}", **more)
                found.append({key: value for key, value in page.items() if key != "next"})
                cursor = page.get("next") or ""
                if not cursor:
                    break
            seen[name] = json.dumps(found, sort_keys=True)
        for one in self.ids[who]["/v1/documents/"]:
            for part in ("", "/timeline", "/findings", "/content"):
                seen[f"documents/{one}{part}"] = _digest(await self.call(who, "GET", f"/v1/documents/{one}{part}"))
        for one in self.ids[who]["/v1/scans/"]:
            for part in ("", "/content"):
                seen[f"scans/{one}{part}"] = _digest(await self.call(who, "GET", f"/v1/scans/{one}{part}"))
        return seen


def _digest(answer: Any) -> str:
    octets = answer if isinstance(answer, bytes) else json.dumps(answer, sort_keys=True).encode()
    return hashlib.sha256(octets).hexdigest() + ("" if isinstance(answer, bytes) else octets.decode()[:2_000])


@asynccontextmanager
async def open_world(directory: Path, port: int) -> AsyncIterator[World]:
    """The market with everything in it, at rest."""
    market = new_market(directory, 2, now=datetime.now(UTC), extra={1: MORE}, first_port=port)
    first = market.members[0]
    config = load(first.config, {})
    async with open_store(config.store.database, config.store.payloads, clock=SystemClock(), base=config.base) as store:
        hashes = {who: hashlib.sha256(key.encode()).hexdigest() for who, key in KEYS.items()}
        await store.first_account("operator", hashes["operator"])
        for who in ("caller", "stranger"):
            await store.add_account(AccountId(who), who, hashes[who])
    async with run_market(market), aiohttp.ClientSession() as http:
        world = World(http, f"http://{first.api}")
        for who, number in REGISTERED.items():
            await world.call(who, "POST", "/v1/participants", json={"id": number, "name": f"{who} AB", "country": "SE"})
        for who in REGISTERED:
            world.ids[who] = await _fill(world, who)
        await _rest(world)
        yield world


async def _fill(world: World, who: str) -> dict[str, list[str]]:
    """Something of every kind for one account. Its words are found in no other account."""
    seller, buyer = REGISTERED[who], REGISTERED[SENDS_TO[who]]
    sent = [
        await _send(world, who, f"{who}-{place}", seller, to, route)
        for place, (to, route) in enumerate(((buyer, "peppol"), (NOBODY, "auto"), (buyer, "auto")), 1)
    ]
    row = {"name": f"{who} Kund AB", "number": f"{who}-77", "email": "faktura@example.org", "email_quality": "bad"}
    counterpart = (await world.call(who, "POST", "/v1/counterparts", json=row))["id"]
    octets = generator.text_pdf(generator.page(generator.invoice(3 + list(REGISTERED).index(who), code=False)))
    headers = {"Content-Type": "application/pdf"}
    scan = (await world.call(who, "POST", f"/v1/scans?file_name={who}.pdf", data=octets, headers=headers))["id"]
    person = f"{who}-clerk@example.org"
    await world.call(who, "POST", "/v1/users", json={"name": person})
    sweep = (await world.call(who, "POST", "/v1/sweeps"))["id"]
    found = {
        "/v1/documents/": sent,
        "/v1/counterparts/": [counterpart],
        "/v1/scans/": [scan],
        "/v1/reviews/": [scan],
        "/v1/users/": [person],
        "/v1/sweeps/": [sweep],
        "/v1/participants/": [REGISTERED[who]],
    }
    for name in ("addresses", "proposals", "letters", "inbox"):
        rows = (await world.call(who, "GET", f"/v1/{name}"))["items"]
        found[f"/v1/{name}/"] = [one["id"] for one in rows]
    return found | {"/v1/operation/documents/": sent}


async def _send(world: World, who: str, number: str, seller: str, buyer: str, route: str) -> str:
    octets = (
        INVOICE.replace("NUMBER", number).replace("5566778899", "SELLER").replace("5567212047", buyer.partition(":")[2])
    )
    octets = octets.replace("SELLER", seller.partition(":")[2])
    headers = {"Content-Type": "application/xml", "Idempotency-Key": number}
    query = f"?route={route}&wait=20"
    answer = await world.call(who, "POST", f"/v1/documents{query}", data=octets.encode(), headers=headers)
    return str(answer["id"])


async def _rest(world: World) -> None:
    """Until what came in is listed, and nothing of the stranger's changes any more."""
    before: object = None
    for _ in range(60):
        await asyncio.sleep(2)
        for who in REGISTERED:
            for name in ("addresses", "proposals", "letters", "inbox"):
                rows = (await world.call(who, "GET", f"/v1/{name}"))["items"]
                world.ids[who][f"/v1/{name}/"] = [one["id"] for one in rows]
            came = [one for one in world.ids[who]["/v1/inbox/"] if one not in world.ids[who]["/v1/documents/"]]
            world.ids[who]["/v1/documents/"] += came
        now = await world.picture("stranger")
        if now == before:
            return
        before = now
    raise RuntimeError("the stranger's account does not come to rest")
