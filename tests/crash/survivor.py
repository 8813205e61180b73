"""A document that lived through several kills, with its timeline and the kills between: to be shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.crash.judge import documents
from tests.crash.world import World

_READABLE = 6
"""One that lived through more kills makes a longer story, not a better one."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """One document, and what happened to it and around it."""

    number: str
    way: str
    kills: int
    lines: tuple[str, ...]


async def survivor(world: World, killed: list[datetime]) -> Survivor | None:
    """Find it among the documents that have arrived; ``killed`` is when the gateway was killed."""
    most: tuple[int, dict[str, Any]] | None = None
    async for document in documents(world, world.ours):
        began, ended = (datetime.fromisoformat(document[name]) for name in ("created", "updated"))
        kills = sum(began < moment < ended for moment in killed)
        if kills <= _READABLE and (most is None or kills > most[0]):
            most = kills, document
    if most is None:
        return None
    kills, document = most
    _, body = await world.call(world.ours, "GET", f"/v1/documents/{document['id']}/timeline")
    found = json.loads(body)
    began = datetime.fromisoformat(document["created"])
    events = [(datetime.fromisoformat(e["time"]), _said(e)) for e in found["items"]]
    ended = max(when for when, _ in events)
    events += [(moment, "kill -9") for moment in killed if began < moment < ended]
    lines = tuple(f"{(when - began).total_seconds():8.3f} s  {text}" for when, text in sorted(events))
    return Survivor(document["number"], f"{document['direction']}, {document['channel']}", kills, lines)


def _said(event: dict[str, Any]) -> str:
    attempt = f" (attempt {event['attempt']})" if event["attempt"] else ""
    return f"{event['event']}{attempt}{': ' if event['reason'] else ''}{event['reason'] or ''}"
