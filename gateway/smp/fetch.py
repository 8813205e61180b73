"""One bounded GET to a foreign SMP. [I/O]

Nothing that the other side sends decides how much time, memory or trust it gets: no redirect is followed, no
compression unpacked, no proxy of the environment used, no cookie kept, and a name is connected to only at the very
address that was judged. Source: Peppol SMP 1.4 (200, 404, 500; 3xx is no part of it).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from gateway.connecting import Guard
from gateway.connecting.calls import CallFailed, Calls
from gateway.errors import InvalidAddress, InvalidAnswer, LookupUnavailable
from gateway.model.relation import Step
from gateway.security.tls import client_context
from gateway.security.weburl import WebRules, check_url

MAX_ANSWER: Final = 256 * 1024
_ACCEPT: Final = "text/xml, application/xml"
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

    def __init__(self, calls: Calls, rules: WebRules, timeouts: Timeouts) -> None:
        self.rules = rules
        self._calls = calls
        self._timeouts = timeouts

    async def get(self, url: str) -> Fetched:
        """Get a URL that is already percent-encoded.

        Raises ``LookupUnavailable``, with the step, for everything that is neither 200 nor 404.
        """
        started = time.monotonic()
        host = "?"
        limits = self._timeouts
        try:
            checked = check_url(url, self.rules)
            host = authority(checked)
            answer = await self._calls.get(
                checked, accept=_ACCEPT, most=MAX_ANSWER, said=404, connect=limits.connect, total=limits.total
            )
        except InvalidAddress as error:
            said = str(error)
        except InvalidAnswer:
            said = f"200, but larger than {MAX_ANSWER // 1024} KiB or packed in a way that was not asked for"
        except CallFailed as error:
            said = self._say(error)
        else:
            if answer.status in (200, 404):
                body = answer.body if answer.status == 200 else b""  # whatever page comes with a 404
                return Fetched(status=answer.status, body=body, url=url, host=host, milliseconds=_since(started))
            said = _refusal(answer.status)
        step = Step(asked=f"GET {url}", where=host, answer=said, milliseconds=_since(started))
        raise LookupUnavailable(f"the SMP {host} gave no usable answer: {said}", steps=(step,))

    def _say(self, error: CallFailed) -> str:
        match error.kind:
            case "connect":
                return f"no connection within {self._timeouts.connect:g} s"
            case "time":
                return f"no answer within {self._timeouts.total:g} s"
            case "tls":
                return f"no trustworthy TLS connection: {error.reason}"
            case "address":
                return error.reason
            case _:
                return f"no connection or a broken answer: {error.reason[:300]}"


def authority(url: str) -> str:
    """Host and port of a URL that was checked, as it has them."""
    return url[url.find("//") + 2 :].partition("/")[0].partition("?")[0]


@asynccontextmanager
async def open_fetcher(
    rules: WebRules, timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Fetcher]:
    """Open the pool of connections and close it at the end. ``tls``: default the system's authorities."""
    calls = Calls(resolver=Guard(rules), tls=tls or client_context(), per_host=_PER_HOST)
    try:
        yield Fetcher(calls, rules, timeouts or Timeouts())
    finally:
        await calls.close()


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"{status}, a redirect of HTTP, which is not followed"
    return f"status {status}"


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
