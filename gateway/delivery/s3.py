"""Delivery into an S3 bucket: ``ID.xml`` (the document) and ``ID.json`` (the document object of the API). [I/O]

The keys are stable and nothing is written over: each object is put with ``If-None-Match: *``. One that is there already
is ours if its SHA-256 says so, since an earlier try may have ended without an answer; any other is a no. The XML comes
first: whoever waits for ``ID.json`` finds both. Needs the extra ``s3``. Source: Amazon S3 API, PutObject.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from gateway.config import read_section
from gateway.delivery import _secret
from gateway.discovery import ChannelContext
from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.files import Handovers, safe_name
from gateway.files.bucket import MISSING, Bucket, is_there, trouble
from gateway.model.message import Message, Parcel
from gateway.model.octets import Octets, Spooled, sha256_of
from gateway.model.signals import Handover
from gateway.ports import Channel

_DIGEST: Final = "sha256"
"""User metadata: ``x-amz-meta-sha256``."""
_REMEDY: Final = "Look at bucket, credentials and rights of the section; it is tried again by itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[delivery.NAME]`` with ``kind = "s3"``."""

    bucket: str
    prefix: str = ""
    """What the keys begin with, without a slash at its ends."""
    endpoint: str = ""
    """Address of the service; empty: Amazon's for the region."""
    region: str = "us-east-1"
    access_key: str = ""
    """Id of the access key. Empty: the credentials of this machine (environment, instance role)."""
    secret_key_file: Path | None = None
    secret_key: str = field(default="", repr=False)
    allow_http: bool = False
    """Plain http to ``endpoint``."""
    timeout: timedelta = timedelta(minutes=1)
    """For each of the requests."""
    kind: Literal["s3"] = "s3"

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        problems: list[tuple[str, str]] = []
        settings = read_section(cls, table, path, base, problems)
        if not is_there():
            problems.append((f"{path}.kind", f'"s3" {MISSING}'))
        elif settings is not None:
            problems.extend((f"{path}.{key}", text) for key, text in _contradictions(settings))
        if settings is None or problems:
            raise ConfigurationError(problems)
        return settings

    def read_secret(self) -> str:
        """The secret key, or empty text. Raises ``OSError`` or ``UnicodeDecodeError``."""
        return self.secret_key_file.read_text(encoding="utf-8").strip() if self.secret_key_file else self.secret_key

    @property
    def place(self) -> Bucket:
        """The bucket below the prefix."""
        return Bucket(
            name=self.bucket,
            prefix=self.prefix,
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.read_secret() if self.access_key else "",
            allow_http=self.allow_http,
            timeout=self.timeout,
        )


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if not settings.bucket or "/" in settings.bucket:
        problems.append(("bucket", "is the name of a bucket alone"))
    if settings.endpoint and not settings.endpoint.startswith(
        ("https://", "http://") if settings.allow_http else "https"
    ):
        problems.append(("endpoint", "must begin with https:// (http:// with allow_http)"))
    if settings.access_key:
        read = settings.read_secret
        problems.extend(_secret.problems(settings.secret_key, settings.secret_key_file, "secret_key", read))
    elif settings.secret_key or settings.secret_key_file:
        problems.append(("access_key", "is missing"))
    if not 1 <= settings.timeout.total_seconds() <= 3600:
        problems.append(("timeout", "must be between 1 second and 1 hour"))
    return problems


class S3:
    """A bucket that the receiver's system watches."""

    name = "s3"
    confirms = True

    def __init__(self, settings: Settings, context: ChannelContext) -> None:
        self._where = str(settings.place)
        self._store = settings.place.open()
        self._describe = context.describe
        self._handovers = Handovers(context.memory("delivery-s3"), context.clock.now)

    def serves(self, parcel: Parcel) -> str:
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        async def put() -> Handover:
            return await self._put_both(parcel)

        return await self._handovers.once(parcel.message, put)

    async def forget(self, message: Message) -> None:
        """The next handover of this document shall put the objects again, where they are no longer there."""
        await self._handovers.forget(message)

    async def _put_both(self, parcel: Parcel) -> Handover:
        name = safe_name(parcel.id)
        described = json.dumps(self._describe(parcel.message), ensure_ascii=False, indent=2, default=str)
        try:
            await self._put(f"{name}.xml", parcel.document, "application/xml")
            # Of the object a repeat tells more than the first try: whichever is there is true.
            await self._put(f"{name}.json", described.encode() + b"\n", "application/json", any_content=True)
        except ChannelRefused:
            raise
        except Exception as error:
            if not (said := trouble(error)):
                raise
            raise ChannelUnavailable(f"{self._where}: {said}", sent=True, remedy=_REMEDY) from error
        text = f"Put into {self._where} as {name}.xml and {name}.json"
        return Handover(reference=f"{name}.xml", text=text, confirmed=True)

    async def _put(self, key: str, octets: Octets, media_type: str, *, any_content: bool = False) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        digest = await asyncio.to_thread(sha256_of, octets)
        attributes = {"Content-Type": media_type, _DIGEST: digest}
        if isinstance(octets, Spooled):
            # In parts, which S3 cannot make conditional: whether it is there is asked before.
            known = await self._digest(key)
            if known is None:
                await obstore.put_async(self._store, key, octets.path, attributes=attributes)
                return
        else:
            try:
                await obstore.put_async(
                    self._store, key, octets, attributes=attributes, mode="create", use_multipart=False
                )
            except AlreadyExistsError:
                known = await self._digest(key)
            else:
                return
        if known is not None and known != digest and not any_content:
            raise ChannelRefused(
                f"{self._where}/{key} is there already and is another document",
                remedy="Find out who put it there; move it away, then deliver again with `gateway redeliver`.",
            )

    async def _digest(self, key: str) -> str | None:
        """The SHA-256 that the object carries, empty when it carries none; None when there is no such object."""
        import obstore

        try:
            found = await obstore.get_async(self._store, key, options={"head": True})
        except FileNotFoundError:  # obstore's NotFoundError is one
            return None
        return str(found.attributes.get(_DIGEST, ""))


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel of one section; raises ``ConfigurationError``."""
    return S3(Settings.read(settings, context.section, context.base), context)
