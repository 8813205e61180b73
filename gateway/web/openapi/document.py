"""The description put together from calls and objects."""

from __future__ import annotations

import re
from typing import Any, Final

from gateway import __version__
from gateway.web.openapi import documents, operating, parties
from gateway.web.openapi.bill import BILL
from gateway.web.openapi.call import Call
from gateway.web.openapi.objects import OBJECTS
from gateway.web.openapi.shapes import TEXT, Schema, named
from gateway.web.problem import KINDS

_PARAMETER: Final = re.compile(r"\{([a-z]+)\}")
_GOOD: Final = {200: "Good", 201: "Added", 202: "Accepted", 204: "Done", 304: "You have it", 503: "Not ready"}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {**TEXT, "minLength": 1, "maxLength": 255},
    "description": "One for each document: a repeat with the same key is never a second one",
}


def write_openapi() -> dict[str, Any]:
    """The OpenAPI document: JSON values only."""
    paths: dict[str, dict[str, Any]] = {}
    for call in (*documents.CALLS, *parties.CALLS, *operating.CALLS):
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Access point gateway",
            "version": __version__,
            "description": "Send and receive invoices. In words, with examples: /api",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**OBJECTS, "Bill": BILL},
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    inside = [_parameter(name, TEXT, "path") for name in _PARAMETER.findall(call.path)]
    parameters = [*inside, *(_parameter(name, schema, "query") for name, schema in call.query.items())]
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "-", f"{call.method} {call.path}").strip("-"),
        "summary": call.summary,
        "responses": {str(status): _answer(call, status) for status in call.statuses},
    }
    if call.key:
        problem = {"application/problem+json": {"schema": named("Problem")}}
        statuses = sorted({kind.status for kind in KINDS.values()})
        refused = f"Refused ({', '.join(map(str, statuses))}); each kind has a page at /problems/NAME"
        operation["responses"]["default"] = {"description": refused, "content": problem}
    else:
        operation["security"] = []
    if parameters or call.repeatable:
        operation["parameters"] = [*parameters, *([_KEY] if call.repeatable else [])]
    if call.body:
        content = {media_type: {"schema": schema} for media_type, schema in call.body.items()}
        operation["requestBody"] = {"required": call.body_needed, "content": content}
    return operation


def _parameter(name: str, schema: Schema, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, **({"required": True} if place == "path" else {})}


def _answer(call: Call, status: int) -> dict[str, Any]:
    content = {media_type: {"schema": schema} for media_type, schema in call.answer.items()}
    empty = status in (204, 304) or not content
    return {"description": _GOOD[status], **({} if empty else {"content": content})}
