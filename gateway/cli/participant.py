"""``gateway participant``: our own participants, through the running node's API."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from gateway.cli import YES
from gateway.cli.api_client import ApiClient
from gateway.cli.terminal import as_json, paint, table
from gateway.model.identifiers import ParticipantId


def add(arguments: argparse.Namespace) -> int:
    """Publish one participant in our SMP and register it in the private SML."""
    import json

    participant = ParticipantId.parse(arguments.participant)
    body = {
        "id": participant.value,
        "name": arguments.name,
        "country": arguments.country,
        "delivery": arguments.delivery,
    }
    made = ApiClient.of(arguments).call(
        "POST", "/v1/participants", body=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    as_json(made) if arguments.json else print(f"{paint('✓', 'green')} {participant.value} is on the network")
    return YES


def remove(arguments: argparse.Namespace) -> int:
    """Take one participant off the network."""
    participant = ParticipantId.parse(arguments.participant)
    ApiClient.of(arguments).call("DELETE", f"/v1/participants/{quote(participant.value, safe='')}")
    if arguments.json:
        as_json({"removed": participant.value})
    else:
        print(f"{paint('✓', 'green')} {participant.value} is off the network")
    return YES


def list_all(arguments: argparse.Namespace) -> int:
    """All our participants."""
    items = ApiClient.of(arguments).call("GET", "/v1/participants")["items"]
    if arguments.json:
        for item in items:
            as_json(item)
    else:
        rows = [[i["id"], i["name"] or "", i["country"] or "", i["delivery"]] for i in items]
        print(table(["participant", "name", "country", "delivery"], rows) if rows else "No participants.")
    return YES
