"""``gateway sweep``: look every customer up anew through the running node, with progress and the differences."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, Final
from urllib.parse import urlencode

from gateway.cli import NOT_NOW, YES
from gateway.cli.api_client import ApiClient
from gateway.cli.terminal import as_json, columns, paint, say, table

_PAUSE: Final = 0.5
_SHOWN_MOST: Final = 1_000
"""Lines of a report in a terminal."""
_MARKS: Final = {
    "appeared": "green",
    "back": "green",
    "moved": "cyan",
    "certificate": "dim",
    "doubted": "yellow",
    "vanished": "yellow",
    "lost": "red",
    "unknown": "dim",
}


def run(arguments: argparse.Namespace) -> int:
    """Begin one, or go on with the one that runs; with ``--watch`` to its end. Exit 3 where somebody had no answer."""
    client = ApiClient.of(arguments)
    account = {"account": arguments.account} if arguments.account else {}
    if arguments.last:
        items = client.call("GET", f"/v1/sweeps?{urlencode({'limit': 1, **account})}")["items"]
        if not items:
            say("There was no sweep yet: `gateway sweep` begins one.")
            return YES
        sweep = items[0]
    else:
        sweep = client.call("POST", f"/v1/sweeps?{urlencode(account)}" if account else "/v1/sweeps")
    if arguments.watch:
        sweep = _follow(client, sweep, account)
    if sweep["state"] != "done" and not arguments.last:
        return _begun(sweep, arguments)
    report = _report(client, sweep, account)
    if arguments.json:
        as_json({**sweep, "differences": report})
    else:
        _show(sweep, report)
    return NOT_NOW if sweep["unknown"] else YES


def _begun(sweep: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        as_json(sweep)
    else:
        print(f"{paint('…', 'yellow')} sweep {sweep['id']} is {sweep['state']}; look again with --last, or --watch")
    return YES


def _follow(client: ApiClient, sweep: dict[str, Any], account: dict[str, str]) -> dict[str, Any]:
    """Until it has ended."""
    live = sys.stderr.isatty()
    said = 0.0
    while sweep["state"] != "done":
        if live:
            sys.stderr.write("\r" + _bar(sweep) + "\x1b[K")
            sys.stderr.flush()
        elif time.monotonic() - said >= 10:
            said = time.monotonic()
            say(_bar(sweep))
        time.sleep(_PAUSE)
        sweep = client.call("GET", f"/v1/sweeps/{sweep['id']}?{urlencode({'limit': 1, **account})}")
    if live:
        sys.stderr.write("\r\x1b[K")
    return sweep


def _bar(sweep: dict[str, Any]) -> str:
    """``████░░░░ 1,204 of 10,000  3 found, 1 moved …`` as wide as the terminal allows."""
    total, done = max(sweep["total"], 1), sweep["done"]
    counts = f"{done:,} of {sweep['total']:,}  {_counts(sweep)}"
    room = max(10, min(40, columns() - len(counts) - 4))
    full = room * min(done, total) // total
    return f"{paint('█' * full, 'green', to=sys.stderr)}{'░' * (room - full)} {counts}"


def _counts(sweep: dict[str, Any]) -> str:
    words = ("found", "moved", "doubted", "lost", "unknown")
    return ", ".join(f"{sweep[word]:,} {word}" for word in words if sweep[word]) or "no differences"


def _report(client: ApiClient, sweep: dict[str, Any], account: dict[str, str]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    cursor = ""
    while len(lines) < _SHOWN_MOST:
        query = urlencode({"limit": 200, **({"cursor": cursor} if cursor else {}), **account})
        page = client.call("GET", f"/v1/sweeps/{sweep['id']}?{query}")
        lines += page["differences"]
        cursor = page["next"] or ""
        if not cursor:
            break
    return lines


def _show(sweep: dict[str, Any], report: list[dict[str, Any]]) -> None:
    if report:
        rows = [[one["name"], one["change"], one["participant"] or "", one["text"]] for one in report]
        styles = [["", _MARKS.get(one["change"], ""), "", ""] for one in report]
        print(table(["customer", "change", "participant", "what"], rows, styles=styles))
    mark = paint("✓", "green") if sweep["state"] == "done" else paint("…", "yellow")
    print(f"{mark} {sweep['done']:,} of {sweep['total']:,} customers, {sweep['asked']:,} asked about: {_counts(sweep)}")
    print(f"  {sweep['questions']:,} questions to DNS, {sweep['requests']:,} requests to SMPs")
