"""``gateway network``: a whole private market on loopback."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.cli import YES
from gateway.cli.stopping import stop_on_signals
from gateway.cli.terminal import as_json, paint, table

if TYPE_CHECKING:
    from gateway.network.market import Market


def new(arguments: argparse.Namespace) -> int:
    """Make the files."""
    from gateway.network.market import new_market

    market = new_market(
        arguments.dir,
        arguments.gateways,
        now=datetime.now(UTC),
        tls=arguments.tls,
        sml=arguments.sml,
        revocation=arguments.revocation,
    )
    if arguments.json:
        as_json({"directory": str(market.directory), "gateways": [m.name for m in market.members]})
    else:
        print(f"{paint('✓', 'green')} {market.directory}: {len(market.members)} gateways, one PKI, one SML zone")
        print(f"  run it with: gateway network up {market.directory}")
    return YES


def fault(arguments: argparse.Namespace) -> int:
    """Switch one on or off, or say what there is."""
    from gateway.errors import ConfigurationError
    from gateway.network.faults import FAULTS, faults_of, set_fault
    from gateway.network.market import read_market

    market = read_market(arguments.dir)
    if arguments.fault:
        if not arguments.on and not arguments.off:
            raise ConfigurationError([("--on", "or --off is needed")])
        set_fault(market, arguments.fault, arguments.gateway, on=arguments.on)
    held = faults_of(market).all()
    if arguments.json:
        as_json([{"fault": name, "text": text, "on": sorted(held.get(name, ()))} for name, text in FAULTS.items()])
        return YES
    rows = [[name, ", ".join(sorted(held.get(name, ()))) or "off", text] for name, text in FAULTS.items()]
    print(table(["fault", "on for", "what goes wrong"], rows, styles=[["bold", "", "dim"] for _ in rows]))
    return YES


def up(arguments: argparse.Namespace) -> int:
    """Run it until Ctrl-C or SIGTERM."""
    from gateway.network.market import read_market

    market = read_market(arguments.dir)

    async def stay() -> None:
        from gateway.network.running import run_market

        stop_on_signals()
        async with run_market(market):
            _announce(market, json_wanted=arguments.json)
            await asyncio.Event().wait()

    with suppress(asyncio.CancelledError):  # the way it ends
        asyncio.run(stay())
    return YES


def _announce(market: Market, *, json_wanted: bool) -> None:
    if json_wanted:
        gateways = [
            {"name": m.name, "as4": m.as4_url, "api": f"http://{m.api}", "smp": m.smp_url}
            | {"config": str(m.config), "key_file": str(m.key_file)}
            for m in market.members
        ]
        as_json({"ready": True, "dns": f"{market.dns[0]}:{market.dns[1]}", "gateways": gateways})
        return
    rows = [[m.name, m.seat, m.as4, m.api, m.smp, str(m.config)] for m in market.members]
    print(table(["gateway", "seat", "AS4", "API", "SMP", "configuration"], rows))
    zone = f"{market.dns[0]}:{market.dns[1]}"
    print(f"{paint('ready', 'green', 'bold')}  SML zone at {zone}; Ctrl-C ends it", flush=True)
