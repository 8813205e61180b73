"""When work leaves the event loop: only large work, because handing over costs as much as a small document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

LARGE: Final = 200_000
"""Octets above which parsing and packing take more than about two milliseconds."""


async def in_thread_if_large(size: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Do the work here when it is small, in a thread when it is large."""
    if size <= LARGE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
