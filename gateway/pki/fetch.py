"""One bounded request for a revocation list or an OCSP answer. [I/O]

The session decides where connections may go (its resolver judges each address); here the text of the address is judged,
and nothing the other side sends decides how much time or memory it gets.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from gateway import __version__
from gateway.errors import InvalidAddress, RevocationUnknown
from gateway.security.ocsp import MAX_ANSWER, REQUEST_TYPE
from gateway.security.weburl import WebRules, check_url

MAX_LIST: Final = 64 * 1024 * 1024
"""200,000 entries have some 10 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How the authorities' servers are asked."""

    session: aiohttp.ClientSession
    rules: WebRules
    connect: float = 5.0
    """Seconds."""
    total: float = 60.0
    """Seconds for a list."""
    answer: float = 10.0
    """Seconds for an OCSP answer."""
    largest: int = MAX_LIST

    async def get_list(self, url: str) -> bytes:
        """Fetch a list; raises ``RevocationUnknown`` with what went wrong."""
        return await self._ask("GET", url, None, self.largest, self.total)

    async def post_question(self, url: str, question: bytes) -> bytes:
        """Put an OCSP question; raises ``RevocationUnknown`` with what went wrong."""
        return await self._ask("POST", url, question, MAX_ANSWER, self.answer)

    async def _ask(self, method: str, url: str, body: bytes | None, most: int, seconds: float) -> bytes:
        try:
            parsed = URL(check_url(url, self.rules), encoded=True)
            async with asyncio.timeout(seconds):
                return await self._read(method, parsed, body, most, seconds)
        except InvalidAddress as error:
            said = str(error)
        except aiohttp.ConnectionTimeoutError:
            said = f"no connection within {self.connect:g} s"
        except TimeoutError:
            said = f"not all of it came within {seconds:g} s"
        except aiohttp.ClientConnectorError as error:
            said = f"no connection: {error.os_error}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = f"no connection or a broken answer: {(str(error) or type(error).__name__)[:300]}"
        raise RevocationUnknown(f"{url[:200]}: {said}")

    async def _read(self, method: str, url: URL, body: bytes | None, most: int, seconds: float) -> bytes:
        headers = {"Accept-Encoding": "identity", "User-Agent": f"access-point-gateway/{__version__}"}
        if body is not None:
            headers["Content-Type"] = REQUEST_TYPE
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=self.connect)
        async with self.session.request(
            method, url, data=body, headers=headers, allow_redirects=False, timeout=timeout
        ) as response:
            if response.status != 200:
                raise RevocationUnknown(f"{str(url)[:200]}: HTTP status {response.status}")
            if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                raise RevocationUnknown(f"{str(url)[:200]}: packed in a way that was not asked for")
            octets = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                octets += chunk
                if len(octets) > most:
                    raise RevocationUnknown(f"{str(url)[:200]}: larger than {most // 1024} KiB")
            return bytes(octets)
