"""Names that others gave us are resolved in threads of their own, however long their servers take."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from gateway.connecting import Guard
from gateway.errors import InvalidAddress
from gateway.security.weburl import WebRules


async def test_names_that_do_not_resolve_keep_no_thread_from_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    asked: list[str] = []

    def silence(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        never.wait(30)
        raise socket.gaierror("nobody answers")

    monkeypatch.setattr(socket, "getaddrinfo", silence)
    guard = Guard(WebRules())
    try:
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(guard.resolve(f"smp{n}.example.org")) for n in range(200)]
            await asyncio.wait_for(asyncio.to_thread(len, "work"), 20)
            assert len(asked) <= 16
            for each in waiting:
                each.cancel()
    finally:
        never.set()
        await guard.close()


async def test_an_address_inside_is_refused() -> None:
    guard = Guard(WebRules())
    try:
        with pytest.raises(InvalidAddress):
            await guard.resolve("localhost", 443)
    finally:
        await guard.close()
