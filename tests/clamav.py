"""A virus scanner for tests: the real clamd where there is one, with one signature of our own, and a double of it.

The signature is that of the EICAR test file, which every scanner knows and which does nothing. It stands here in two
parts, so that no scanner mistakes this file for it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from gateway.errors import ScannerUnavailable
from gateway.ports.antivirus import Inspected

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EI" + rb"CAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
NAME = "Eicar.Test"
MOST = 1_000_000
"""``StreamMaxLength`` of both."""
_ROOT = Path(__file__).resolve().parents[1] / ".venv" / "clamav"


def program() -> str:
    """Where clamd is; empty where it is not: installed, or unpacked beside the environment by ``make test``."""
    unpacked = _ROOT / "usr" / "sbin" / "clamd"
    return (
        shutil.which("clamd")
        or shutil.which("clamd", path="/usr/sbin")
        or (str(unpacked) if unpacked.is_file() else "")
    )


@cache
def why_not() -> str:
    """Why the real one cannot be asked; empty where it can."""
    if not program():
        return "clamd is not here (Debian: clamav-daemon, or make .venv/.clamav)"
    said = subprocess.run([program(), "--help"], capture_output=True, env=_environment(), check=False)
    return "" if said.returncode == 0 else f"clamd does not start: {said.stderr[:200]!r}"


def _environment() -> dict[str, str]:
    libraries = ":".join(map(str, _ROOT.glob("usr/lib/*-linux-gnu")))
    return {**os.environ, "LD_LIBRARY_PATH": libraries}


@asynccontextmanager
async def real() -> AsyncIterator[str]:
    """A clamd of our own that knows one signature; gives the path of its socket."""
    with tempfile.TemporaryDirectory(prefix="clamd-") as name:
        folder = Path(name)
        (folder / "database").mkdir()
        (folder / "database" / "own.ndb").write_text(f"{NAME}:0:*:{EICAR.hex()}\n")
        settings = {
            "LocalSocket": folder / "clamd.sock",
            "DatabaseDirectory": folder / "database",
            "TemporaryDirectory": folder,
            "Foreground": "yes",
            "StreamMaxLength": str(MOST),
            "MaxThreads": "4",
        }
        (folder / "clamd.conf").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        process = await asyncio.create_subprocess_exec(
            program(),
            f"--config-file={folder / 'clamd.conf'}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
        )
        try:
            until = time.monotonic() + 60
            while not (folder / "clamd.sock").exists():
                assert process.returncode is None and time.monotonic() < until, "clamd did not start"
                await asyncio.sleep(0.05)
            yield str(folder / "clamd.sock")
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


@dataclass(slots=True)
class Double:
    """Speaks clamd's protocol as clamd does; ``answer`` says something else instead."""

    answer: bytes | None = None
    """What it says to every file; empty: it hangs up."""
    silent: bool = False
    asked: list[bytes] = field(default_factory=list)
    """What it was shown."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            command = await reader.readuntil(b"\0")
            if self.silent:
                await reader.read()
            elif command == b"zVERSION\0":
                writer.write(b"ClamAV 1.4.6\0" if self.answer is None else self.answer)
            elif command == b"zINSTREAM\0":
                writer.write(await self._stream(reader))
            await writer.drain()
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _stream(self, reader: asyncio.StreamReader) -> bytes:
        shown = bytearray()
        while length := struct.unpack(">I", await reader.readexactly(4))[0]:
            if len(shown) + length > MOST:
                return b"INSTREAM size limit exceeded. ERROR\0"
            shown += await reader.readexactly(length)
        self.asked.append(bytes(shown))
        if self.answer is not None:
            return self.answer
        return f"stream: {NAME}.UNOFFICIAL FOUND\0".encode() if EICAR in shown else b"stream: OK\0"


@asynccontextmanager
async def double() -> AsyncIterator[tuple[Double, str]]:
    """A double and the path of its socket."""
    with tempfile.TemporaryDirectory(prefix="clamd-") as name:
        one, path = Double(), str(Path(name) / "clamd.sock")
        server = await asyncio.start_unix_server(one.serve, path)
        try:
            yield one, path
        finally:
            server.close()


def with_files(*files: bytes) -> bytes:
    """An invoice with these files attached."""
    document = resources.files("gateway.ubl").joinpath("examples/network.xml").read_bytes()
    references = b"".join(
        b"<cac:AdditionalDocumentReference><cbc:ID>%d</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject "
        b'mimeCode="application/pdf" filename="%d.pdf">%s</cbc:EmbeddedDocumentBinaryObject></cac:Attachment>'
        b"</cac:AdditionalDocumentReference>" % (number, number, base64.b64encode(file))
        for number, file in enumerate(files, start=1)
    )
    place = document.index(b"<cac:AccountingSupplierParty>")
    return document[:place] + references + document[place:]


class Scripted:
    """A scanner that raises the next error of its list, or knows one file."""

    def __init__(self) -> None:
        self.away = 0
        self.asked: list[bytes] = []

    async def inspect(self, octets: bytes) -> Inspected:
        if self.away:
            self.away -= 1
            raise ScannerUnavailable("The virus scanner cannot be asked: Connection refused")
        self.asked.append(octets)
        return Inspected(found="Eicar.Test" if EICAR in octets else "", too_large=len(octets) > 1_000_000)

    async def version(self) -> str:
        return "scripted"
