"""``gateway db upgrade`` and ``gateway db move``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from gateway.cli import YES
from gateway.cli.terminal import as_json, paint, say, table
from gateway.config import load

_WIDE: Final = 24
_CLEAR: Final = "\r\x1b[K"


def upgrade(arguments: argparse.Namespace) -> int:
    """Bring the schema up to this program; nothing to do is 0 too."""
    from gateway.upkeep import upgrade_store

    database = arguments.database or load(arguments.config).store.database
    done = asyncio.run(
        upgrade_store(database, _base(arguments), lambda number, what: say(f"  {number}: {what.strip()}"))
    )
    if arguments.json:
        as_json({"before": done.before, "after": done.after})
    elif done.before == done.after:
        print(f"{paint('✓', 'green')} the schema has version {done.after} already")
    else:
        print(f"{paint('✓', 'green')} the schema had version {done.before} and has {done.after}")
    return YES


def move(arguments: argparse.Namespace) -> int:
    """Move a store; what was broken off is done by the same command again."""
    from gateway.upkeep import move_store

    shown = _Shown()
    try:
        done = asyncio.run(
            move_store(arguments.source, arguments.target, _base(arguments), shown.tell, replace=arguments.replace)
        )
    finally:
        shown.end()
    if arguments.json:
        tables = {name: {"rows": one.rows, "sha256_sum": one.text} for name, one in done.tables.items()}
        as_json({"from": done.source, "to": done.target, "tables": tables})
        return YES
    print(
        table(["table", "rows", "the same on both sides"], [[n, str(d.rows), d.text] for n, d in done.tables.items()])
    )
    print(f"{paint('✓', 'green')} {done.target} has everything; {done.source} is marked as moved away")
    print("  Now set [store] database to it. The payload folder stays where it is.")
    return YES


def _base(arguments: argparse.Namespace) -> Path:
    """What relative paths begin at: the folder of the configuration."""
    return Path(arguments.config or os.environ.get("GATEWAY_CONFIG") or "config.toml").absolute().parent


class _Shown:
    """One line that grows, where a person looks on."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._any = False

    def tell(self, what: str, done: int, total: int) -> None:
        if self._on:
            filled = _WIDE * done // max(total, 1)
            sys.stderr.write(f"{_CLEAR}  {what:<24} {'█' * filled}{'·' * (_WIDE - filled)} {done:,} of {total:,}")
            sys.stderr.flush()
            self._any = True

    def end(self) -> None:
        if self._any:
            sys.stderr.write(_CLEAR)
