"""``gateway db …``: what is done with a whole store. Each job stands in its own module."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

EXAMPLE: Final = "gateway db backup /backup/2026-11-28 && gateway db restore /backup/2026-11-28"

Add = Callable[..., argparse.ArgumentParser]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], add: Add) -> None:
    """Add the group to the command tree."""
    actions = commands.add_parser("db", help="the store: schema, move, backup, restore").add_subparsers(
        metavar="ACTION", required=True
    )
    upgrade = add(actions, "upgrade", "move:upgrade", "bring the schema up to this program", example="db")
    upgrade.add_argument("database", nargs="?", metavar="DATABASE", help="default: [store] database")
    move = add(
        actions, "move", "move:move", "move a store between SQLite and PostgreSQL, while no gateway runs", example="db"
    )
    move.add_argument("source", metavar="FROM", help="as [store] database says: sqlite:PATH or postgresql://…")
    move.add_argument("target", metavar="TO", help="an empty database")
    move.add_argument("--replace", action="store_true", help="TO holds a store that was moved away; replace it")
    backup = add(actions, "backup", "backup:backup", "copy the store while it is in use", example="db")
    backup.add_argument("target", type=Path, metavar="TARGET", help="a new folder, best on another disk")
    restore = add(
        actions,
        "restore",
        "backup:restore",
        "bring a backup back; nothing is sent before a person has confirmed the gap",
        example="db",
    )
    restore.add_argument("source", type=Path, metavar="SOURCE", help="the folder of a backup")
    restore.add_argument(
        "--replace", action="store_true", help="set a database that is there aside, under another name"
    )
    reconcile = add(
        actions,
        "reconcile",
        "backup:reconcile",
        "after a restore: what may have left since the backup; let work go on",
        client=True,
        example="db",
    )
    reconcile.add_argument("--confirm", action="store_true", help="the gap was looked at: documents go out again")
    reconcile.add_argument(
        "--hold", action="store_true", help="with --confirm: set every document in doubt aside, to be requeued"
    )
    reconcile.add_argument(
        "--begin",
        type=_moment,
        metavar="TIME",
        help="with the gateway stopped: the database was brought back by other tools, as it was then (ISO 8601)",
    )
    purge = add(actions, "purge", "retention:purge", "erase what is older than its period", client=True, example="db")
    purge.add_argument("--dry-run", action="store_true", help="only tell how much that would be")
    erase = add(actions, "erase", "retention:erase", "erase the content of one document", client=True, example="db")
    hold = add(actions, "hold", "retention:hold", "keep a document whatever its age", client=True, example="db")
    hold.add_argument("--release", action="store_true", help="let it go again")
    for action in (erase, hold):
        action.add_argument("id", metavar="ID")
        action.add_argument("--reason", required=True, metavar="TEXT", help="it is written down")


def _moment(text: str) -> object:
    from datetime import UTC, datetime

    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
