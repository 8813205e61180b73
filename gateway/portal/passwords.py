"""Passwords: argon2id as RFC 9106 recommends it second (64 MiB), off the event loop, few at once.

Guessing is slowed down per name and per address, for unknown names alike, so that nothing tells who is known here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.errors import Overloaded
from gateway.ports.people import Guesses
from gateway.web.invitation import new_secret

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

SHORTEST: Final = 12
LONGEST: Final = 200
FREE: Final = 5
"""Wrong passwords for a name until it has to wait."""
FREE_ADDRESS: Final = 30
"""Wrong passwords from an address until it has to wait: an office may share one."""
FIRST_PAUSE: Final = timedelta(seconds=15)
LONGEST_PAUSE: Final = timedelta(minutes=15)
_AT_ONCE: Final = 2
"""Each takes 64 MiB."""
_QUEUE: Final = 20


def problem_with(password: str, name: str) -> str:
    """Why it cannot be a password, as a key of the words; empty when it can."""
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    if name.split("@")[0].casefold() in password.casefold() or len(set(password)) < 5:
        return "easy"
    return ""


def pause_of(guesses: Guesses, free: int, now: datetime) -> timedelta:
    """How long nothing is tried any more after so many wrong passwords; doubled by each."""
    if guesses.failures < free or guesses.last is None:
        return timedelta(0)
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(guesses.failures - free, 10), LONGEST_PAUSE)
    return max(guesses.last + pause - now, timedelta(0))


def key_of(kind: str, value: str) -> str:
    """Under what wrong guesses are counted: a hash, since people type passwords into the field for the name."""
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys() -> str:
    """The hash of no password: an unknown name takes as long as a known one."""
    return _hasher().hash(new_secret())


@dataclass(slots=True)
class Passwords:
    """Hashes and compares."""

    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _queued: int = 0

    async def hash(self, password: str) -> str:
        """What the store keeps. Raises ``Overloaded``."""
        return await self._apart(lambda: _hasher().hash(password))

    async def fits(self, hash: str, password: str) -> bool:
        """Whether the password is the hash's; without a hash it takes as long and is not. Raises ``Overloaded``."""
        return await self._apart(lambda: _verify(hash, password))

    async def _apart(self, work: Callable[[], T]) -> T:
        if self._queued >= _QUEUE:
            raise Overloaded("Too many people sign in at once.")
        self._queued += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work)
        finally:
            self._queued -= 1


def _verify(hash: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hash or _nobodys(), password[: LONGEST + 1]) and bool(hash)
    except (VerificationError, InvalidHashError):
        return False
