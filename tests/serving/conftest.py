"""Connections and TLS are tried on both event loops: the standard one, and uvloop's where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed: the extra fast")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": _uvloop}
