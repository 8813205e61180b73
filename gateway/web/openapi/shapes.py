"""The few words in which schemas are written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
MAYBE: Final[Schema] = {"type": ["string", "null"]}
WHOLE: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
YES_NO: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
MAYBE_DAY: Final[Schema] = {"type": ["string", "null"], "format": "date"}
ANY: Final[Schema] = {}
FREE: Final[Schema] = {"type": "object"}
"""An object whose members differ from case to case."""


def word(words: Iterable[str], *, none: bool = False) -> Schema:
    """One of the words; with ``none``, null too."""
    known = [str(one) for one in words]
    return {"type": ["string", "null"], "enum": [*known, None]} if none else {"type": "string", "enum": known}


def many(item: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": item}


def table(value: Schema) -> Schema:
    """An object whose members are all alike, under names that are not known here."""
    return {"type": "object", "additionalProperties": value}


def answered(**members: Schema) -> Schema:
    """An object of an answer: every member is always there."""
    return {"type": "object", "properties": members, "required": list(members)}


def asked(*needed: str, **members: Schema) -> Schema:
    """An object of a request: what is needed, and what may be; nothing else is taken."""
    table = {"type": "object", "properties": members, "additionalProperties": False}
    return {**table, "required": list(needed)} if needed else table


def either(*schemas: Schema) -> Schema:
    """One of the schemas."""
    return {"anyOf": list(schemas)}


def also(name: str, **members: Schema) -> Schema:
    """An object of this name, with more."""
    return {"allOf": [named(name), answered(**members)]}


def named(name: str) -> Schema:
    """An object of ``objects.py``."""
    return {"$ref": f"#/components/schemas/{name}"}


def page(name: str) -> Schema:
    """The shape of every list."""
    return answered(items=many(named(name)), next=MAYBE)
