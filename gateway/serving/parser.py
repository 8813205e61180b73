"""Which reader of HTTP stands in front: aiohttp's in C, of a release without known holes, or nothing is served."""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp import http_parser

from gateway.errors import ConfigurationError

OLDEST: Final = (3, 14, 5)
"""Before it two readers can understand one request differently (request smuggling, CVE-2026-34513 and others)."""


def require_parser() -> None:
    """Raise ``ConfigurationError`` when this aiohttp must not read what strangers send."""
    problems = []
    if _release(aiohttp.__version__) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        problems.append(("aiohttp", f"{aiohttp.__version__} is installed; install {oldest} or newer"))
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        problems.append(
            (
                "aiohttp",
                "its parser in C is missing, the other one is looser and slow: take AIOHTTP_NO_EXTENSIONS out of the "
                "environment, or install aiohttp as a wheel for this Python",
            )
        )
    if problems:
        raise ConfigurationError(problems)


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 3.15.0rc1 is (3, 15, 0)."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
