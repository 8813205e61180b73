"""Drives a gateway that runs already, through its public surface alone, kills it, and judges it by the same ledgers.

    python -m tests.crash --target FILE [--kills 100] [--seed 1]

FILE is TOML. Paths are relative to it, commands are given to the shell in its folder:

    api = "http://127.0.0.1:18405"            # of the gateway to be killed
    as4 = "http://127.0.0.1:18404/as4"
    key_file = "gateway1/var/api.key"         # a key of its API
    certificate = "gateway1/POP000001.pem"    # of its access point: messages to it are encrypted for that
    kill = "kill -9 $(cat gateway1.pid)"
    start = "gateway serve --config gateway1/config.toml >>gateway1.out 2>&1 & echo $! >gateway1.pid"
    letters = "gateway1/var/letters"          # a folder that takes letters; without: none are handed in
    c3 = "gateway2/config.toml"               # another gateway: sends messages to it, and receives from it

Both must be of one private network (``gateway network new``). Two companies are made participants, one of each. What
else is in the gateway is left alone and not judged: the documents of this run begin with numbers of their own.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from gateway.app import Files, read_files
from gateway.config import load
from gateway.network.market import Market, Member
from gateway.security.keys import common_name
from tests.crash.front import Front
from tests.crash.ledgers import Ledgers
from tests.crash.victim import CrashError, Victim
from tests.crash.world import FACTS, World

_PATIENCE = 120.0
"""Seconds that a start may take: whatever the command does first."""
_LOOK = 0.02
"""Seconds between two questions whether it is ready."""


@dataclass(slots=True)
class Shell:
    """What :class:`tests.crash.victim.Victim` is for a gateway of our own: here commands of a shell do it."""

    http: aiohttp.ClientSession
    api: str
    commands: dict[str, str]
    folder: Path
    ready_after: list[float] = field(default_factory=list)
    log: str = "its log"
    alive: bool = True
    """By our own knowledge: whether it has not been killed since it was started."""

    async def start(self, *, wait: float = _PATIENCE) -> bool:
        """Start it; tells whether it was ready within ``wait`` seconds."""
        await self._run("start")
        self.alive, began = True, time.monotonic()
        while time.monotonic() - began < wait:
            if await self.ready():
                self.ready_after.append(time.monotonic() - began)
                return True
            await asyncio.sleep(_LOOK)
        return False

    async def ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        try:
            async with self.http.get(f"{self.api}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def kill(self) -> None:
        """Kill it."""
        await self._run("kill")
        self.alive = False

    async def stop(self) -> int:
        """It is left running, as it was found."""
        return 0

    async def _run(self, name: str) -> None:
        running = await asyncio.create_subprocess_shell(self.commands[name], cwd=self.folder)
        if code := await running.wait():
            raise CrashError(f"the command to {name} it ended with {code}: {self.commands[name]}")


@asynccontextmanager
async def open_target(file: Path, seed: int) -> AsyncIterator[World]:
    """A world around the gateway that FILE names; it must be ready. Raises ``CrashError``."""
    told: dict[str, Any] = tomllib.loads(file.read_text())
    folder = file.absolute().parent
    config = load(folder / told["c3"], {})
    api, as4 = (urlsplit(told[name]).netloc for name in ("api", "as4"))
    letters = folder / told["letters"] if "letters" in told else folder / "no letters"
    certificate = x509.load_pem_x509_certificates((folder / told["certificate"]).read_bytes())[0]
    ours = Member(name="target", seat=common_name(certificate), directory=folder, as4=as4, api=api, smp="")
    c3 = (folder / told["c3"]).parent
    listens = str(config.as4.listen), str(config.api.listen), str(config.smp.listen)
    theirs = Member(
        name="c3", seat=config.operator.seat_id, directory=c3, as4=listens[0], api=listens[1], smp=listens[2]
    )
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        shell, ledgers = Shell(http, told["api"], {n: told[n] for n in ("start", "kill")}, folder), Ledgers()
        public = SimpleNamespace(der=_der(certificate), common_name=ours.seat)  # all that a sender knows of it
        files = {"c3": read_files(config), "target": cast("Files", SimpleNamespace(access_point=public))}
        world = World(
            market=Market(directory=folder, dns=("", 0), members=(ours, theirs)),
            victim=cast("Victim", shell),
            ledgers=ledgers,
            http=http,
            dice=random.Random(seed),
            front=Front(("", 0), b"", ledgers, random.Random(seed)),  # nobody stands between it and C3
            files=files,
            nodes=[ours],
            letters=letters,
            prefix=f"{secrets.token_hex(3)}-",
            kinds={"network": 80, **({"letter": 10} if "letters" in told else {})},
            told=0.0,
        )
        world.keys = {
            "target": (folder / told["key_file"]).read_text().strip(),
            "c3": theirs.key_file.read_text().strip(),
        }
        if not await shell.ready():
            raise CrashError(f"{told['api']}/readyz does not say that it is ready")
        for member, company in ((ours, FACTS.seller), (theirs, FACTS.buyer)):
            await world.publish(member, company)
        yield world


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)
