"""Connecting to names that others gave us: a name is connected to only at the very address that was judged. [I/O]

What may be gone to at all says :mod:`gateway.security.weburl`.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, cast

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.security.weburl import WebRules, check_address

_THREADS: Final = 16
"""Names that are resolved at once. They wait for servers of others, so they share no threads with work of ours."""


class _Threads:
    """What of an event loop a resolver uses, in threads of its own."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")

    async def getaddrinfo(self, *of: Any, **how: Any) -> list[Any]:
        return await asyncio.get_running_loop().run_in_executor(self.pool, partial(socket.getaddrinfo, *of, **how))

    async def getnameinfo(self, *of: Any) -> tuple[str, str]:
        return await asyncio.get_running_loop().run_in_executor(self.pool, socket.getnameinfo, *of)


class Guard(AbstractResolver):
    """Resolves names for the connector and lets only addresses through that we may connect to.

    The connector connects to what it gets from here, so nothing can change between judging and connecting.
    """

    def __init__(self, rules: WebRules) -> None:
        self._rules = rules
        self._threads = _Threads()
        self._system = ThreadedResolver(cast("asyncio.AbstractEventLoop", self._threads))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        for result in found:
            check_address(result["host"], self._rules)
        return found

    async def close(self) -> None:
        await self._system.close()
        self._threads.pool.shutdown(wait=False, cancel_futures=True)
