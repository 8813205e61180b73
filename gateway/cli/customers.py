"""``gateway sweep``, ``gateway counterparts …`` and ``gateway proposals …`` in the command tree."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

EXAMPLES: Final = {
    "sweep": "gateway sweep --watch",
    "counterparts": "gateway counterparts check customers.csv && gateway counterparts import customers.csv",
    "proposals": "gateway proposals list && gateway proposals accept 3f0c…",
}

Add = Callable[..., argparse.ArgumentParser]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], add: Add) -> None:
    """Add the three to the command tree."""
    sweep = add(commands, "sweep", "sweep:run", "look every customer up anew, and tell what is different", client=True)
    sweep.add_argument("--account", metavar="A", default="", help="another account than the key's (operator only)")
    sweep.add_argument("--watch", action="store_true", help="follow it to its end")
    sweep.add_argument("--last", action="store_true", help="begin none: show the last one")
    _counterparts(commands, add)
    _proposals(commands, add)


def _counterparts(commands: argparse._SubParsersAction[argparse.ArgumentParser], add: Add) -> None:
    group = commands.add_parser("counterparts", help="customers and suppliers of the account")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    listing = add(actions, "list", "counterparts:list_all", "by name", client=True, example="counterparts")
    listing.add_argument("--search", metavar="TEXT", default="", help="name, number, identifier or e-mail address")
    listing.add_argument("--limit", type=int, default=50)
    checking = add(
        actions,
        "check",
        "counterparts:check",
        "a register as CSV: what would become of each line",
        client=True,
        example="counterparts",
    )
    importing = add(
        actions, "import", "counterparts:read_in", "take a register as CSV", client=True, example="counterparts"
    )
    for action in (checking, importing):
        action.add_argument("file", type=Path, metavar="FILE", help="CSV with a heading; - reads stdin")
    exporting = add(
        actions, "export", "counterparts:write_out", "the register as CSV", client=True, example="counterparts"
    )
    exporting.add_argument("--output", type=Path, metavar="FILE", help="default: stdout")
    listing.add_argument("--role", choices=("customer", "supplier"), help="default: both")
    for action in (checking, importing, exporting):
        action.add_argument("--role", choices=("customer", "supplier"), default="customer", help="default: customer")


def _proposals(commands: argparse._SubParsersAction[argparse.ArgumentParser], add: Add) -> None:
    group = commands.add_parser("proposals", help="who could be moved to e-invoice, and what that saves")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    listing = add(
        actions, "list", "proposals:list_all", "the one that saves most first", client=True, example="proposals"
    )
    listing.add_argument("--state", metavar="STATE", default="", help="open (default), all, or states with commas")
    listing.add_argument("--direction", choices=("in", "out"), help="in: suppliers; out: customers; default: both")
    listing.add_argument("--limit", type=int, default=50)
    for name, text in (
        ("accept", "from the next document on it goes the new way"),
        ("decline", "it stays as it is, and is not proposed again"),
        ("snooze", "it is proposed again later"),
    ):
        action = add(actions, name, f"proposals:{name}", text, client=True, example="proposals")
        action.add_argument("ids", nargs="+", metavar="ID")
        action.add_argument("--reason", default="", metavar="TEXT", help="kept with the decision")
        if name == "snooze":
            action.add_argument("--until", type=_day, metavar="DAY", help="for example 2027-01-15 (default: a month)")


def _day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
