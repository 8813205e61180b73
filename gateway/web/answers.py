"""The shapes of good answers: one JSON object, or a page of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web


def write_json(value: object) -> str:
    """JSON as every answer has it: letters as they are, not as escapes."""
    return json.dumps(value, ensure_ascii=False)


def answer(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """One JSON value."""
    return web.json_response(value, status=status, headers=headers, dumps=write_json)


def page_of(items: Sequence[Mapping[str, object]], following: str = "") -> web.Response:
    """The shape of every list: ``items`` and ``next``, which is null on the last page."""
    return answer({"items": items, "next": following or None})
