"""What the configuration says of room and time: how much is kept free, and how long what is kept."""

from __future__ import annotations

from gateway.config import Config
from gateway.files.room import Room
from gateway.ports import Periods


def periods_of(config: Config) -> Periods:
    """How long what is kept; zero in the configuration is for ever."""
    kept = config.retention
    return Periods(
        payloads=kept.payloads or None,
        evidence=kept.evidence or None,
        timeline=kept.timeline or None,
        keys=kept.keys or None,
    )


def room_of(config: Config) -> Room:
    """The room on the disks of database and payloads."""
    store = config.store
    folders = [config.base / store.payloads]
    if store.database.startswith("sqlite:"):
        folders.append((config.base / store.database.removeprefix("sqlite:").removeprefix("//")).parent)
    return Room(tuple(dict.fromkeys(folders)), reserve=store.reserve, percent=store.reserve_percent)
