"""``gateway counterparts``: customers and suppliers of the account, through the running node's API."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final
from urllib.parse import urlencode

from gateway.cli import NO, WRONG, YES
from gateway.cli.api_client import ApiClient
from gateway.cli.terminal import as_json, paint, say, table

_PAGE: Final = 200
_PATIENCE: Final = 300.0
"""Seconds for a register of fifty thousand lines."""


def list_all(arguments: argparse.Namespace) -> int:
    """A table by name; ``--json`` prints one object a line."""
    client = ApiClient.of(arguments)
    items: list[dict[str, Any]] = []
    query = {"q": arguments.search, "role": arguments.role or ""}
    cursor = ""
    while len(items) < arguments.limit:
        wanted = {**query, "limit": str(min(_PAGE, arguments.limit - len(items))), "cursor": cursor}
        page = client.call("GET", f"/v1/counterparts?{urlencode({k: v for k, v in wanted.items() if v})}")
        items += page["items"]
        cursor = page["next"] or ""
        if not cursor:
            break
    if arguments.json:
        for item in items:
            as_json(item)
        return YES
    rows = [[i["number"] or "", i["name"], i["role"], _address(i), i["email"] or "", _settings(i)] for i in items]
    print(table(["number", "name", "role", "address", "e-mail", "set to"], rows) if rows else "No counterparts.")
    if cursor:
        say(f"There are more: --limit {arguments.limit * 2}")
    return YES


def check(arguments: argparse.Namespace) -> int:
    """What would become of each line; nothing is written. Exit 1 where a line cannot be taken."""
    return _read(arguments, dry_run=True)


def read_in(arguments: argparse.Namespace) -> int:
    """Take every line that is good; exit 1 where one was not."""
    return _read(arguments, dry_run=False)


def write_out(arguments: argparse.Namespace) -> int:
    """The register, as the import takes it."""
    path = f"/v1/counterparts/export?{urlencode({'role': arguments.role})}"
    octets = ApiClient.of(arguments).octets(path, timeout=_PATIENCE)
    if arguments.output is None or str(arguments.output) == "-":
        sys.stdout.buffer.write(octets)
        return YES
    try:
        arguments.output.write_bytes(octets)
    except OSError as error:
        say(f"✗ {arguments.output} cannot be written: {error.strerror}")
        return WRONG
    lines = max(0, octets.count(b"\r\n") - 1)
    as_json({"file": str(arguments.output), "lines": lines}) if arguments.json else print(
        f"{paint('✓', 'green')} {arguments.output}: {lines:,} {arguments.role}s"
    )
    return YES


def _read(arguments: argparse.Namespace, *, dry_run: bool) -> int:
    try:
        octets = sys.stdin.buffer.read() if str(arguments.file) == "-" else arguments.file.read_bytes()
    except OSError as error:
        say(f"✗ {arguments.file} cannot be read: {error.strerror}")
        return WRONG
    query = urlencode({"role": arguments.role, "dry_run": "true" if dry_run else "false"})
    headers = {"Content-Type": "text/csv"}
    path = f"/v1/counterparts/import?{query}"
    said = ApiClient.of(arguments).call("POST", path, body=octets, headers=headers, timeout=_PATIENCE)
    if arguments.json:
        as_json(said)
        return NO if said["wrong"] else YES
    problems = [
        [str(line["line"]), line["name"] or "", one["column"] or "", one["value"] or "", one["en"]]
        for line in said["items"]
        for one in line["problems"]
    ]
    if problems:
        print(table(["line", "name", "column", "value", "problem"], problems))
    if said["left_out"]:
        print(f"{said['left_out']:,} more lines with problems are left out.")
    if said["unknown_columns"]:
        print(f"{paint('!', 'yellow')} columns that mean nothing here: {', '.join(said['unknown_columns'])}")
    counts = ", ".join(f"{said[word]:,} {word}" for word in ("new", "changed", "same", "wrong"))
    mark = paint("✗", "red") if said["wrong"] else paint("✓", "green")
    done = "would be" if dry_run else "are"
    print(f"{mark} {said['lines']:,} lines ({said['encoding']}): {counts}; {said['good']:,} {done} in the register")
    return NO if said["wrong"] else YES


def _address(item: dict[str, Any]) -> str:
    """The number under which it is most likely on the network."""
    usable = [i for i in item["identifiers"] if i["trust"] and len(i["scheme"]) == 4 and i["scheme"].isdigit()]
    best = max(usable, key=lambda i: i["trust"], default=None)
    return f"{best['scheme']}:{best['value']}" if best else ""


def _settings(item: dict[str, Any]) -> str:
    words = [f"only {item['route']}" if item["route"] != "auto" else "", item["preferred"] or ""]
    words += [f"no {way}" for way in item["opt_out"]]
    return ", ".join(word for word in words if word)
