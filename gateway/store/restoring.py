"""Bring a store back from a backup, marked so that nothing leaves it before a person has looked at the gap. [I/O]

Every file is compared with the backup's SHA256SUMS while it is copied, and gets its name once it is on disk; the
database last of all. A restore that was broken off leaves ``DATABASE.restoring``, with which no gateway starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sqlalchemy import create_engine

from gateway.errors import Conflict, NotFound, StateError, StoreUnavailable
from gateway.ports import Gap
from gateway.store.backup import DATABASE, FORMAT, MANIFEST, PAYLOADS, SUMS, check_database, digest_of, fsync
from gateway.store.database import hold, make_folder, restoring
from gateway.store.operation import open_gap
from gateway.store.operation_tables import audit, setting

_STEP: Final = 1024 * 1024
_BESIDE: Final = ("", "-wal", "-shm")
"""The files of one SQLite database: an old write-ahead log must never meet another database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A store that is in place again."""

    database: Path
    gap: Gap
    manifest: Mapping[str, Any]
    set_aside: tuple[Path, ...]
    """Where the files of the database that was there before are now."""


def restore(source: Path, database: Path, payloads: Path, *, replace: bool = False) -> Restored:
    """Bring back the backup in ``source``. With ``replace`` a database that is there is set aside, never removed.

    Payload files that are there stay: they tell of the gap. Raises ``NotFound`` (no backup there), ``StateError`` (it
    is damaged), ``Conflict`` (a database is there), ``ConfigurationError`` (a gateway runs on it), and
    ``StoreUnavailable``.
    """
    manifest, sums = read_manifest(source)
    make_folder(database.parent, "store.database")
    make_folder(payloads, "store.payloads")
    with hold(database):
        if database.exists() and not replace:
            raise Conflict(
                f"{database} is there already",
                remedy="With --replace it is set aside under another name and the backup takes its place.",
            )
        try:
            return _restore(source, database, payloads, manifest, sums)
        except sqlite3.Error as error:
            raise StateError(f"The database in {source} cannot be used: {error}", remedy=_ANOTHER) from error
        except OSError as error:
            raise StoreUnavailable(
                f"The restore broke off: {error.strerror} ({error.filename})",
                remedy="Mend that and run it again; the gateway does not start before it is whole.",
            ) from error


def read_manifest(source: Path) -> tuple[Mapping[str, Any], dict[str, str]]:
    """What a backup says of itself: the manifest and the digest of each file."""
    try:
        manifest = json.loads((source / MANIFEST).read_bytes())
        text = (source / SUMS).read_bytes()
    except (OSError, ValueError) as error:
        raise NotFound(f"{source} is no backup: {error}", remedy="Name the folder that holds manifest.json.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StateError(f"{source} is a backup of a form that this program does not know", remedy=_NEWER)
    if hashlib.sha256(text).hexdigest() != manifest.get("sha256sums"):
        raise _damaged(source, SUMS)
    sums: dict[str, str] = {}
    for line in text.decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not (name == DATABASE or path.parts[0] == PAYLOADS):
            raise _damaged(source, SUMS)
        sums[name] = digest
    if DATABASE not in sums:
        raise _damaged(source, SUMS)
    return manifest, sums


_ANOTHER: Final = "Take another backup; this one is not used, and what is there was not touched."
_NEWER: Final = "Use the program that made it, or a newer one."


def _restore(
    source: Path, database: Path, payloads: Path, manifest: Mapping[str, Any], sums: Mapping[str, str]
) -> Restored:
    marked = restoring(database)
    _copy(source, DATABASE, sums[DATABASE], marked)
    for name, digest in sums.items():
        if name != DATABASE:
            _copy(source, name, digest, payloads.joinpath(*PurePosixPath(name).parts[1:]))
    now = datetime.now(UTC)
    gap = Gap(backup=datetime.fromisoformat(manifest["begun"]), restored=now, source=source.name)
    _mark(marked, gap)
    fsync(marked)
    set_aside = tuple(_set_aside(database, now))
    marked.rename(database)
    fsync(database.parent)
    return Restored(database=database, gap=gap, manifest=manifest, set_aside=set_aside)


def _copy(source: Path, name: str, digest: str, target: Path) -> None:
    """Copy one file of the backup and compare it. Raises ``StateError`` when it is not what was backed up."""
    if name != DATABASE and target.is_file() and digest_of(target) == digest:
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    seen = hashlib.sha256()
    try:
        with (
            (source / name).open("rb") as reading,
            os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing,
        ):
            while piece := reading.read(_STEP):
                seen.update(piece)
                writing.write(piece)
            writing.flush()
            os.fsync(writing.fileno())
        if seen.hexdigest() != digest:
            raise _damaged(source, name)
        unfinished.rename(target)
    except FileNotFoundError:
        raise _damaged(source, name) from None
    finally:
        unfinished.unlink(missing_ok=True)
    fsync(target.parent)


def _mark(database: Path, gap: Gap) -> None:
    with closing(sqlite3.connect(database)) as connection:
        check_database(connection)
    engine = create_engine(f"sqlite:///{database}")
    try:
        with engine.begin() as writing:
            for table in (setting, audit):  # a backup of an older program has none
                table.create(writing, checkfirst=True)
            open_gap(writing, gap)
    finally:
        engine.dispose()


def _set_aside(database: Path, now: datetime) -> Iterator[Path]:
    for ending in _BESIDE:
        file = database.with_name(database.name + ending)
        if file.exists():
            aside = database.with_name(f"{database.name}.before-{now:%Y%m%dT%H%M%S}{ending}")
            file.rename(aside)
            yield aside


def _damaged(source: Path, name: str) -> StateError:
    return StateError(
        f"The backup in {source} is damaged: {name} is missing or not what was backed up", remedy=_ANOTHER
    )
