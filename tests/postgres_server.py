"""A PostgreSQL server of the tests' own: in a directory of its own, on loopback, gone with the session."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

USER = "gateway"
PASSWORD = "a password of the tests"
_SETTINGS = (
    "max_connections=60",
    "shared_buffers=16MB",
    "wal_init_zero=off",
    "max_wal_size=256MB",
    "min_wal_size=80MB",
)


@cache
def binaries() -> Path | None:
    """Where Debian (or the path) has the server's programs, newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[4]))
    beside = shutil.which("initdb")
    return found[-1].parent if found else Path(beside).parent if beside else None


def why_not() -> str:
    """Why no server can be started here; empty when one can."""
    if binaries() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and not unprivileged():
        return "PostgreSQL does not run as root, and there is no other user to run it"
    return ""


def unprivileged() -> str:
    """A user that may run the server; empty where there is none."""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return ""


@dataclass
class Server:
    """One cluster; each test makes databases of its own in it."""

    folder: Path
    port: int
    settings: Sequence[str] = ()
    made: set[str] = field(default_factory=set)

    def url(self, database: str, *, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str = "store") -> str:
        """Give the address of an empty database; what was in it before is gone."""
        url = self.url(name)
        if name not in self.made:
            ask(self.url("postgres"), f"CREATE DATABASE {name}")
            self.made.add(name)
        else:  # much cheaper than a new one
            ask(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                name,
            )
            ask(url, "DROP SCHEMA public CASCADE")
            ask(url, "CREATE SCHEMA public")
        return url

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, *self.settings))
        place = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 {options}"
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", place, "start")

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "-D", "data", "-m", how, "-w", "stop")

    def make(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, unprivileged())
        self._run(
            "initdb", "-D", "data", "-U", USER, "--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8", "-N"
        )

    def _run(self, program: str, *words: str) -> None:
        folder = binaries()
        assert folder is not None
        done = subprocess.run(
            [str(folder / program), *words],
            cwd=self.folder,
            user=unprivileged() if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program}: {done.stderr}\n{log.read_text()[-2000:] if log.exists() else ''}")


@contextmanager
def running(*settings: str) -> Iterator[Server]:
    """A new cluster that runs inside the block."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port, settings)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What another program sees in the database; may be called where an event loop runs."""
    import asyncpg

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    answer: list[Any] = []

    def in_thread() -> None:
        try:
            answer.append(asyncio.run(run()))
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    if isinstance(answer[0], Exception):
        raise answer[0]
    return list(answer[0])
