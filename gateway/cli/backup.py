"""``gateway db backup``, ``restore``, ``reconcile``."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.cli import NO, NOT_NOW, YES
from gateway.cli.terminal import as_json, paint, say, table
from gateway.config import load

if TYPE_CHECKING:
    from gateway.config import Config

_SHOWN = 20


def backup(arguments: argparse.Namespace) -> int:
    """Copy the store; 1 when the store itself is damaged, though its copy was made."""
    from gateway.upkeep import back_up_store

    done = back_up_store(load(arguments.config), arguments.target)
    manifest = done.manifest
    if arguments.json:
        as_json({"path": str(done.path), **manifest})
    else:
        mark = paint("✗", "red") if done.damaged else paint("✓", "green")
        print(f"{mark} {done.path}: {manifest['documents']} documents, {manifest['files']} files of payloads")
        print(f"  as of {manifest['begun']}; check it any time: cd {done.path} && sha256sum --check --quiet SHA256SUMS")
    for file in done.damaged[:_SHOWN]:
        say(f"  damaged in the store: {file}; bring it back from an earlier backup")
    return NO if done.damaged else YES


def restore(arguments: argparse.Namespace) -> int:
    """Bring a backup back."""
    from gateway.upkeep import restore_store

    done = restore_store(load(arguments.config), arguments.source, replace=arguments.replace)
    if arguments.json:
        as_json(
            {
                "database": str(done.database),
                "backup": done.gap.backup.isoformat(),
                "restored": done.gap.restored.isoformat(),
                "documents": done.manifest["documents"],
                "set_aside": [str(path) for path in done.set_aside],
            }
        )
        return YES
    print(f"{paint('✓', 'green')} {done.database} is as it was at {done.gap.backup:%Y-%m-%d %H:%M:%S} UTC")
    for path in done.set_aside:
        print(f"  what was there before is now {path}")
    print("  Start the gateway; it takes new documents and sends nothing. Then look at the gap, and let work go on:")
    print("    gateway db reconcile\n    gateway db reconcile --confirm")
    return YES


def reconcile(arguments: argparse.Namespace) -> int:
    """Show the gap of a restored store, or let work go on; 3 while it waits."""
    if arguments.begin is not None:
        return _begin(load(arguments.config), arguments.begin, json=arguments.json)
    from gateway.cli.api_client import ApiClient

    client = ApiClient.of(arguments)
    if arguments.confirm:
        query = "hold" if arguments.hold else "send"
        done = client.call("POST", f"/v1/reconcile/confirm?doubtful={query}")
        if arguments.json:
            as_json(done)
        else:
            print(f"{paint('✓', 'green')} work goes on: {done['going_on']} documents under their old ids")
            if done["set_aside"]:
                print(f"  {done['set_aside']} are UNKNOWN: gateway list --state UNKNOWN, then gateway requeue ID")
        return YES
    gap = client.call("GET", "/v1/reconcile")
    if arguments.json:
        as_json(gap)
    elif gap["waits"]:
        _show(gap)
    else:
        print(f"{paint('✓', 'green')} nothing was restored that waits for a person")
    return NOT_NOW if gap["waits"] else YES


def _show(gap: dict[str, Any]) -> None:
    print(f"{paint('!', 'yellow')} restored from {gap['source']}, as of {gap['backup']}, at {gap['restored']}")
    print("  Nothing leaves. What was sent or received in between is known to others only: ask for it, then")
    print("    gateway db reconcile --confirm          documents below go out again under their old ids, letters wait")
    print("    gateway db reconcile --confirm --hold   every document below waits for you as UNKNOWN")
    rows = [[d["id"], d["state"], d["channel"], d["number"], d["receiver"], d["created"]] for d in gap["documents"]]
    if rows:
        print(table(["id", "state", "channel", "number", "receiver", "created"], rows[:_SHOWN]))
        if len(rows) > _SHOWN or gap["more"]:
            print("  and more: --json has up to 200 of them")
    else:
        print("  No document was on its way out at the backup.")


def _begin(config: Config, moment: datetime, *, json: bool) -> int:
    from gateway.upkeep import begin_reconciling

    asyncio.run(begin_reconciling(config, moment))
    if json:
        as_json({"waits": True, "backup": moment.isoformat()})
    else:
        print(f"{paint('✓', 'green')} nothing will leave before: gateway db reconcile --confirm")
    return YES
