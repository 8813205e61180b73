"""Reading the query of a request: every parameter known, at most once, in its range.

An unknown parameter is refused, not ignored: ``?rout=peppol`` that becomes a letter costs money.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final, TypeVar

from aiohttp import web

from gateway.web.problem import bad_request

MAX_TEXT: Final = 200
_E = TypeVar("_E", bound=StrEnum)


class Query:
    """The parameters of one request. Every reader raises the problem ``invalid-request`` with the parameter's name."""

    def __init__(self, request: web.Request, *known: str) -> None:
        self._values = request.query
        for name in self._values:
            if name not in known:
                hint = f"known here: {', '.join(known)}" if known else "this call takes none"
                raise bad_request(f"query:{name[:40]}", f"There is no parameter “{name[:40]}”; {hint}.")

    def text(self, name: str, *, longest: int = MAX_TEXT) -> str:
        """A text of printable characters, empty when it is not there."""
        values = self._values.getall(name, [])
        if len(values) > 1:
            raise bad_request(f"query:{name}", f"{name} may stand only once.")
        value = values[0].strip() if values else ""
        if len(value) > longest or not value.isprintable():
            raise bad_request(f"query:{name}", f"{name} is a text of at most {longest} printable characters.", value)
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number between ``least`` and ``most``."""
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= most):
            raise bad_request(f"query:{name}", f"{name} is a whole number from {least} to {most}.", value)
        return int(value)

    def one_of(self, name: str, default: str, allowed: Collection[str]) -> str:
        """One of the allowed words."""
        value = self.text(name) or default
        if value not in allowed:
            raise bad_request(f"query:{name}", f"{name} is one of {', '.join(allowed)}.", value)
        return value

    def member(self, name: str, default: _E) -> _E:
        """A member of the default's enumeration by its value."""
        return type(default)(self.one_of(name, default.value, [member.value for member in type(default)]))

    def several(self, name: str, kind: type[_E]) -> tuple[_E, ...]:
        """Members of an enumeration: the parameter repeated, or its values with commas between."""
        words = [word.strip() for value in self._values.getall(name, []) for word in value.split(",") if word.strip()]
        known = {member.value: member for member in kind}
        for word in words:
            if word.upper() not in known:
                raise bad_request(f"query:{name}", f"{name} is one of {', '.join(known)}.", word[:40])
        return tuple(dict.fromkeys(known[word.upper()] for word in words))


def paging(query: Query) -> tuple[int, str]:
    """``limit`` (1 to 200, else 50) and ``cursor``."""
    return query.number("limit", 50, 1, 200), query.text("cursor")


def no_query(request: web.Request) -> None:
    """For calls without parameters."""
    Query(request)
