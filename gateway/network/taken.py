"""Which ports of a market others hold, and who: told before anything starts. [I/O]

Who holds one stands in /proc (Linux), for processes that we may look at.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.errors import TemporaryError
from gateway.network.market import PORT_VARIABLE, Market

_PROC: Final = Path("/proc")
_LISTENS: Final = "0A"
_COMMAND_MOST: Final = 120


class PortsTaken(TemporaryError):
    """Other programs hold ports of the market."""

    remedy = (
        "Often this market, or another, is still up: end it with Ctrl-C where it runs, or with kill and the number. "
        f"Or make a market on other ports: {PORT_VARIABLE}=19400 gateway network new OTHER-DIR"
    )


def check_ports(market: Market) -> None:
    """Raises :class:`PortsTaken`, which names every port of the market that is taken, its use, and who has it."""
    taken = [
        f"\n  {host}:{port} ({what}): {_holder(port, kind)}"
        for what, (host, port), kind in _places(market)
        if _is_taken(host, port, kind)
    ]
    if taken:
        raise PortsTaken("The market cannot start, because others hold its ports:" + "".join(taken))


def _places(market: Market) -> Iterator[tuple[str, tuple[str, int], socket.SocketKind]]:
    yield "DNS, UDP", market.dns, socket.SOCK_DGRAM
    yield "DNS, TCP", market.dns, socket.SOCK_STREAM
    shared = {
        "SML": market.sml,
        "SMPs with faults": market.front,
        "revocation lists": market.lists,
    }
    for what, place in shared.items():
        if place:
            yield what, place, socket.SOCK_STREAM
    for member in market.members:
        for what, address in (("AS4", member.as4), ("API", member.api), ("SMP", member.smp)):
            host, _, port = address.rpartition(":")
            yield f"{member.name}'s {what}", (host, int(port)), socket.SOCK_STREAM


def _is_taken(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:  # as the servers do: connections that have just ended are no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE  # what else may be wrong, the server itself says
        return False


def _holder(port: int, kind: socket.SocketKind) -> str:
    sockets = set(_inodes(port, kind))
    for process in _PROC.glob("[0-9]*") if sockets else ():
        with suppress(OSError):  # it has ended, or is another user's
            if any(_reads(one) in sockets for one in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
                return f"process {process.name}, {words[:_COMMAND_MOST]}"
    return "another program"


def _reads(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


def _inodes(port: int, kind: socket.SocketKind) -> Iterator[str]:
    """The sockets at this port, as /proc calls them."""
    name = "tcp" if kind is socket.SOCK_STREAM else "udp"
    for file in (f"net/{name}", f"net/{name}6"):
        try:
            rows = (_PROC / file).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            listens = kind is socket.SOCK_DGRAM or fields[3] == _LISTENS
            if listens and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"
