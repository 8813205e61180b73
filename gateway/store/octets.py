"""Octets that are kept: packed, in the row while they are small, else in a file of their own.

A file is on disk before the row that names it: written under another name, fsynced, renamed, its folder
fsynced. Its name holds the digest, so nothing is ever written over. Every read compares the SHA-256 that was
fixed at acceptance; octets that differ are never given to anybody.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import StateError, StoreUnavailable
from gateway.files.spool import measured
from gateway.model.octets import IN_MEMORY, Octets, Spooled
from gateway.store.packing import IN_ROW, Kept, pack, pack_again, quarantined, unpack

log = logging.getLogger(__name__)

OBJECT: Final = "s3:"
"""How the names of octets in a bucket begin (``objects.py``)."""
_OFF_THE_LOOP: Final = 1024 * 1024
"""From this size on packing takes milliseconds."""
_SHARED: Final = (".smp", ".lookup")
"""A search and the answer of an SMP are the proof of many documents, one after another."""
_NAMED: Final = set[Path]()
"""Folders whose names this process has seen onto the disk; 256 at most below each payload folder."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Folder:
    """The payload folder."""

    path: Path

    async def keep_all(self, all_octets: Sequence[tuple[Octets, str]]) -> list[Kept]:
        """Keep all (octets, name) of a new document, or none: what did fit is removed when another does not."""
        done: list[Kept] = []
        try:
            for octets, name in all_octets:
                done.append(_in_row(octets, name) or await self.keep(octets, name))
        except BaseException:
            for kept in done:
                await self.drop(kept)
            raise
        return done

    async def keep_each(self, all_octets: Sequence[tuple[Octets, str]]) -> list[Kept]:
        """Keep all (octets, name); what did fit stays when another does not."""
        return [_in_row(octets, name) or await self.keep(octets, name) for octets, name in all_octets]

    async def keep(self, octets: Octets, name: str) -> Kept:
        """Pack the octets and, when they are large, put them on disk. Raises ``StoreUnavailable``.

        A file gets one more name, here: the one that it has already stays with its owner.
        """
        if isinstance(octets, Spooled):
            file = await self.save(_file_name(octets.sha256, name), octets.path)
            return Kept(sha256=octets.sha256, size=octets.size, packing="plain", octets=None, file=file)
        if (small := _in_row(octets, name)) is not None:
            return small
        kept = pack(octets) if len(octets) < _OFF_THE_LOOP else await asyncio.to_thread(pack, octets)
        if kept.octets is None or len(kept.octets) <= IN_ROW:
            return kept
        file = await self.save(_file_name(kept.sha256, name), kept.octets)
        return Kept(sha256=kept.sha256, size=kept.size, packing=kept.packing, octets=None, file=file)

    async def save(self, file: str, source: bytes | Path) -> str:
        """Put octets, or those of a file of ours, under a name that the row will have; they are safe on return."""
        path = self.path / file
        try:
            if isinstance(source, Path):
                await asyncio.to_thread(_link_durably, source, path)
            else:
                await asyncio.to_thread(_write_durably, path, source)
        except OSError as error:
            raise StoreUnavailable(f"The payload folder {self.path} cannot be written: {error.strerror}") from error
        return file

    async def load(self, kept: Kept) -> bytes:
        """The octets of a file, as they are. Raises ``StateError`` when it is missing, ``StoreUnavailable``."""
        try:
            return await asyncio.to_thread(self._place(kept).read_bytes)
        except FileNotFoundError:
            raise quarantined(kept, "the file is missing") from None
        except OSError as error:
            raise StoreUnavailable(f"{self.path / kept.file} cannot be read: {error.strerror}") from error

    async def find(self, kept: Kept) -> Spooled:
        """The file, measured. Raises as :meth:`load`."""
        try:
            return await asyncio.to_thread(measured, self._place(kept))
        except FileNotFoundError:
            raise quarantined(kept, "the file is missing") from None
        except OSError as error:
            raise StoreUnavailable(f"{self.path / kept.file} cannot be read: {error.strerror}") from error

    def _place(self, kept: Kept) -> Path:
        if kept.file.startswith(OBJECT):
            raise StoreUnavailable(
                f"{kept.file} lies in a bucket, and [store] payloads names none",
                remedy="Name the bucket again; what came meanwhile stays in the folder and is found there.",
            )
        return self.path / kept.file

    async def content(self, kept: Kept) -> Octets:
        """The octets as :meth:`fetch` gives them, or the file where they are many and lie plain."""
        if not kept.file or kept.packing != "plain" or kept.size <= IN_MEMORY:
            return await self.fetch(kept)
        found = await self.find(kept)
        if (found.sha256, found.size) != (kept.sha256, kept.size):
            raise quarantined(kept, "the digest is another one")
        return found

    async def fetch(self, kept: Kept) -> bytes:
        """Give the octets back, unpacked and compared with their digest. Raises ``StateError`` when they differ."""
        packed = kept.host.octets if kept.host else kept.octets
        if packed is None:
            if kept.is_slice:
                raise quarantined(kept, "the row is missing that they are cut from")
            packed = await self.load(kept)
        if kept.size < _OFF_THE_LOOP:
            return unpack(kept, packed)
        return await asyncio.to_thread(unpack, kept, packed)

    async def drop(self, kept: Kept) -> None:
        """Remove the file of octets that no row ever named; one that cannot be removed now is waste, no harm."""
        try:
            await self.remove(kept)
        except StoreUnavailable as error:
            log.warning("a file stays although no row names it: %s", error)

    async def remove(self, kept: Kept) -> None:
        """Remove the file of octets that are to be gone. Raises ``StoreUnavailable``."""
        if not kept.file:
            return
        place = self._place(kept)
        try:
            await asyncio.to_thread(place.unlink, missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"{place} cannot be removed: {error.strerror or error}") from error


def _file_name(sha256: str, name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        raise StateError(f"“{name[:80]}” cannot be part of a file name")
    return f"{sha256[:2]}/{name}.{sha256[:16]}"


def _in_row(octets: Octets, name: str) -> Kept | None:
    """The octets packed for the row, where they are so few that they go there however they pack."""
    if not isinstance(octets, bytes) or len(octets) > IN_ROW:
        return None
    return pack_again(octets) if name.endswith(_SHARED) else pack(octets)


def _link_durably(source: Path, path: Path) -> None:
    """Give a file that is complete one more name, durably; copy it where the disk cannot do that."""
    folder = _folder_of(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)
        try:
            os.link(source, unfinished)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            unfinished.touch(mode=0o600)
            shutil.copyfile(source, unfinished)
        _fsync(unfinished, os.O_RDONLY)
        unfinished.rename(path)
    finally:
        # Also where the name was there before: two names of one file are left as they are by a rename.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    _fsync(folder)


def _folder_of(path: Path) -> Path:
    """The folder, whose own name is on the disk: a run that was killed, or another thread, may not be that far."""
    folder = path.parent
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _NAMED.discard(folder)
    if folder not in _NAMED:
        _fsync(folder.parent)
        _NAMED.add(folder)
    return folder


def _write_durably(path: Path, octets: bytes) -> None:
    folder = _folder_of(path)
    unfinished = path.with_name(path.name + ".part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        # A full disk must not be filled for ever by what did not fit.
        with suppress(OSError):
            unfinished.unlink()
        raise
    _fsync(folder)


def _fsync(path: Path, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
