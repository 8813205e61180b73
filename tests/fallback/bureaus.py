"""Real far sides of letters: a printer that speaks IPP, a bureau's API that knows a letter by its key."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

NEEDED = ("ippeveprinter", "dbus-daemon", "avahi-daemon")


@dataclass
class Bureau:
    """A bureau's API. ``answers`` are (status, body) to give before it behaves; ``cut`` hangs up once it has one."""

    url: str = ""
    letters: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    cut: int = 0

    async def post(self, request: web.Request) -> web.StreamResponse:
        self.posts += 1
        form = await request.post()
        if self.answers:
            status, body = self.answers.pop(0)
            return web.json_response(body, status=status)
        assert request.headers["Authorization"] == "Bearer secret"
        key = request.headers["Idempotency-Key"]
        said: Any = form["letter"]  # octets where the part names a media type of its own
        row = json.loads(said if isinstance(said, str | bytes | bytearray) else said.file.read())
        pdf = form["file"].file.read()  # type: ignore[union-attr]
        self.letters.setdefault(key, {"id": f"b-{key}", "status": "accepted", "row": row, "pdf": pdf})
        if self.cut:
            self.cut -= 1
            request.transport.close()  # type: ignore[union-attr]
        return web.json_response({"id": f"b-{key}", "status": "accepted"}, status=201)

    async def get(self, request: web.Request) -> web.Response:
        found = next((one for one in self.letters.values() if one["id"] == request.match_info["id"]), None)
        if found is None:
            return web.json_response({}, status=404)
        return web.json_response({key: value for key, value in found.items() if key not in ("row", "pdf")})


@asynccontextmanager
async def http_bureau() -> AsyncIterator[Bureau]:
    double = Bureau()
    app = web.Application(client_max_size=50_000_000)
    app.add_routes([web.post("/letters", double.post), web.get("/letters/{id}", double.get)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    try:
        yield double
    finally:
        await runner.cleanup()


@dataclass
class Printer:
    """ippeveprinter: what it printed lies in ``spool``."""

    url: str
    spool: Path

    def printed(self) -> list[Path]:
        return sorted(self.spool.glob("*.pdf"))


@contextmanager
def ipp_printer(folder: Path) -> Iterator[Printer]:
    """A real IPP Everywhere printer on loopback, with a D-Bus and an Avahi of its own; skips where they are absent."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs root and {', '.join(NEEDED)} (missing: {', '.join(missing) or 'root'})")
    folder.mkdir(parents=True, exist_ok=True)
    spool = folder / "spool"
    spool.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bus = f"unix:path={folder}/bus"
    (folder / "bus.conf").write_text(
        f"<busconfig><type>system</type><listen>{bus}</listen><auth>EXTERNAL</auth><policy context='default'>"
        "<allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/><allow user='*'/>"
        "</policy></busconfig>"
    )
    (folder / "avahi.conf").write_text(
        "[server]\nhost-name=printer-of-a-test\nallow-interfaces=lo\nuse-ipv6=no\n[publish]\n[rlimits]\n"
    )
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus}
    started: list[subprocess.Popen[bytes]] = []
    log = (folder / "log").open("wb")

    def start(*command: str) -> None:
        started.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=folder)
        )

    try:
        start("dbus-daemon", "--nofork", "--config-file", f"{folder}/bus.conf")
        _until(lambda: (folder / "bus").exists(), folder)
        start("avahi-daemon", "--no-drop-root", "--no-chroot", "-f", f"{folder}/avahi.conf")
        time.sleep(0.5)
        start("ippeveprinter", "-k", "-2", "-d", str(spool), "-f", "application/pdf", "-n", "localhost",
              "-p", str(port), "-r", "off", "Printer")  # fmt: skip
        _until(lambda: _listens(port), folder)
        yield Printer(f"ipp://127.0.0.1:{port}/ipp/print", spool)
    finally:
        for process in reversed(started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(done: Any, folder: Path) -> None:
    gives_up = time.monotonic() + 20
    while not done():
        if time.monotonic() > gives_up:
            pytest.skip(f"the printer does not start here: {(folder / 'log').read_text()[-300:]}")
        time.sleep(0.1)
