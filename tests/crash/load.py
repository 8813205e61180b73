"""Those who use the gateway while it is killed: other access points, companies, and the receiver who fetches.

Each does what an honest partner does: it tries again, with the very same octets, until it has an answer that counts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from gateway.as4.msh import Request, Sending
from gateway.errors import GatewayError
from gateway.network.market import Member
from tests.crash.ledgers import Fetched, HandedIn, Sent, content, digest
from tests.crash.victim import CrashError
from tests.crash.world import World, document

_AWAY = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
ATTACHED = {0: 92, 120_000: 6, 1_600_000: 2}
"""Octets attached to a document: none, so many that its payload is a file, so many that it is never in memory."""
PAIRS = 0.5
"""Share of the messages that are sent to two nodes at one moment, where there are two."""
_PAUSE = (0.01, 0.06)
"""Seconds before a partner who got no answer asks again."""


@dataclass(slots=True)
class Load:
    """The actors; ``producing`` off lets each finish what it has begun and begin nothing new."""

    world: World
    producing: bool = True
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    pairs: int = 0
    """Messages and documents that two nodes got at one moment."""

    async def access_point(self) -> None:
        """C2: messages to us, each until its receipt is good; some are sent again afterwards."""
        while self.producing:
            await self.send_message(self._attached(), told=self.world.dice.random() < self.world.told)

    async def send_message(self, attached: int = 0, *, told: bool = False) -> Sent:
        """One message until its receipt; with ``told`` its sender wants a status message too."""
        world = self.world
        sending, octets = world.message(f"{world.prefix}IN{next(self.numbers)}", attached, told=told)
        request = sending.request()
        instance = sending._outgoing.envelope.instance_id if told else ""
        sent = Sent(message_id=sending._outgoing.message_id, content=content(octets), instance_id=instance)
        world.ledgers.sent[sent.message_id] = sent
        again = world.dice.random() < 0.1
        while len(sent.receipts) < 1 + again:
            await asyncio.gather(*(self._send(sent, sending, request, node) for node in self._where()))
        return sent

    def _where(self) -> list[Member]:
        """Which nodes get it now: one, or every one at the same moment."""
        if len(self.world.nodes) == 1 or self.world.dice.random() >= PAIRS:
            return [self.world.anyone()]
        self.pairs += 1
        return self.world.nodes

    async def _send(self, sent: Sent, sending: Sending, request: Request, node: Member) -> None:
        """Send it there once, and keep the receipt if one comes."""
        sent.tries += 1
        try:
            headers = {"Content-Type": request.content_type}
            async with self.world.http.post(f"http://{node.as4}/as4", data=request.body, headers=headers) as answer:
                status, kind, body = answer.status, answer.headers.get("Content-Type", ""), await answer.read()
            sending.close(status, kind, body)
            sent.receipts.append(body)
        except (*_AWAY, GatewayError) as error:
            if isinstance(error, GatewayError) and not error.temporary:
                raise CrashError(f"{sent.message_id} was answered wrongly: {error}") from error
            await asyncio.sleep(self.world.dice.uniform(*_PAUSE))

    async def company(self) -> None:
        """C1: documents, each with its key until 202; some are handed in again afterwards."""
        while self.producing:
            kind = self.world.dice.choices(list(self.world.kinds), list(self.world.kinds.values()))[0]
            await self.hand_in(kind, self._attached() if kind == "network" else 0)

    def _attached(self) -> int:
        return self.world.dice.choices(list(ATTACHED), list(ATTACHED.values()))[0]

    async def hand_in(self, kind: str, attached: int = 0) -> HandedIn:
        """One document until 202."""
        world = self.world
        number = f"{world.prefix}OUT{next(self.numbers)}"
        octets = document(kind, number, attached)
        mine = HandedIn(key=f"key-{number}", number=number, kind=kind, content=content(octets), sha256=digest(octets))
        world.ledgers.handed_in[mine.key] = mine
        again = world.dice.random() < 0.1
        accepted = 0
        while accepted < 1 + again:
            mine.tries += 1
            headers = {"Content-Type": "application/xml", "Idempotency-Key": mine.key}
            calls = (
                self._call("POST", "/v1/documents", node=node, data=octets, headers=headers) for node in self._where()
            )
            for answer in await asyncio.gather(*calls):
                if answer is None:
                    continue
                status, body = answer
                if status not in (202, 409, 503):
                    raise CrashError(f"{mine.key} was answered {status}: {body[:300]!r}")
                if status == 202:
                    accepted += 1
                    mine.ids.add(json.loads(body)["id"])
                else:
                    await asyncio.sleep(world.dice.uniform(*_PAUSE))
        return mine

    async def receiver(self) -> None:
        """C4: fetches what is new and acknowledges it, for ever."""
        while True:
            if not await self.fetch():
                await asyncio.sleep(0.1)

    async def fetch(self) -> int:
        """One look into the inbox; gives how many documents were acknowledged."""
        items = await self._get("/v1/inbox?state=new&limit=100")
        done = 0
        for item in items["items"] if items else ():
            if not (item["number"] or "").startswith(self.world.prefix):
                continue
            answer = await self._call("GET", f"/v1/documents/{item['id']}/content")
            if answer is None or answer[0] != 200:
                continue
            fetched = Fetched(
                id=item["id"], message_id=item["message_id"], sha256=digest(answer[1]), content=content(answer[1])
            )
            self.world.ledgers.fetched.append(fetched)
            answer = await self._call("POST", f"/v1/inbox/{item['id']}/ack")
            fetched.acknowledged = answer is not None and answer[0] == 200
            done += fetched.acknowledged
        return done

    async def _get(self, path: str) -> Any:
        answer = await self._call("GET", path)
        return json.loads(answer[1]) if answer and answer[0] == 200 else None

    async def _call(
        self, method: str, path: str, *, node: Member | None = None, **more: Any
    ) -> tuple[int, bytes] | None:
        """The answer, or None after a pause when nobody answered."""
        try:
            return await self.world.call(node or self.world.anyone(), method, path, **more)
        except _AWAY:
            await asyncio.sleep(self.world.dice.uniform(*_PAUSE))
            return None


@asynccontextmanager
async def acting(load: Load, *, peers: int, companies: int) -> AsyncIterator[list[asyncio.Task[None]]]:
    """All actors at work inside the block; whoever fails ends the campaign."""
    async with asyncio.TaskGroup() as tasks:
        receiver = tasks.create_task(load.receiver())
        producers = [tasks.create_task(load.access_point()) for _ in range(peers)]
        producers += [tasks.create_task(load.company()) for _ in range(companies)]
        yield producers
        for task in (receiver, *producers):
            task.cancel()
