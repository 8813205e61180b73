"""Telling the Peppol Directory to index a participant's business card, or to forget it. [I/O]

Source: Peppol Directory 1.1 (indexer 1.0): it is only told the identifier, under mutual TLS with the SMP certificate,
and then reads SML, SMP and card by itself.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp

from gateway.errors import RegisterRefused, RegisterUnavailable
from gateway.model.identifiers import ParticipantId

_SECONDS: Final = 30.0
_INDEXER: Final = "indexer/1.0"


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory. Made by :func:`open_directory`."""

    session: aiohttp.ClientSession
    url: str

    async def index(self, participant: ParticipantId) -> None:
        """Ask it to read the card. Raises ``RegisterRefused``, ``RegisterUnavailable``."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        await self._call("PUT", f"{self.url}/{_INDEXER}/", data=str(participant).encode(), headers=headers)

    async def forget(self, participant: ParticipantId) -> None:
        """Ask it to drop the card; one that it does not have is dropped. Raises like :meth:`index`."""
        await self._call("DELETE", f"{self.url}/{_INDEXER}/{quote(str(participant), safe='')}", absent=True)

    async def _call(self, method: str, url: str, *, absent: bool = False, **more: object) -> None:
        from yarl import URL

        try:
            async with self.session.request(
                method,
                URL(url, encoded=True),
                allow_redirects=False,
                **more,  # type: ignore[arg-type]
            ) as response:
                status, said = response.status, (await response.content.read(500)).decode("utf-8", "replace").strip()
        except TimeoutError:
            raise RegisterUnavailable(f"The directory {self.url} gave no answer within {_SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise RegisterUnavailable(f"The directory {self.url} cannot be reached: {str(error)[:200]}") from None
        if status < 300 or (absent and status == 404):
            return
        text = f"The directory {self.url} answers with status {status}: {said or 'without words'}"
        if status == 429 or status >= 500:
            raise RegisterUnavailable(text)
        raise RegisterRefused(text, remedy="Look whether the directory knows our SMP certificate.")


@asynccontextmanager
async def open_directory(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Directory]:
    """Open the connection; ``tls`` shows our SMP certificate."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls or True, limit=2),
        timeout=aiohttp.ClientTimeout(total=_SECONDS, sock_connect=10.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": "access-point-gateway"},
    ) as session:
        yield Directory(session, url.rstrip("/"))
