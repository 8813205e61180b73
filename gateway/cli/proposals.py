"""``gateway proposals``: who could be moved to e-invoice and what that saves, through the running node's API."""

from __future__ import annotations

import argparse
from typing import Any, Final
from urllib.parse import quote, urlencode

from gateway.cli import NO, YES
from gateway.cli.api_client import ApiClient, Refused
from gateway.cli.terminal import as_json, paint, say, table

_PAGE: Final = 200
_DONE: Final = {"accept": "accepted", "decline": "declined", "snooze": "snoozed"}


def list_all(arguments: argparse.Namespace) -> int:
    """A table, the one that saves most first; ``--json`` prints one object a line."""
    client = ApiClient.of(arguments)
    items: list[dict[str, Any]] = []
    summary, cursor = "", ""
    while len(items) < arguments.limit:
        wanted = {
            "state": arguments.state,
            "direction": arguments.direction or "",
            "limit": str(min(_PAGE, arguments.limit - len(items))),
            "cursor": cursor,
        }
        page = client.call("GET", f"/v1/proposals?{urlencode({k: v for k, v in wanted.items() if v})}")
        items += page["items"]
        summary = page["summary"]["text"]
        cursor = page["next"] or ""
        if not cursor:
            break
    if arguments.json:
        for item in items:
            as_json(item)
        return YES
    rows = [
        [
            i["id"],
            i["state"],
            i["counterpart"]["name"],
            f"{i['from']} → {i['to']}",
            i["participant"] or "",
            f"{i['volume']:,}",
            f"{float(i['saving']['value']):,.0f} {i['saving']['currency']}",
            ", ".join(risk["code"] for risk in i["risks"]),
        ]
        for i in items
    ]
    heads = ["id", "state", "counterpart", "move", "address", "a year", "saves", "risks"]
    print(table(heads, rows, right=frozenset({5, 6})) if rows else "No proposals.")
    print(summary)
    return YES


def accept(arguments: argparse.Namespace) -> int:
    """From the next document on they go the new way."""
    return _decide(arguments, "accept")


def decline(arguments: argparse.Namespace) -> int:
    """They stay as they are."""
    return _decide(arguments, "decline")


def snooze(arguments: argparse.Namespace) -> int:
    """They are proposed again later."""
    return _decide(arguments, "snooze")


def _decide(arguments: argparse.Namespace, word: str) -> int:
    """Each by itself; exit 1 where one could not be decided."""
    import json

    client = ApiClient.of(arguments)
    body: dict[str, str] = {"reason": arguments.reason} if arguments.reason else {}
    if word == "snooze" and arguments.until:
        body["until"] = arguments.until.isoformat()
    refused = False
    for id_ in arguments.ids:
        path = f"/v1/proposals/{quote(id_, safe='')}/{word}"
        headers = {"Content-Type": "application/json"}
        try:
            after = client.call("POST", path, body=json.dumps(body).encode(), headers=headers)
        except Refused as error:
            refused = True
            say(f"{paint('✗', 'red')} {id_}: {error}")
            continue
        if arguments.json:
            as_json(after)
        else:
            until = f" until {after['snoozed_until'][:10]}" if after["snoozed_until"] else ""
            print(f"{paint('✓', 'green')} {after['counterpart']['name']}: {_DONE[word]}{until}")
    return NO if refused else YES
