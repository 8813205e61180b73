"""PostgreSQL on a disk whose power can be cut: the server dies, the disk forgets, the server recovers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.crash.power import Disk, mounted
from tests.postgres_server import Server, unprivileged


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server whose data are on a lossy disk, and the other disk of the same machine."""

    server: Server
    url: str
    disk: Disk
    beside: Disk

    async def cut(self, seed: int | None = None) -> tuple[int, int]:
        """Cut the power of the machine, once the gateway is gone, and start the server again; as ``Disk.cut``."""
        postmaster = self.server.folder / "data" / "postmaster.pid"
        pid = int(postmaster.read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        await asyncio.sleep(0.2)
        lost = [await disk.cut(seed) for disk in (self.disk, self.beside)]
        for left in (postmaster, *self.server.folder.glob(".s.PGSQL*")):  # no process of before a reboot is alive
            left.unlink(missing_ok=True)
        await asyncio.to_thread(self.server.start)
        return sum(pages for pages, _ in lost), sum(names for _, names in lost)


@asynccontextmanager
async def open_cluster(beside: Disk) -> AsyncIterator[Cluster]:
    """A new server with an empty database, all of it on the disk."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(folder, free.getsockname()[1])
    try:
        await asyncio.to_thread(server.make)
        (folder / "data").rename(folder / "made")
        async with mounted(folder / "data", unprivileged() if os.geteuid() == 0 else "") as disk:
            await asyncio.to_thread(shutil.copytree, folder / "made", folder / "data", dirs_exist_ok=True)
            (folder / "data").chmod(0o700)
            await asyncio.to_thread(server.start)
            url = await asyncio.to_thread(server.new_database)
            await disk.settle()
            try:
                yield Cluster(server, url, disk, beside)
            finally:
                await asyncio.to_thread(server.stop)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
