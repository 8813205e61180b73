"""Payloads in a bucket: what is too large for a row is an object there, put before the row that names it. [I/O]

Names hold the digest and begin with ``s3:``, so a store may have files of earlier days beside its objects. Every read
compares the SHA-256 that was fixed at acceptance. A large document that is worked on lies in a file here meanwhile;
such files are copies and go after an hour. Backups of the store leave objects to the bucket.
"""

from __future__ import annotations

import asyncio
import hashlib
import stat
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config import StoreSection
from gateway.errors import ConfigurationError, GatewayError, StoreUnavailable
from gateway.files.bucket import MISSING, Bucket, is_there, trouble
from gateway.files.spool import measured
from gateway.model.octets import Spooled
from gateway.store.octets import OBJECT, Folder
from gateway.store.packing import Kept, quarantined

if TYPE_CHECKING:
    from obstore.store import S3Store

_COPIES: Final = ".objects"
_COPY_SECONDS: Final = 3600.0
_REMEDY: Final = "Look at the bucket of [store] payloads and its service; nothing large is accepted until it works."


@dataclass(frozen=True, slots=True)
class Objects(Folder):
    """The payload folder, with a bucket for what would be files in it."""

    bucket: Bucket = field(kw_only=True)

    async def save(self, file: str, source: bytes | Path) -> str:
        """Put an object; it is safe when this returns."""
        import obstore

        try:
            await obstore.put_async(_opened(self.bucket), file, source)
        except Exception as error:
            raise self._meaning(error, "cannot be written") from error
        return OBJECT + file

    async def load(self, kept: Kept) -> bytes:
        """The octets of an object, as they are."""
        if not kept.file.startswith(OBJECT):
            return await Folder.load(self, kept)
        import obstore

        try:
            found = await obstore.get_async(_opened(self.bucket), _key(kept))
            return bytes(await found.bytes_async())
        except Exception as error:
            raise self._missing(kept, error) from error

    async def find(self, kept: Kept) -> Spooled:
        """A copy of the object in a file, measured."""
        if not kept.file.startswith(OBJECT):
            return await Folder.find(self, kept)
        copies = self.path / _COPIES
        path = copies / kept.sha256
        try:
            await asyncio.to_thread(_sweep, copies)
            if path.exists():
                found = await asyncio.to_thread(measured, path)
                if (found.sha256, found.size) == (kept.sha256, kept.size):
                    path.touch()
                    return found
            return await self._copy(kept, path)
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be written: {error.strerror or error}") from error

    async def remove(self, kept: Kept) -> None:
        """Remove an object; one that cannot be removed now is waste that no row names."""
        if not kept.file.startswith(OBJECT):
            await Folder.remove(self, kept)
            return
        import obstore

        with suppress(Exception):
            await obstore.delete_async(_opened(self.bucket), _key(kept))

    async def _copy(self, kept: Kept, path: Path) -> Spooled:
        import obstore

        unfinished = path.with_name(f"{uuid.uuid4().hex}.part")
        digest, size = hashlib.sha256(), 0
        try:
            with unfinished.open("wb") as file:
                try:
                    found = await obstore.get_async(_opened(self.bucket), _key(kept))
                    async for piece in found.stream(min_chunk_size=1024 * 1024):
                        octets = bytes(piece)
                        size += len(octets)
                        if size > kept.size:
                            raise quarantined(kept, "it is larger than it was")
                        await asyncio.to_thread(_take, file.write, digest.update, octets)
                except GatewayError:
                    raise
                except Exception as error:
                    raise self._missing(kept, error) from error
            if digest.hexdigest() != kept.sha256:
                raise quarantined(kept, "the digest is another one")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return Spooled(path=path, sha256=kept.sha256, size=size)

    def _missing(self, kept: Kept, error: Exception) -> Exception:
        # A bucket that is not there is a setting, not a lost document.
        if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
            return quarantined(kept, "the object is missing")
        return self._meaning(error, "cannot be read")

    def _meaning(self, error: Exception, what: str) -> Exception:
        said = trouble(error)
        return StoreUnavailable(f"The bucket {self.bucket} {what}: {said}", remedy=_REMEDY) if said else error


def open_objects(section: StoreSection, base: Path) -> Objects:
    """The payloads of ``[store]`` in its bucket. Raises ``ConfigurationError``."""
    name, _, prefix = section.bucket.removeprefix("s3://").partition("/")
    if not is_there():
        raise ConfigurationError([("store.payloads", f"in a bucket {MISSING}")])
    secret = ""
    if section.s3_secret_key_file:
        try:
            secret = section.s3_secret_key_file.read_text(encoding="utf-8").strip()
            if section.s3_secret_key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                text = f"can be read by others; run: chmod 600 {section.s3_secret_key_file}"
                raise ConfigurationError([("store.s3_secret_key_file", text)])
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError([("store.s3_secret_key_file", f"cannot be read: {error}")]) from error
    bucket = Bucket(
        name=name,
        prefix=prefix,
        endpoint=section.s3_endpoint,
        region=section.s3_region,
        access_key=section.s3_access_key,
        secret_key=secret,
        allow_http=section.s3_allow_http,
        tries=2,
    )
    return Objects(base / section.payloads, bucket=bucket)


@lru_cache(8)
def _opened(bucket: Bucket) -> S3Store:
    return bucket.open()


def _key(kept: Kept) -> str:
    return kept.file.removeprefix(OBJECT)


def _take(write: Callable[[bytes], object], update: Callable[[bytes], object], octets: bytes) -> None:
    write(octets)
    update(octets)


def _sweep(copies: Path) -> None:
    copies.mkdir(mode=0o700, exist_ok=True)
    limit = time.time() - _COPY_SECONDS
    for path in copies.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()
