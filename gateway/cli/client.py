"""Commands that talk to a running node through its API: ``send``, ``list``, ``show``, ``requeue``, ``inbox``."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from gateway.cli import NO, NOT_NOW, WRONG, YES
from gateway.cli.api_client import ApiClient, Refused
from gateway.cli.terminal import as_json, paint, say, table

_MARKS: Final = {
    "delivered": ("✓", "green"),
    "queued": ("…", "yellow"),
    "needs_attention": ("!", "yellow"),
    "failed": ("✗", "red"),
}
_SHORTENED: Final = re.compile(r"(?<=\w{8})\w{44}(?=\.iso6523)|(?<=services/).{60,}")
"""The hash of a DNS name and a document type in a URL: `--json` has them whole."""
_LONGEST_WAIT: Final = 60
"""Seconds that the node lets one request wait; after that the command asks again and again."""
_PAUSE: Final = 0.5
_EXIT: Final = {"delivered": YES, "queued": YES, "needs_attention": NOT_NOW, "failed": NO}


def send(arguments: argparse.Namespace) -> int:
    """Submit a file; with ``--wait`` the exit code tells the outcome."""
    try:
        octets = sys.stdin.buffer.read() if str(arguments.file) == "-" else arguments.file.read_bytes()
    except OSError as error:
        say(f"✗ {arguments.file} cannot be read: {error.strerror}")
        return WRONG
    client = ApiClient.of(arguments)
    until = time.monotonic() + arguments.wait
    wait = min(arguments.wait, _LONGEST_WAIT)
    query = urlencode({"route": arguments.route, "wait": wait})
    headers = {"Content-Type": "application/json" if octets.lstrip()[:1] == b"{" else "application/xml"}
    if arguments.key:
        headers["Idempotency-Key"] = arguments.key
    document = client.call("POST", f"/v1/documents?{query}", body=octets, headers=headers, timeout=wait + 60)
    while document["status"] == "queued" and time.monotonic() < until:
        time.sleep(_PAUSE)
        document = client.call("GET", f"/v1/documents/{document['id']}")
    if arguments.json:
        as_json(document)
    else:
        _print_document(document)
    if arguments.wait and document["status"] == "queued":
        return NOT_NOW
    return _EXIT[document["status"]]


def list_documents(arguments: argparse.Namespace) -> int:
    """A table of documents; ``--json`` prints one object a line."""
    wanted = {
        "direction": arguments.direction,
        "state": arguments.state,
        "q": arguments.search,
        "limit": min(max(arguments.limit, 1), 200),
    }
    query = urlencode({k: v for k, v in wanted.items() if v})
    page = ApiClient.of(arguments).call("GET", f"/v1/documents?{query}")
    return _print_list(page["items"], arguments.json)


def inbox(arguments: argparse.Namespace) -> int:
    """What waits for us; ``--ack ID`` says that we have it."""
    client = ApiClient.of(arguments)
    if arguments.ack:
        document = client.call("POST", f"/v1/inbox/{quote(arguments.ack, safe='')}/ack")
        as_json(document) if arguments.json else _print_document(document)
        return YES
    return _print_list(client.call("GET", "/v1/inbox?state=new")["items"], arguments.json)


def show(arguments: argparse.Namespace) -> int:
    """One document and everything that happened to it."""
    client = ApiClient.of(arguments)
    path = f"/v1/documents/{quote(arguments.id, safe='')}"
    document = client.call("GET", path)
    rows = client.call("GET", f"{path}/timeline")["items"]
    if arguments.json:
        as_json({**document, "timeline": rows})
    else:
        _print_document(document)
        print(timeline_table(rows))
    return _EXIT[document["status"]]


def requeue(arguments: argparse.Namespace) -> int:
    """Back to work under the same ids."""
    document = ApiClient.of(arguments).call("POST", f"/v1/documents/{quote(arguments.id, safe='')}/requeue")
    as_json(document) if arguments.json else _print_document(document)
    return YES


def redeliver(arguments: argparse.Namespace) -> int:
    """Once more to the receiver's system: the named documents, or all that came in since."""
    if bool(arguments.ids) == bool(arguments.since):
        say("✗ name documents, or give --since")
        return WRONG
    client = ApiClient.of(arguments)
    ids = list(arguments.ids) or [d["id"] for d in _came_in(client, _since(arguments.since), arguments.state)]
    refused = 0
    for wanted in ids:
        try:
            document = client.call("POST", f"/v1/documents/{quote(wanted, safe='')}/redeliver")
        except Refused as error:
            refused += 1
            say(f"✗ {wanted}: {error}")
            continue
        as_json(document) if arguments.json else _print_document(document)
    if not ids:
        say("Nothing came in since then.")
    return NO if refused else YES


def _came_in(client: ApiClient, since: datetime, state: str | None) -> Iterator[dict[str, Any]]:
    """What came in since, newest first; several states with commas between."""
    wanted = {"direction": "in", "limit": "200", **({"state": state} if state else {})}
    cursor = ""
    while True:
        page = client.call("GET", f"/v1/documents?{urlencode({**wanted, **({'cursor': cursor} if cursor else {})})}")
        for document in page["items"]:
            if datetime.fromisoformat(document["created"]) < since:
                return
            yield document
        cursor = page["next"] or ""
        if not cursor:
            return


def _since(text: str) -> datetime:
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"“{text}” is no time", remedy="Write it as 2026-11-25T12:00.") from None
    return since if since.tzinfo else since.replace(tzinfo=UTC)


def timeline_table(rows: list[dict[str, Any]]) -> str:
    """The timeline as people read it."""
    return table(
        ["time", "event", "what happened"],
        [[(row["time"] or "")[11:23], row["event"], _story(row)] for row in rows],
        styles=[["dim", "bold", ""] for _ in rows],
    )


def _story(row: dict[str, Any]) -> str:
    parts = [row["reason"] or ""]
    for step in row["detail"].get("steps", []):
        parts.append(f"· {_SHORTENED.sub('…', step['asked'])} → {step['answer']}, {step['milliseconds']:.0f} ms")
    if row["next_attempt"]:
        parts.append(f"next attempt {row['next_attempt'][:19].replace('T', ' ')} UTC")
    return "\n".join(parts)


def _print_list(items: list[dict[str, Any]], json_wanted: bool) -> int:
    if json_wanted:
        for item in items:
            as_json(item)
        return YES
    rows = [
        [
            _MARKS[d["status"]][0],
            d["created"][:16].replace("T", " "),
            "in" if d["direction"] == "in" else "out",
            d["number"] or "",
            (d["sender_name"] if d["direction"] == "in" else d["receiver_name"]) or d["receiver"] or "",
            f"{d['amount']['value']} {d['amount']['currency']}" if d["amount"] else "",
            d["channel"] or "",
            f"{d['state']}, double?" if d["links"].get("double_of") else d["state"],
            d["id"],
        ]
        for d in items
    ]
    heads = ["", "created", "", "number", "counterpart", "amount", "way", "state", "id"]
    styles = [[_MARKS[d["status"]][1], "dim", "dim", "bold", "", "", "", "", "dim"] for d in items]
    print(table(heads, rows, styles=styles, right=frozenset({5})) if rows else "No documents.")
    return YES


def _print_document(document: dict[str, Any]) -> None:
    mark, colour = _MARKS[document["status"]]
    title = f"{document['number'] or document['id']}  {document['state']}"
    print(f"{paint(mark, colour)} {paint(title, 'bold')}  {document['reason'] or ''}")
    for name in ("id", "channel", "sender", "receiver", "message_id", "attempts", "next_attempt", "sha256"):
        if document[name] not in (None, "", 0):
            print(f"  {paint(f'{name:13}', 'dim')} {document[name]}")
    for warning in document["warnings"]:
        print(f"  {paint('! ' + warning, 'yellow')}")
