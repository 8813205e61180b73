"""Reading JSON that a stranger wrote, field by field: every fault is collected with its JSON pointer (RFC 6901)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar
from unicodedata import category

from gateway.model.document import Finding

_T = TypeVar("_T")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,8})?", re.ASCII)
_MOST_FAULTS: Final = 50
_MOST_OF: Final = ((b"{", 60_000, "objects"), (b"[", 60_000, "lists"), (b",", 400_000, "members"))
_REFUSED: Final = frozenset({"Cc", "Cs", "Cn"})
"""General categories: controls, halves of signs, what is no sign. A no-break space is one."""


class Number(str):
    """A number as it was written: what a float would round, money keeps."""

    __slots__ = ()


def read_object(octets: bytes) -> dict[str, object]:
    """The JSON object, its numbers as :class:`Number`.

    Raises ``ValueError`` that says what is wrong: a name that stands twice, NaN, no UTF-8, no object, too many of them.
    """
    for sign, most, what in _MOST_OF:
        if octets.count(sign) > most:  # before it is read: reading stops everything else in this process
            raise ValueError(f"it has more than {most:,} {what}")
    try:
        value = json.loads(
            octets,
            object_pairs_hook=once,
            parse_constant=refuse_constant,
            parse_int=Number,
            parse_float=Number,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    return value


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object none of whose names stands twice. Raises ``ValueError``."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return table


def refuse_constant(name: str) -> object:
    """NaN and the infinities are not JSON. Raises ``ValueError``."""
    raise ValueError(f"{name} is not JSON")


class Fields:
    """One object of the body. Each reader takes a member by its name and gives a value that can be used further on.

    A member that is wrong or missing becomes a finding, and the reader gives a stand-in; whoever reads looks at
    :attr:`findings` in the end. Members that nobody read are findings too (:meth:`end`).
    """

    def __init__(self, table: object, pointer: str, findings: list[Finding]) -> None:
        self.pointer = pointer
        self.findings = findings
        self._read: set[str] = set()
        if not isinstance(table, Mapping):
            self.fault("", "This is an object with members.")
            table = {}
        self._table: Mapping[str, object] = table

    def fault(self, name: str, message: str, value: object = "") -> None:
        """Note what is wrong with a member."""
        if len(self.findings) < _MOST_FAULTS:
            place = f"{self.pointer}/{name.replace('~', '~0').replace('/', '~1')[:60]}" if name else self.pointer
            shown = value if isinstance(value, str) else ""
            self.findings.append(Finding(rule="REQUEST", location=place, message=message, value=shown[:60]))

    def has(self, name: str) -> bool:
        """Whether it is there and not null."""
        return self._table.get(name) is not None

    def text(self, name: str, *, needed: bool = False, longest: int = 1000, lines: bool = False) -> str:
        """A text; empty where it is not there."""
        value = self._take(name)
        if value is None:
            if needed:
                self.fault(name, f"{name} is missing.")
            return ""
        if not isinstance(value, str) or isinstance(value, Number):
            self.fault(name, f"{name} is a text, in quotes.", str(value))
            return ""
        value = value.strip()
        if len(value) > longest:
            self.fault(name, f"{name} is longer than {longest} characters.", value)
        elif not value.isprintable() and not all(
            category(sign) not in _REFUSED or (lines and sign in "\n\r\t") for sign in value
        ):
            self.fault(name, f"{name} has a control character in it: take it out.")
        elif needed and not value:
            self.fault(name, f"{name} is empty.")
        else:
            return value
        return ""

    def word(self, name: str, allowed: Sequence[str], default: str) -> str:
        """One of the words."""
        value = self.text(name) or default
        if value in allowed:
            return value
        self.fault(name, f"{name} is one of {', '.join(allowed)}.", value)
        return default or allowed[0]

    def matching(self, name: str, pattern: re.Pattern[str], words: str, *, needed: bool = False) -> str:
        """A text of a form; ``words`` says which."""
        value = self.text(name, needed=needed)
        if value and not pattern.fullmatch(value):
            self.fault(name, f"{name} is {words}.", value)
            return ""
        return value

    def decimal(self, name: str, *, places: int, needed: bool = False, default: Decimal | None = None) -> Decimal:
        """A number, as JSON number or in quotes, with at most so many decimals."""
        value = self._take(name)
        if value is None:
            if needed:
                self.fault(name, f"{name} is missing.")
            return Decimal(0) if default is None else default
        if isinstance(value, str) and (fit := _NUMBER.fullmatch(value.strip())):
            number = Decimal(fit[0])
            exponent = number.as_tuple().exponent
            if isinstance(exponent, int) and -exponent <= places:
                return number
        what = (
            f"{name} is a number such as 1250.50, with a point and at most {places} decimals, with or without quotes."
        )
        self.fault(name, what, value if isinstance(value, str) else "")
        return Decimal(0) if default is None else default

    def day(self, name: str, *, needed: bool = False) -> date | None:
        """A day."""
        value = self.text(name, needed=needed)
        if not value:
            return None
        try:
            if len(value) == 10:
                return date.fromisoformat(value)
        except ValueError:
            pass
        self.fault(name, f"{name} is a day written as 2026-11-25.", value)
        return None

    def inside(self, name: str, read: Callable[[Fields], _T], *, needed: bool = False) -> _T | None:
        """A member that is an object, read by ``read``; None where it is not there."""
        value = self._take(name)
        if value is None:
            if needed:
                self.fault(name, f"{name} is missing.")
            return None
        fields = Fields(value, f"{self.pointer}/{name}", self.findings)
        found = read(fields)
        fields.end()
        return found

    def each(self, name: str, read: Callable[[Fields], _T], *, most: int, needed: bool = False) -> tuple[_T, ...]:
        """A member that is a list of objects."""
        value = self._take(name)
        if value is None or value == []:
            if needed:
                self.fault(name, f"{name} has at least one entry.")
            return ()
        if not isinstance(value, list) or len(value) > most:
            self.fault(name, f"{name} is a list of at most {most} objects.")
            return ()
        found = []
        for place, item in enumerate(value):
            fields = Fields(item, f"{self.pointer}/{name}/{place}", self.findings)
            found.append(read(fields))
            fields.end()
        return tuple(found)

    def end(self) -> None:
        """What nobody asked for is refused: a misspelled name would be lost without a word."""
        strange = [name for name in self._table if name not in self._read]
        if strange and len(self.findings) < _MOST_FAULTS:
            known = ", ".join(sorted(self._read))
            for name in strange[:_MOST_FAULTS]:
                self.fault(name, f"There is no member “{name[:40]}” here; known are {known}.")

    def _take(self, name: str) -> object:
        self._read.add(name)
        return self._table.get(name)


def _is_text(value: str, *, lines: bool) -> bool:
    return value.isprintable() or all(category(sign) not in _REFUSED or (lines and sign in "\n\r\t") for sign in value)
