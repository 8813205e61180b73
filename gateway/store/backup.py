"""A copy of a whole store while it is in use: SQLite's online backup, then every file that the copy names. [I/O]

The copy of the database is one moment; a file is on disk before the row that names it, and no row is changed to another
file, so the files of that moment are all there afterwards. Each is compared with the digest in its row while it is
copied. The backup gets its name when all of it is on disk; one that was broken off is never taken for a whole one.

::

    TARGET/manifest.json    format, times, schema, figures, digest of SHA256SUMS
    TARGET/SHA256SUMS       every other file, as `sha256sum --check` reads it
    TARGET/gateway.db
    TARGET/payloads/…
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway import __version__
from gateway.errors import ConfigurationError, Conflict, StoreUnavailable

FORMAT: Final = 1
DATABASE: Final = "gateway.db"
PAYLOADS: Final = "payloads"
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
_STEP: Final = 1024 * 1024
_FIGURES: Final = {
    "documents": "SELECT count(*) FROM message",
    "events": "SELECT count(*) FROM event",
    "last_event": "SELECT max(time) FROM event",
    "schema": "SELECT max(version) FROM schema_version",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A finished backup."""

    path: Path
    manifest: dict[str, Any]
    damaged: tuple[str, ...]
    """Files that were missing or had another digest than their row says: the store itself is damaged there."""


def back_up(database: Path, payloads: Path, target: Path) -> Backup:
    """Copy the store to a new folder. Raises ``ConfigurationError``, ``Conflict`` or ``StoreUnavailable``."""
    if not database.is_file():
        raise ConfigurationError([("store.database", f"{database} is not there; there is nothing to back up")])
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(f"{target} is there already", remedy="Name a new folder for each backup.")
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        with no_erasing(payloads):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700, parents=True)
            begun = datetime.now(UTC)
            _copy_database(database, unfinished / DATABASE)
            sums, damaged = _copy_files(unfinished, payloads)
        manifest = _describe(unfinished, begun, sums, damaged)
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
        fsync(target.parent)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{database} cannot be backed up: {error}") from error
    except OSError as error:
        raise StoreUnavailable(
            f"The backup to {target} broke off: {error.strerror} ({error.filename})",
            remedy="Make room there or name another folder, and begin anew; what was begun is not used.",
        ) from error
    return Backup(path=target, manifest=manifest, damaged=tuple(damaged))


@contextmanager
def no_erasing(payloads: Path, *, erase: bool = False) -> Iterator[None]:
    """While a backup is made nothing is erased, and the other way round. Raises ``Conflict`` when it is the other's
    turn."""
    lock = os.open(payloads / ".backup", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if erase else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        text = "A backup is being made" if erase else "Retention is erasing just now"
        raise Conflict(text, remedy="Try again when that is done.") from None
    finally:
        os.close(lock)


def _copy_database(source: Path, target: Path) -> None:
    """One moment of the database, checked. The connection to the source can neither write nor do a checkpoint."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as reading,
        closing(sqlite3.connect(target)) as copy,
    ):
        target.chmod(0o600)
        reading.execute("PRAGMA wal_autocheckpoint=0")
        reading.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        check_database(copy)
    fsync(target)


def check_database(connection: sqlite3.Connection) -> None:
    """Let SQLite look at every page. Raises ``StoreUnavailable``."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    if found != ["ok"]:
        raise StoreUnavailable(
            f"The database is damaged: {'; '.join(found)[:500]}",
            remedy="Do not use this copy. Restore the last good backup, and check the disk.",
        )


def _copy_files(target: Path, payloads: Path) -> tuple[dict[str, str], list[str]]:
    """Copy what the copied database names; gives the digest of each file, and which do not fit their rows."""
    sums: dict[str, str] = {}
    damaged: list[str] = []
    folders = {target / PAYLOADS}
    (target / PAYLOADS).mkdir(mode=0o700)
    with closing(sqlite3.connect(f"{(target / DATABASE).absolute().as_uri()}?mode=ro", uri=True)) as copy:
        named = "SELECT file, packing, size, sha256 FROM {} WHERE file <> '' AND file NOT LIKE 's3:%'"
        for table in ("payload", "evidence", "scan"):
            for file, packing, size, sha256 in copy.execute(named.format(table)):
                if file in sums:
                    continue
                to = target / PAYLOADS / file
                to.parent.mkdir(mode=0o700, exist_ok=True)
                folders.add(to.parent)
                try:
                    own, content, length = _copy(payloads / file, to, packing)
                except (FileNotFoundError, zlib.error):
                    damaged.append(file)
                    continue
                sums[file] = own
                if (content, length) != (sha256, size):
                    damaged.append(file)
    for folder in folders:
        fsync(folder)
    return {f"{PAYLOADS}/{file}": digest for file, digest in sorted(sums.items())}, damaged


def _copy(source: Path, target: Path, packing: str) -> tuple[str, str, int]:
    """Copy a file; gives its digest, and digest and length of what is packed in it. Raises ``OSError``."""
    own, content, length = hashlib.sha256(), hashlib.sha256(), 0
    unpacking = zlib.decompressobj() if packing == "deflate" else None
    with source.open("rb") as reading, os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as writing:
        while piece := reading.read(_STEP):
            own.update(piece)
            writing.write(piece)
            plain = unpacking.decompress(piece) if unpacking else piece
            content.update(plain)
            length += len(plain)
        writing.truncate()
        writing.flush()
        os.fsync(writing.fileno())
    return own.hexdigest(), content.hexdigest(), length


def _describe(folder: Path, begun: datetime, sums: dict[str, str], damaged: list[str]) -> dict[str, Any]:
    lines = {DATABASE: digest_of(folder / DATABASE), **sums}
    write_file(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in lines.items()).encode())
    with closing(sqlite3.connect(f"{(folder / DATABASE).absolute().as_uri()}?mode=ro", uri=True)) as copy:
        figures = {name: copy.execute(query).fetchone()[0] for name, query in _FIGURES.items()}
    manifest = {
        "format": FORMAT,
        "begun": begun.isoformat(),
        "ended": datetime.now(UTC).isoformat(),
        "gateway": __version__,
        **figures,
        "files": len(sums),
        "damaged": damaged,
        "sha256sums": digest_of(folder / SUMS),
    }
    write_file(folder / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
    fsync(folder)
    return manifest


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, octets: bytes) -> None:
    """Write a small file to the disk. Raises ``OSError``."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def fsync(path: Path) -> None:
    """Put a file or folder on the disk. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        with suppress(OSError):
            os.close(descriptor)
