"""A mounted disk whose power can be cut."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash.victim import CrashError


def missing() -> str:
    """Why no such disk can be mounted here; empty where it can."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be used: {error.strerror}"
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed (the dev extra has it)"
    if shutil.which("fusermount3") is None:
        return "fusermount3 is not installed (Debian: apt-get install fuse3)"
    return ""


@dataclass(frozen=True, slots=True)
class Disk:
    """A lossy disk that is mounted."""

    path: Path
    server: asyncio.subprocess.Process

    async def settle(self) -> None:
        """What is there now survives."""
        await self._ask("settle")

    async def cut(self, seed: int | None = None) -> tuple[int, int]:
        """Cut the power, once every process that used it is gone; gives the lost pages and changes of directories."""
        pages, changes = (await self._ask("cut" if seed is None else f"cut {seed}")).split()
        return int(pages), int(changes)

    async def _ask(self, command: str) -> str:
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(f"{command}\n".encode())
        answer = (await self.server.stdout.readline()).decode().strip()
        if not answer:
            raise CrashError("the lossy file system has ended")
        return answer


@asynccontextmanager
async def mounted(path: Path, user: str = "") -> AsyncIterator[Disk]:
    """Mount an empty lossy disk at an empty or new directory; all that is on it belongs to that user, or to us."""
    path.mkdir(parents=True, exist_ok=True)
    before = path.stat().st_dev
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.lossyfs", str(path), *([user] if user else [])),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(20):
            while path.stat().st_dev == before:
                if server.returncode is not None:
                    raise CrashError("the lossy file system did not start")
                await asyncio.sleep(0.02)
        yield Disk(path, server)
    finally:
        unmounting = await asyncio.create_subprocess_exec("fusermount3", "-u", "-z", str(path))
        await unmounting.wait()
        try:
            await asyncio.wait_for(server.wait(), 5)
        except TimeoutError:
            server.kill()
            await server.wait()
