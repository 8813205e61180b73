"""Delivery by webhook: one signed POST of the document to an address of the receiver's system. [I/O]

The body is the event ``document.received``: the document object and, up to ``inline``, the octets in base64; larger
documents are fetched through the API. Any 2xx is a handover. 410, 413 and 422 are a no for this document; everything
else is tried again under the same ``webhook-id``, by which the receiver knows a repeat. Redirects are not followed,
and the address is judged before and while connecting. Source: Standard Webhooks 1.0.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal

import aiohttp
from yarl import URL

from gateway.config import ByteSize, read_settings
from gateway.connecting import Guard
from gateway.delivery import _secret
from gateway.delivery._signing import read_secrets, sign
from gateway.discovery import ChannelContext
from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError, InvalidAddress
from gateway.files import Handovers
from gateway.model.happening import RECEIVED, event_id, happening
from gateway.model.message import Message, Parcel
from gateway.model.octets import Spooled, size_of
from gateway.model.signals import Handover
from gateway.ports import Channel
from gateway.security.tls import client_context, explain
from gateway.security.weburl import WebRules, check_url

_ANSWER: Final = 2048
"""Octets of an answer that are read; what it says is for people only."""
_SHOWN: Final = 200
_NEVER: Final = {
    410: "the address is gone",
    413: "the document is too large for it",
    422: "the document is not acceptable to it",
}
_LONGEST_WAIT: Final = 86_400.0
_OURS: Final = "Compare url, secret and what the receiver's system says; it is tried again by itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[delivery.NAME]`` with ``kind = "webhook"``."""

    url: str
    """Where to: https, a public host, port 443, unless the two switches say more."""
    secret_file: Path | None = None
    """``whsec_`` and base64; while one secret takes over from another both, each on a line."""
    secret: str = field(default="", repr=False)
    """For the environment; in a file it belongs into ``secret_file``."""
    inline: ByteSize = ByteSize(1_000_000)
    """Up to this size the document itself is in the body."""
    timeout: timedelta = timedelta(seconds=30)
    """For connecting, sending and the answer together."""
    allow_http: bool = False
    """Plain http, and other ports than 443."""
    allow_private: bool = False
    """Addresses in loopback and private ranges: a receiver's system in our own network."""
    ca_file: Path | None = None
    """Authorities of the server's certificate, where they are not the system's."""
    kind: Literal["webhook"] = "webhook"

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        return read_settings(cls, table, path, base, _contradictions)

    @property
    def rules(self) -> WebRules:
        """Which addresses we go to."""
        return WebRules(allow_http=self.allow_http, allow_loopback=self.allow_private)

    def read_secrets(self) -> tuple[bytes, ...]:
        """The secrets, the newest first. Raises ``OSError`` or ``ValueError``."""
        return read_secrets(self.secret_file.read_text(encoding="ascii") if self.secret_file else self.secret)

    def make_tls(self) -> ssl.SSLContext:
        """TLS settings. Raises ``OSError`` (``ssl.SSLError`` is one) for a bad ``ca_file``."""
        return client_context((self.ca_file,) if self.ca_file else ())


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    try:
        check_url(settings.url, settings.rules)
    except InvalidAddress as error:
        problems.append(("url", f"{error} (allow_http and allow_private loosen this)"))
    problems.extend(_secret.problems(settings.secret, settings.secret_file, "secret", settings.read_secrets))
    try:
        settings.make_tls()
    except (OSError, ConfigurationError) as error:
        problems.append(("ca_file", f"cannot be read as PEM certificates: {error}"))
    if settings.inline > 20_000_000:
        problems.append(("inline", "must be at most 20 MB"))
    if not 1 <= settings.timeout.total_seconds() <= 300:
        problems.append(("timeout", "must be between 1 second and 5 minutes"))
    return problems


class Webhook:
    """An address of the receiver's system."""

    name = "webhook"
    confirms = True

    def __init__(self, settings: Settings, context: ChannelContext) -> None:
        self._settings = settings
        self._secrets = settings.read_secrets()
        self._describe = context.describe
        self._now = context.clock.now
        self._handovers = Handovers(context.memory("delivery-webhook"), context.clock.now)
        self._where = URL(settings.url, encoded=True)
        self._session: aiohttp.ClientSession | None = None

    def serves(self, parcel: Parcel) -> str:
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        async def post() -> Handover:
            return await self._post(parcel)

        return await self._handovers.once(parcel.message, post)

    async def forget(self, message: Message) -> None:
        """The next handover of this document shall reach the receiver's system again."""
        await self._handovers.forget(message)

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, parcel: Parcel) -> Handover:
        name = event_id(parcel.id, "Received")
        body = await asyncio.to_thread(self._write, parcel, name)
        started = time.monotonic()
        try:
            status, words, wait = await self._send(name, body)
        except InvalidAddress as error:
            raise ChannelUnavailable(f"{self._target}: {error}", remedy=_OURS) from error
        except TimeoutError as error:
            text = f"{self._target} gave no answer within {self._settings.timeout.total_seconds():g} s"
            raise ChannelUnavailable(text, sent=True) from error
        except (ssl.SSLError, aiohttp.ClientSSLError) as error:
            text, remedy = explain(error)
            raise ChannelUnavailable(f"{self._target}: no trustworthy TLS connection: {text}", remedy=remedy) from error
        except (aiohttp.ClientError, OSError) as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            raise ChannelUnavailable(f"{self._target}: {_reason(error)}", sent=sent) from error
        spent = (time.monotonic() - started) * 1000
        answered = f"{self._target} answered {status}{words} after {spent:.0f} ms"
        if 200 <= status < 300:
            return Handover(reference=name, text=f"{answered} (webhook-id {name})", confirmed=True)
        if status in _NEVER:
            remedy = "Mend what the receiver's system says, then deliver it again with `gateway redeliver`."
            raise ChannelRefused(f"{answered}: {_NEVER[status]}", remedy=remedy)
        if 300 <= status < 400:
            raise ChannelUnavailable(f"{answered}: redirects are not followed", remedy="Write the new address in url.")
        raise ChannelUnavailable(answered, sent=True, wait=wait, remedy=_OURS)

    async def _send(self, id: str, body: bytes) -> tuple[int, str, float]:
        """Status, words of the answer for people, and the seconds that it asks us to wait."""
        now = self._now()
        headers = {
            **sign(self._secrets, id=id, seconds=int(now.timestamp()), body=body),
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        async with (
            asyncio.timeout(self._settings.timeout.total_seconds()),
            self._opened().post(self._where, data=body, headers=headers, allow_redirects=False) as response,
        ):
            words = await response.content.read(_ANSWER)
            if not response.content.at_eof():
                response.close()  # whatever else it says is not read
            return response.status, _shown(words), _asked_to_wait(response.headers.get("Retry-After", ""), now)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            rules = self._settings.rules
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Guard(rules), ssl=self._settings.make_tls(), limit=16),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": "access-point-gateway"},
            )
        return self._session

    def _write(self, parcel: Parcel, id: str) -> bytes:
        octets = parcel.document
        inline = not isinstance(octets, Spooled) and size_of(octets) <= self._settings.inline
        data = {
            "document": self._describe(parcel.message),
            "content": base64.b64encode(octets).decode() if inline and isinstance(octets, bytes) else None,
            "content_type": "application/xml",
            "content_path": f"/v1/documents/{parcel.id}/content",
        }
        event = happening(id, RECEIVED, parcel.message.created, data)
        return json.dumps(event, ensure_ascii=False, default=str).encode("utf-8", "replace")

    @property
    def _target(self) -> str:
        """The address as texts show it: what a query may hold is nobody's business."""
        return f"POST {self._where.with_query(None)}"


def _shown(octets: bytes) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in octets.decode("utf-8", "replace")).split())
    return f" “{text[:_SHOWN]}”" if text else ""


def _asked_to_wait(value: str, now: datetime) -> float:
    """``Retry-After`` in seconds, 0 where it says nothing that can be used. Source: RFC 9110 10.2.3."""
    if value.isascii() and value.isdigit() and len(value) <= 9:
        return min(float(value), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_WAIT)


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error  # without aiohttp's own decoration
        return f"no connection: {error}"[:300]
    return f"the connection broke: {str(error) or type(error).__name__}"[:300]


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel of one section; raises ``ConfigurationError``."""
    return Webhook(Settings.read(settings, context.section, context.base), context)
