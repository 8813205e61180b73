"""One bounded GET to a foreign SMP. [I/O]

Nothing that the other side sends decides how much time, memory or trust it gets: no redirect is followed, no
compression unpacked, no proxy of the environment used, no cookie kept, and a name is connected to only at the very
address that was judged. Source: Peppol SMP 1.4 (200, 404, 500; 3xx is no part of it).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from gateway.connecting import Guard
from gateway.errors import InvalidAddress, LookupUnavailable
from gateway.model.relation import Step
from gateway.security.tls import client_context, explain
from gateway.security.weburl import WebRules, check_url

MAX_ANSWER: Final = 256 * 1024
_HEADERS: Final = {"Accept": "text/xml, application/xml", "Accept-Encoding": "identity"}
_PER_HOST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds that an SMP gets."""

    connect: float = 5.0
    total: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came: always status 200 or 404."""

    status: int
    body: bytes
    url: str
    host: str
    milliseconds: float

    def step(self, answer: str, *, keep: bool = False) -> Step:
        """The step of the search that this was; ``keep`` keeps the octets as proof."""
        return Step(
            asked=f"GET {self.url}",
            where=self.host,
            answer=answer,
            milliseconds=self.milliseconds,
            octets=self.body if keep else b"",
        )


class Fetcher:
    """Fetches from SMPs over one pool of connections. Made by :func:`open_fetcher`."""

    def __init__(self, session: aiohttp.ClientSession, rules: WebRules, timeouts: Timeouts) -> None:
        self.rules = rules
        self._session = session
        self._timeouts = timeouts

    async def get(self, url: str) -> Fetched:
        """Get a URL that is already percent-encoded.

        Raises ``LookupUnavailable``, with the step, for everything that is neither 200 nor 404.
        """
        started = time.monotonic()
        host = "?"
        try:
            parsed = URL(check_url(url, self.rules), encoded=True)
            host = parsed.authority
            status, body = await self._get(parsed)
        except InvalidAddress as error:
            said = str(error)
        except aiohttp.ConnectionTimeoutError:
            said = f"no connection within {self._timeouts.connect:g} s"
        except TimeoutError:
            said = f"no answer within {self._timeouts.total:g} s"
        except (ssl.SSLError, aiohttp.ClientSSLError) as error:
            said = f"no trustworthy TLS connection: {explain(error)[0]}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = f"no connection or a broken answer: {_reason(error)}"
        else:
            if status in (200, 404) and body is not None:
                return Fetched(status=status, body=body, url=url, host=host, milliseconds=_since(started))
            said = _refusal(status, oversized=body is None)
        step = Step(asked=f"GET {url}", where=host, answer=said, milliseconds=_since(started))
        raise LookupUnavailable(f"the SMP {host} gave no usable answer: {said}", steps=(step,))

    async def _get(self, url: URL) -> tuple[int, bytes | None]:
        """Status and body; None for a body that is too large or packed."""
        async with (
            asyncio.timeout(self._timeouts.total),
            self._session.get(url, headers=_HEADERS, allow_redirects=False) as response,
        ):
            if response.status == 404:
                return 404, b""  # whatever page comes with it
            if response.status != 200:
                return response.status, b""
            if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                return 200, None
            if (response.content_length or 0) > MAX_ANSWER:
                return 200, None
            body = bytearray()
            async for chunk in response.content.iter_chunked(16_384):
                body += chunk
                if len(body) > MAX_ANSWER:
                    return 200, None
            return 200, bytes(body)


@asynccontextmanager
async def open_fetcher(
    rules: WebRules, timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Fetcher]:
    """Open the pool of connections and close it at the end. ``tls``: default the system's authorities."""
    timeouts = timeouts or Timeouts()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=Guard(rules),
            ssl=tls or client_context(),
            limit=100,
            limit_per_host=_PER_HOST,
            use_dns_cache=False,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeouts.total, sock_connect=timeouts.connect),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": "access-point-gateway"},
    )
    async with session:
        yield Fetcher(session, rules, timeouts)


def _refusal(status: int, *, oversized: bool) -> str:
    if oversized:
        return f"{status}, but larger than {MAX_ANSWER // 1024} KiB or packed in a way that was not asked for"
    if 300 <= status < 400:
        return f"{status}, a redirect of HTTP, which is not followed"
    return f"status {status}"


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error  # without aiohttp's own decoration
    return (str(error) or type(error).__name__)[:300]


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
