"""Connecting to names that others gave us: a name is connected to only at the very address that was judged. [I/O]

What may be gone to at all says :mod:`gateway.security.weburl`.
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.security.weburl import WebRules, check_address


class Guard(AbstractResolver):
    """Resolves names for the connector and lets only addresses through that we may connect to.

    The connector connects to what it gets from here, so nothing can change between judging and connecting.
    """

    def __init__(self, rules: WebRules) -> None:
        self._rules = rules
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        for result in found:
            check_address(result["host"], self._rules)
        return found

    async def close(self) -> None:
        await self._system.close()
