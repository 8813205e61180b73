"""``gateway serve``: run the node."""

from __future__ import annotations

import argparse
import asyncio

from gateway.cli import NOT_NOW, YES
from gateway.cli.terminal import as_json, paint, say
from gateway.config import load


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; prints ``ready`` and the addresses once everything listens."""
    config = load(arguments.config)
    from gateway.server import log_as_json, serve

    log_as_json()

    def announce(ready: dict[str, object]) -> None:
        if arguments.json:
            as_json(ready)
            return
        if ready["ready"]:
            print(paint("ready", "green", "bold"))
        for name in ("as4", "api", "smp"):
            if name in ready:
                print(f"  {name:4} {ready[name]}")
        if "api_key" in ready:
            print(f"  first API key, shown this once: {ready['api_key']}", flush=True)
        print(end="", flush=True)

    try:
        asyncio.run(serve(config, announce))
    except OSError as error:
        say(f"{paint('✗', 'red')} cannot listen: {error}\n  Another program has the address; change the listen keys.")
        return NOT_NOW
    return YES
