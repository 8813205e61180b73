"""Asks clamd whether a file carries a virus: one connection for each file, over a socket of the machine or TCP. [I/O]

Source: ClamAV's manual page clamd(8): ``zINSTREAM``, then pieces with four octets of length (big-endian) before each,
an empty piece at the end; the answer ends with a zero octet.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.errors import ScannerUnavailable
from gateway.ports.antivirus import Inspected

_PIECE: Final = 1 << 16
_LENGTH: Final = struct.Struct(">I")
_MOST_SAID: Final = 4_000
_CONNECT_SECONDS: Final = 5.0
_TOO_LARGE: Final = "size limit exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamd:
    """Implements :class:`~gateway.ports.antivirus.VirusScanner`."""

    path: str = ""
    """Of its socket on this machine; else ``host`` and ``port``."""
    host: str = ""
    port: int = 3310
    largest: int = 25_000_000
    """Octets of a file that it takes (its ``StreamMaxLength``); more is not sent at all."""
    seconds: float = 60.0
    """For one file."""

    async def inspect(self, octets: bytes) -> Inspected:
        """Look at one file. Raises ``ScannerUnavailable`` where there is no verdict."""
        if len(octets) > self.largest:
            return Inspected(too_large=True)
        said = await self._ask(b"zINSTREAM\0", octets)
        if said == "stream: OK":
            return Inspected()
        if said.startswith("stream: ") and said.endswith(" FOUND"):
            return Inspected(found=_plain(said.removeprefix("stream: ").removesuffix(" FOUND")) or "something")
        if _TOO_LARGE in said:
            return Inspected(too_large=True)
        raise ScannerUnavailable(f"The virus scanner gave no verdict: {_plain(said) or 'nothing'}")

    async def version(self) -> str:
        """What it is and of when its signatures are. Raises ``ScannerUnavailable``."""
        if said := _plain(await self._ask(b"zVERSION\0")):
            return said
        raise ScannerUnavailable("The virus scanner does not say what it is")

    async def _ask(self, command: bytes, octets: bytes | None = None) -> str:
        try:
            async with asyncio.timeout(self.seconds):
                line = await self._connected()
                with line:
                    async with asyncio.TaskGroup() as tasks:
                        feeding = tasks.create_task(_feed(line, command, octets))
                        said = await _answer(line)  # before it has heard all, where that is too large
                        feeding.cancel()
                return said
        except TimeoutError as error:
            raise ScannerUnavailable(f"The virus scanner gave no answer within {self.seconds:g} seconds") from error
        except OSError as error:
            why = error.strerror or "it broke off"
            raise ScannerUnavailable(f"The virus scanner cannot be asked: {why}") from error

    async def _connected(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(min(_CONNECT_SECONDS, self.seconds)):
            if self.path:
                return await _connect(loop, socket.AF_UNIX, self.path)
            places = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            for family, _, _, _, address in places[:-1]:
                with suppress(OSError):
                    return await _connect(loop, family, address)
            family, _, _, _, address = places[-1]
            return await _connect(loop, family, address)


async def _connect(loop: asyncio.AbstractEventLoop, family: int, address: object) -> socket.socket:
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        await loop.sock_connect(line, address)  # type: ignore[arg-type]
    except BaseException:
        line.close()
        raise
    return line


async def _feed(line: socket.socket, command: bytes, octets: bytes | None) -> None:
    """Say it. That it does not listen any more is no error: its answer says why, and can still be read."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        await loop.sock_sendall(line, command)
        if octets is None:
            return
        for start in range(0, len(octets), _PIECE):
            piece = octets[start : start + _PIECE]
            await loop.sock_sendall(line, _LENGTH.pack(len(piece)) + piece)
        await loop.sock_sendall(line, _LENGTH.pack(0))


async def _answer(line: socket.socket) -> str:
    """Up to the zero octet; empty when it breaks off or says too much: half a verdict is none."""
    loop, heard = asyncio.get_running_loop(), bytearray()
    while len(heard) < _MOST_SAID:
        try:
            piece = await loop.sock_recv(line, 1_024)
        except ConnectionError:
            break
        if not piece:
            break
        heard += piece
        if (end := heard.find(b"\0")) >= 0:
            return heard[:end].decode("utf-8", "replace").strip()
    return ""


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:200].strip()
