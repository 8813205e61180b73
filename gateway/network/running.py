"""Run a market: the DNS server of its zone here, each gateway as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final

from gateway.errors import ConfigurationError, TemporaryError
from gateway.network.authorities import serve_authorities
from gateway.network.faults import Faults, faults_of
from gateway.network.front import Bent, serve_front
from gateway.network.market import ZONE, Market, Member
from gateway.network.sml import Sml, serve_sml
from gateway.network.taken import check_ports
from gateway.smp.zone_server import serve_zone

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 40.0
_LOOK: Final = 0.3
"""Seconds between two looks at the switches."""


class DidNotStart(TemporaryError):
    """A gateway of the market did not start."""

    remedy = "Read its log in the market's directory; often another program holds one of the ports."


@dataclass(frozen=True, slots=True)
class Running:
    """One gateway that runs."""

    member: Member
    pid: int
    sign_in: str = ""
    """Where its first administrator chooses a password, as long as nobody has one."""


@asynccontextmanager
async def run_market(market: Market) -> AsyncIterator[tuple[Running, ...]]:
    """Everything listens inside the block; at its end each gateway drains and ends.

    Raises :class:`~gateway.network.taken.PortsTaken` before anything starts, and :class:`DidNotStart`.
    """
    check_ports(market)
    async with AsyncExitStack() as stack:
        faults = faults_of(market)
        bend = Bent(market, faults)
        await stack.enter_async_context(serve_zone(market.zone_file, market.dns, bend))
        await stack.enter_async_context(serve_authorities(market))
        await stack.enter_async_context(serve_front(market))
        if market.sml:
            register = Sml(market.zone_file, market.directory / "sml.json", name=ZONE)
            await stack.enter_async_context(serve_sml(register, market.sml))
        processes = []
        for member in market.members:
            log = stack.enter_context((member.directory / "log.jsonl").open("ab"))
            processes.append(await stack.enter_async_context(_process(member, log)))
        running = []
        for member, process in zip(market.members, processes, strict=True):
            ready = await _ready(member, process)
            running.append(Running(member, process.pid, str(ready.get("sign_in", ""))))
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(_tell(faults, processes))
            try:
                yield tuple(running)
            finally:
                telling.cancel()


async def _tell(faults: Faults, processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Have every gateway look again when a switch was thrown: at look-ups, revocation lists, keys."""
    known = faults.all()
    while True:
        await asyncio.sleep(_LOOK)
        with suppress(ConfigurationError):
            if (now := faults.all()) != known:
                known = now
                for process in processes:
                    if process.returncode is None:
                        process.send_signal(signal.SIGHUP)


@asynccontextmanager
async def _process(member: Member, log: IO[bytes]) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--json", "--config", str(member.config)),
        *("--parent", str(os.getpid())),  # so that none is left behind when we are killed
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=True,  # Ctrl-C is for us; we tell the gateways to drain
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(member: Member, process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline()
            ready: dict[str, Any] = json.loads(line)
    except (TimeoutError, ValueError):
        raise DidNotStart(f"{member.name} did not start; see {member.directory / 'log.jsonl'}") from None
    if "ready" not in ready:  # it has said why it ends instead
        said = "; ".join(f"{one['path']}: {one['message']}" for one in ready.get("problems", ())) or str(ready)
        raise DidNotStart(f"{member.name} did not start: {said[:500]}")
    return ready
