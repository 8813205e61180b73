"""What a quiet account notices of a loud one on the same gateway, with a share for each account and without.

    python -m benchmarks.shares [--seconds 8] [--callers 256]

One account hands in invoices over so many connections without a pause, from a process of its own; another one asks for
its list ten times a second. Shown is how long those answers took: alone, beside one that stays within its share,
beside the flood with the shares as they are, and beside it without (``account_share = 0``); and how much of the
flood was accepted, how much refused.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks.gateway import SAMPLE, node
from benchmarks.load import play, request
from gateway.app import SystemClock
from gateway.config import load
from gateway.model.identifiers import AccountId
from gateway.network.market import FIRST_PORT, Market, new_market
from gateway.store import open_store
from gateway.web.invitation import hash_secret

_QUIET = "gwk_" + "q" * 43
_PAUSE = 0.1
_SHARE_PAUSE = 1 / 27
"""Between two calls of one who stays below the share of 25 a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--callers", type=int, default=256)
    parser.add_argument("--first-port", type=int, default=FIRST_PORT)
    parser.add_argument("--flood", nargs=2, metavar=("URL", "KEY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.flood:
        url, key = arguments.flood
        asyncio.run(_flood(url, key, arguments.callers, arguments.seconds))
        return
    with tempfile.TemporaryDirectory() as directory:
        market = new_market(Path(directory) / "m", 1, now=datetime.now(UTC), first_port=arguments.first_port)
        asyncio.run(_measure(market, arguments.seconds, arguments.callers))


async def _measure(market: Market, seconds: float, callers: int) -> None:
    config = market.members[0].config
    async with node(market):
        pass  # its first start makes the first account
    settings = load(config, {})
    where = settings.store
    async with open_store(where.database, where.payloads, SystemClock(), base=settings.base) as store:
        await store.add_account(AccountId("quiet"), "Quiet AB", hash_secret(_QUIET))
    written = config.read_text()
    print(f"{'':22}{'p50 ms':>9}{'p95 ms':>9}{'accepted/s':>12}{'refused/s':>11}")
    for name, more, loud in (
        ("alone", "", 0),
        ("beside, at its share", "", 1),
        ("beside, shares", "", callers),
        ("beside, no shares", "account_share = 0\naccount_at_once = 1000\n", callers),
    ):
        config.write_text(written.replace("[api]\n", f"[api]\n{more}"))
        async with node(market):
            await _row(market, name, seconds, loud)


async def _row(market: Market, name: str, seconds: float, callers: int) -> None:
    member, took, told = market.members[0], list[float](), "0 0"
    url = f"http://{member.api}/v1/documents"
    flood = None
    if callers:
        words = ["--flood", url, member.key_file.read_text().strip()]
        words += ["--callers", f"{callers}", "--seconds", f"{seconds}"]
        flood = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.shares", *words), stdout=asyncio.subprocess.PIPE
        )
        assert flood.stdout is not None
        await flood.stdout.readline()
    headers = {"Authorization": f"Bearer {_QUIET}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.perf_counter()
            async with http.get(url) as answer:
                assert answer.status == 200, answer.status
                await answer.read()
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(_PAUSE)
    if flood is not None:
        told = (await flood.communicate())[0].decode()
    accepted, refused = (int(number) / seconds for number in told.split())
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"{name:22}{statistics.median(took):9.1f}{p95:9.1f}{accepted:12.0f}{refused:11.0f}", flush=True)


async def _flood(url: str, key: str, callers: int, seconds: float) -> None:
    """Hand in without a pause; a refused call is tried again at once, which is the worst that a caller can do."""
    until, counts = time.monotonic() + seconds, {202: 0, 429: 0}
    print("begun", flush=True)

    def counted(status: int, _: bytes) -> bool:
        counts[status] += 1
        return True

    hand_in = request(url, "application/xml", SAMPLE, Authorization=f"Bearer {key}")
    while time.monotonic() < until:
        await play(url, [hand_in] * callers, callers, counted)
        if callers == 1:
            await asyncio.sleep(_SHARE_PAUSE)
    print(counts[202], counts[429])


if __name__ == "__main__":
    main()
