"""One call of the API, and what many of them have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.web.openapi.shapes import TEXT, WHOLE, Schema, named

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. ``path`` is written as in OpenAPI; parameters of the path follow from it."""

    method: str
    path: str
    summary: str
    answer: Mapping[str, Schema]
    """Media type to schema; empty where there is no body."""
    statuses: tuple[int, ...] = (200,)
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_needed: bool = True
    repeatable: bool = False
    """Takes an ``Idempotency-Key``."""
    key: bool = True


def as_json(schema: Schema) -> Mapping[str, Schema]:
    """A body or answer of this kind."""
    return {JSON: schema}


def octets(*types: str) -> Mapping[str, Schema]:
    """Files of these media types."""
    return {media_type: {"type": "string", "format": "binary"} for media_type in types}


LIMIT: Final[Schema] = {**WHOLE, "minimum": 1, "maximum": 200, "default": 50}
PAGE: Final = {"limit": LIMIT, "cursor": TEXT}
DOCUMENT: Final = as_json(named("Document"))
