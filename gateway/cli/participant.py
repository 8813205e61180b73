"""``gateway participant``: our own participants, through the running node's API."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from gateway.cli import NO, NOT_NOW, YES
from gateway.cli.api_client import ApiClient, Refused
from gateway.cli.terminal import as_json, paint, say, table
from gateway.model.identifiers import ParticipantId
from gateway.model.schemes import read_typed

_PATIENCE: Final = 120.0
"""Seconds for a call in which the SML is asked."""


def add(arguments: argparse.Namespace) -> int:
    """Bring one participant onto the network, and show each stage; what breaks off goes on when it is called again."""
    import json

    typed = read_typed(arguments.participant, datetime.now(UTC).date())
    body = {
        "id": typed.participant.value,
        "name": arguments.name,
        "country": arguments.country,
        "delivery": arguments.delivery,
    }
    if arguments.migration_key:
        body["migration_key"] = arguments.migration_key
    client = ApiClient.of(arguments)
    made = client.call(
        "POST",
        "/v1/participants",
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        timeout=_PATIENCE,
    )
    for warning in made.get("warnings", ()):
        say(f"{paint('!', 'yellow', to=sys.stderr)} {warning}")
    if not arguments.json:
        print(f"{paint('✓', 'green')} {'checked':<13}{typed.participant.value} is well-formed")
    made = _follow(client, typed.participant, made, arguments)
    return _ended(made, arguments, f"{typed.participant.value} is on the network")


def remove(arguments: argparse.Namespace) -> int:
    """Take one participant off the network, and show each stage."""
    participant = ParticipantId.parse(arguments.participant)
    client = ApiClient.of(arguments)
    left = client.call("DELETE", _path(participant), timeout=_PATIENCE)
    gone = f"{participant.value} is off the network"
    if left:
        left = _follow(client, participant, left, arguments)
        if left["registration"]["state"] != "done":
            return _ended(left, arguments, gone)
    if arguments.json:
        as_json({"removed": participant.value})
    else:
        print(f"{paint('✓', 'green')} {gone}")
    return YES


def migrate(arguments: argparse.Namespace) -> int:
    """Make a migration key for the operator who takes the participant over; with ``--wait`` stay until it has moved."""
    participant = ParticipantId.parse(arguments.participant)
    client = ApiClient.of(arguments)
    left = client.call("POST", _path(participant) + "/migration", timeout=_PATIENCE)
    way = left["registration"]
    if way["state"] == "waiting" and way["stage"] != "prepared" and not arguments.wait:
        if arguments.json:
            as_json(left)
        else:
            print(f"{paint('✓', 'green')} {participant.value} can be taken over with the key {way['migration_key']}")
            print("  Give it to the other operator only. We answer for it until DNS leads there, and then redirect.")
        return YES
    if not arguments.json and way["migration_key"]:
        print(f"  key {way['migration_key']}", flush=True)
    left = _follow(client, participant, left, arguments)
    return _ended(left, arguments, f"{participant.value} has moved to {left['registration']['moved_to']}")


def _path(participant: ParticipantId) -> str:
    return f"/v1/participants/{quote(participant.value, safe='')}"


def _follow(
    client: ApiClient, participant: ParticipantId, made: dict[str, Any], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Show stage after stage as they are done, until all are, one is stopped, or the time is up."""
    shown: set[str] = set()
    said = ""
    until = time.monotonic() + arguments.wait
    while True:
        way = made["registration"]
        for done in way["done"]:
            if done["stage"] not in shown and done["text"] and not arguments.json:
                print(f"{paint('✓', 'green')} {done['stage']:<13}{done['text']}", flush=True)
            shown.add(done["stage"])
        if way["state"] != "waiting" or time.monotonic() >= until:
            return made
        if way["problem"] and way["problem"] != said and not arguments.json:
            said = way["problem"]
            print(f"{paint('…', 'yellow')} {way['stage']:<13}{said}", flush=True)
        time.sleep(0.25)
        try:
            made = client.call("GET", _path(participant))
        except Refused:  # taken off, and forgotten
            return {**made, "registration": {**way, "state": "done", "problem": None}}


def _ended(made: dict[str, Any], arguments: argparse.Namespace, good: str) -> int:
    way = made["registration"]
    if arguments.json:
        as_json(made)
    elif way["state"] == "done":
        print(f"{paint('✓', 'green', 'bold')} {good}")
    else:
        mark, what = ("✗", "stopped") if way["state"] == "stopped" else ("…", "goes on by itself")
        print(f"{paint(mark, 'yellow')} {way['stage']:<13}{what}: {way['problem'] or 'not tried yet'}")
    return YES if way["state"] == "done" else NO if way["state"] == "stopped" else NOT_NOW


def list_all(arguments: argparse.Namespace) -> int:
    """All our participants."""
    items = ApiClient.of(arguments).call("GET", "/v1/participants")["items"]
    if arguments.json:
        for item in items:
            as_json(item)
    else:
        rows = [[i["id"], i["name"] or "", i["country"] or "", i["delivery"], _standing(i)] for i in items]
        print(table(["participant", "name", "country", "delivery", "network"], rows) if rows else "No participants.")
    return YES


def _standing(item: dict[str, Any]) -> str:
    """Where it stands, in a few words."""
    way = item.get("registration")
    if not way:
        return ""
    going, there = _GOALS[way["goal"]]
    return there if way["state"] == "done" else f"{going}: {way['state']}, next is “{way['stage']}”"


_GOALS: Final = {
    "on": ("coming onto it", "on"),
    "off": ("leaving it", "off"),
    "away": ("moving to another SMP", "moved to another SMP"),
}
"""What is going on, and what is so when it is done, by the goal of a registration."""
