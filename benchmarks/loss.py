"""Messages over a line that loses and refuses packets: none may be lost, none arrive twice.

    python -m benchmarks.loss [--messages 1000] [--drop 25] [--reject 5]

Two gateways, DNS and SMPs run in a network namespace of their own, in which so many of a hundred packets are dropped or
refused (nftables, numgen). Documents are handed in over the API, which is no better off, each under its idempotency
key; what arrived is counted at the other side. Needs root, iproute2 and nftables. Exit code 0: each arrived once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.memory import FACTS, SAMPLE
from gateway.network.market import Market, new_market
from gateway.network.running import run_market

_AT_ONCE: Final = 16
_TRIES: Final = 100
_PATIENCE_SECONDS: Final = 900.0
_NUMBER: Final = b"202611870"
"""The invoice number of the example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One gateway as its company sees it over a bad line."""

    http: aiohttp.ClientSession
    url: str
    key: str

    async def call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """Ask until there is an answer; what was handed in carries a key, so asking again is no second document."""
        headers = {"Authorization": f"Bearer {self.key}", **what.pop("headers", {})}
        for _ in range(_TRIES):
            try:
                async with self.http.request(method, self.url + path, headers=headers, **what) as answer:
                    if answer.status < 300:
                        said: dict[str, Any] = await answer.json()
                        return said
                    if answer.status != 503:
                        raise SystemExit(f"{method} {path}: {answer.status} {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.2)
        raise SystemExit(f"{method} {path}: no answer in {_TRIES} tries")

    async def pages(self, path: str) -> list[dict[str, Any]]:
        """Every item of a list."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.call("GET", f"{path}&limit=200{'&cursor=' + cursor if cursor else ''}")
            found, cursor = found + page["items"], page["next"]
            if not cursor:
                return found


async def measure(directory: Path, messages: int) -> int:
    """Send so many inside the namespace, and count."""
    market = new_market(directory / "market", 2, now=datetime.now(UTC))
    timeout = aiohttp.ClientTimeout(total=30)
    async with run_market(market), aiohttp.ClientSession(timeout=timeout) as http:
        ours, theirs = (_side(market, http, number) for number in range(2))
        for side, party in ((ours, FACTS.seller), (theirs, FACTS.buyer)):
            assert party.endpoint is not None
            await side.call("POST", "/v1/participants", json={"id": party.endpoint.value, "country": "SE"})
        began = time.monotonic()
        places = asyncio.Semaphore(_AT_ONCE)

        async def hand_in(number: int) -> str:
            octets = SAMPLE.replace(_NUMBER, f"L{number}".encode())
            headers = {"Content-Type": "application/xml", "Idempotency-Key": f"loss-{number}"}
            async with places:
                row = await ours.call("POST", "/v1/documents?route=peppol", data=octets, headers=headers)
            return str(row["id"])

        ids = set(await asyncio.gather(*map(hand_in, range(messages))))
        print(f"  {len(ids):,} accepted after {time.monotonic() - began:.0f} s", file=sys.stderr)
        states: Counter[str] = Counter()
        while time.monotonic() - began < _PATIENCE_SECONDS:
            states = Counter(row["state"] for row in await ours.pages("/v1/documents?direction=out"))
            print(f"  {time.monotonic() - began:.0f} s: {dict(states)}", file=sys.stderr)
            if not states["ACCEPTED"]:
                break
            await asyncio.sleep(5)
        arrived = Counter(str(row["number"]) for row in await theirs.pages("/v1/inbox?state=all"))
        seconds = time.monotonic() - began
    lost = messages - len(arrived)
    twice = sum(times > 1 for times in arrived.values())
    print(
        f"{messages:,} messages in {seconds:.0f} s: {dict(states)}; "
        f"arrived {len(arrived):,}, lost {lost}, twice {twice}"
    )
    return 1 if lost or twice or set(states) != {"SENT"} or len(ids) != messages else 0


def _side(market: Market, http: aiohttp.ClientSession, number: int) -> Side:
    member = market.members[number]
    return Side(http=http, url=f"http://{member.api}", key=member.key_file.read_text().strip())


@contextmanager
def bad_line(drop: int, reject: int) -> Iterator[str]:
    """A network namespace whose loopback loses so many of a hundred packets; gives its name."""
    name = f"gateway-loss-{os.getpid()}"
    inside = ("ip", "netns", "exec", name)
    rules = "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; "
    for share, verdict in ((drop, "drop"), (reject, "reject")):
        rules += f"add rule inet loss in numgen random mod 100 < {share} counter {verdict}; " if share else ""
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        subprocess.run([*inside, "nft", rules], check=True)
        yield name
        subprocess.run([*inside, "nft", "list", "chain", "inet", "loss", "in"], check=True)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def main() -> int:
    """Read the arguments, make the line, and run inside it."""
    parser = argparse.ArgumentParser(prog="benchmarks.loss", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--drop", type=int, default=25, help="of a hundred packets")
    parser.add_argument("--reject", type=int, default=5, help="of a hundred packets")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        with tempfile.TemporaryDirectory(prefix="loss-") as directory:
            return asyncio.run(measure(Path(directory), given.messages))
    if os.geteuid() or not (shutil.which("ip") and shutil.which("nft")):
        sys.exit("benchmarks.loss needs root, iproute2 and nftables")
    with bad_line(given.drop, given.reject) as name:
        words = [sys.executable, "-m", "benchmarks.loss", "--inside", "--messages", str(given.messages)]
        return subprocess.run(["ip", "netns", "exec", name, *words]).returncode


if __name__ == "__main__":
    sys.exit(main())
