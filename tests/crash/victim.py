"""The gateway under test: started, killed and asked through its public surface only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.network.market import Member


class CrashError(Exception):
    """The campaign itself cannot go on; the text says why."""


@dataclass(slots=True)
class Victim:
    """A gateway that can be started and killed."""

    member: Member
    server: asyncio.subprocess.Process
    pid: int = 0
    starts: int = 0
    ready_after: list[float] = field(default_factory=list)
    """Seconds from each start to ``ready``."""

    @property
    def log(self) -> Path:
        return self.member.directory / "log.jsonl"

    async def start(self, *, wait: float = 30.0) -> bool:
        """Start it; tells whether it said ``ready`` within ``wait`` seconds."""
        self.starts += 1
        out = self.member.directory / "out.json"
        out.unlink(missing_ok=True)
        self.pid = int(await self._ask(f"start {self.member.config} {out} {self.log}"))
        began = time.monotonic()
        while time.monotonic() - began < wait:
            with suppress(OSError, ValueError, IndexError):
                if json.loads(out.read_text().splitlines()[0]).get("ready"):
                    self.ready_after.append(time.monotonic() - began)
                    return True
            if not self.alive:
                raise CrashError(f"the gateway ended by itself at start {self.starts}; see {self.log}")
            await asyncio.sleep(0.005)
        return False

    async def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        await self._ask(f"reap {self.pid}")
        self.pid = 0

    async def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        status = int(await self._ask(f"reap {self.pid}"))
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    @property
    def alive(self) -> bool:
        """Whether it runs; one that died and was not reaped yet does not."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    async def _ask(self, command: str) -> str:
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(f"{command}\n".encode())
        return (await self.server.stdout.readline()).decode().strip()


@asynccontextmanager
async def open_victim(member: Member, **environment: str) -> AsyncIterator[Victim]:
    """The gateway of that member, not started yet; killed at the end if it still runs."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.fork_server", str(member.config)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}, **environment},
        start_new_session=True,
    )
    victim = Victim(member, server)
    try:
        assert server.stdout is not None
        if (await server.stdout.readline()).strip() != b"ready":
            raise CrashError("the fork server did not start")
        yield victim
    finally:
        if victim.pid:
            await victim.kill()
        server.kill()
        await server.wait()
