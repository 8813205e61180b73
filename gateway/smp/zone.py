"""The register of a private network: which SMP knows which participant, in one small file.

It takes the SML's place where there is none: ``{"zone": "sml.test", "participants": {"0007:…": "http://…"}}``.
Several processes may change it at once: each change is made under a lock and replaces the file in one step.
:mod:`gateway.smp.zone_server` answers DNS from it. Reads and writes files, blocking; nothing else.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError, Conflict, InvalidAddress, NotFound
from gateway.model.identifiers import ParticipantId
from gateway.security.weburl import WebRules, check_url

DEFAULT_ZONE: Final = "sml.test"
MAX_FILE: Final = 50_000_000
_RULES: Final = WebRules(allow_http=True, allow_loopback=True)
_MODE: Final = 0o644
_LONGEST: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The register at one moment."""

    name: str
    participants: dict[ParticipantId, str] = field(default_factory=dict)
    """Base URL of the SMP of each."""


def read_zone(path: Path) -> Zone:
    """Read the file. Raises :class:`ConfigurationError` with every problem in it."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_FILE + 1)
        if len(octets) > MAX_FILE:
            raise ValueError("too large")
        data = json.loads(octets)
    except (OSError, ValueError) as error:
        raise ConfigurationError([(str(path), f"cannot be read as a zone file: {error}")]) from None
    if not isinstance(data, dict) or not isinstance(data.get("participants", {}), dict):
        raise ConfigurationError([(str(path), "a zone file is an object with zone and participants")])
    problems: list[tuple[str, str]] = []
    participants: dict[ParticipantId, str] = {}
    for text, url in data.get("participants", {}).items():
        try:
            participants[ParticipantId.parse(text)] = _smp_url(str(url))
        except InvalidAddress as error:
            problems.append((f"{path}: participants.{text[:80]}", str(error)))
    if problems:
        raise ConfigurationError(problems)
    return Zone(name=str(data.get("zone") or DEFAULT_ZONE).strip("."), participants=participants)


def create(path: Path, name: str = DEFAULT_ZONE) -> None:
    """Make an empty register; leaves one that is there already as it is, unless its name is another."""
    with _locked(path):
        if not path.exists():
            _write(path, Zone(name=name.strip(".")))
        elif (held := read_zone(path).name) != name.strip("."):
            raise ConfigurationError([(str(path), f"is the register of the zone {held}, not of {name}")])


def register(path: Path, participant: ParticipantId, smp_url: str, name: str = DEFAULT_ZONE) -> None:
    """Enter the participant; twice the same is once. Makes the register ``name`` where there is none.

    Raises :class:`Conflict` when another SMP has it: that one has to give it up first.
    """
    register_all(path, [participant], smp_url, name)


def register_all(path: Path, participants: Sequence[ParticipantId], smp_url: str, name: str = DEFAULT_ZONE) -> None:
    """Enter all of them in one step, or none. Raises like :func:`register`."""
    url = _smp_url(smp_url)
    with _locked(path):
        zone = read_zone(path) if path.exists() else Zone(name=name.strip("."))
        new = [known for known in participants if zone.participants.get(known) != url]
        for participant in new:
            if held := zone.participants.get(participant):
                raise Conflict(
                    f"{participant.value} is registered already, at the SMP {held}",
                    remedy="Unregister it there first; nobody may take over a participant of another.",
                )
        if new:
            _write(path, Zone(name=zone.name, participants={**zone.participants, **dict.fromkeys(new, url)}))


def move(path: Path, participant: ParticipantId, smp_url: str) -> None:
    """Let the participant point to another SMP, in one step: nobody finds neither. Raises :class:`NotFound`."""
    url = _smp_url(smp_url)
    with _locked(path):
        zone = read_zone(path) if path.exists() else Zone(name=DEFAULT_ZONE)
        if participant not in zone.participants:
            raise NotFound(f"{participant.value} is not registered in {zone.name}")
        _write(path, Zone(name=zone.name, participants={**zone.participants, participant: url}))


def unregister(path: Path, participant: ParticipantId) -> None:
    """Take the participant out. Raises :class:`NotFound` when it is not in."""
    unregister_all(path, [participant])


def unregister_all(path: Path, participants: Sequence[ParticipantId]) -> None:
    """Take all of them out in one step, or none. Raises :class:`NotFound` when one is not in."""
    gone = set(participants)
    with _locked(path):
        zone = read_zone(path) if path.exists() else Zone(name=DEFAULT_ZONE)
        for participant in participants:
            if participant not in zone.participants:
                raise NotFound(f"{participant.value} is not registered in {zone.name}")
        left = {known: url for known, url in zone.participants.items() if known not in gone}
        _write(path, Zone(name=zone.name, participants=left))


def _smp_url(text: str) -> str:
    url = check_url(text, _RULES).rstrip("/")
    # "!" ends the URL in a NAPTR record, whose text has 255 octets at most.
    if "!" in url or "?" in url or len(url) > _LONGEST:
        raise InvalidAddress(f"“{url[:120]}” cannot be the base URL of an SMP")
    return url


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the register: a file beside it, since the register itself is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, zone: Zone) -> None:
    data = {
        "zone": zone.name,
        "participants": {
            known.value: url for known, url in sorted(zone.participants.items(), key=lambda p: p[0].value)
        },
    }
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fchmod(file.fileno(), _MODE)
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
