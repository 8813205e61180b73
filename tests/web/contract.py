"""Each answer that any test of the API gets is held against the OpenAPI description, which names every member."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from gateway.web.openapi import write_openapi

DESCRIPTION = write_openapi()
_SCHEMAS = DESCRIPTION["components"]["schemas"]


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The operation of a request; fixed paths go before those with parameters."""
    for template in sorted(DESCRIPTION["paths"], key=lambda one: "{" in one):
        if re.fullmatch(re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(template)), path):
            found: dict[str, Any] | None = DESCRIPTION["paths"][template].get(method.lower())
            if found is not None:
                return found
    return None


def check(method: str, path: str, status: int, content_type: str, value: object) -> None:
    """Fail when the answer is not as it is described. ``value`` is the JSON of the body, if it is JSON."""
    if method == "HEAD" or path == "/" or path.startswith("/problems/"):
        return  # pages for people are not described
    operation = operation_of(method, path)
    if operation is None:
        assert status in (400, 401, 404, 405), f"{method} {path} is not described, and gave {status}"
        return
    responses = operation["responses"]
    response = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
    assert response is not None, f"{method} {path} gave {status}, which is not described"
    content = response.get("content", {})
    media_type = content_type.partition(";")[0]
    if not content:
        assert value is None, f"{method} {path} {status} has a body that is not described"
        return
    assert media_type in content, f"{method} {path} gave {media_type}, described are {', '.join(content)}"
    if media_type.endswith("json"):
        errors = [
            f"{error.json_path}: {error.message[:200]}"
            for error in _validator(json.dumps(content[media_type]["schema"])).iter_errors(value)
        ]
        assert not errors, f"{method} {path} {status}: {errors[:5]}"


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(_strict(json.loads(schema)), format_checker=FormatChecker())


def _strict(schema: Any) -> Any:
    """The schema with what it refers to inside it, and no member allowed that it does not name."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _strict(_SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "allOf" in schema:
        parts = [_strict(one) for one in schema["allOf"]]
        members = {name: value for part in parts for name, value in part["properties"].items()}
        needed = [name for part in parts for name in part["required"]]
        return {"type": "object", "properties": members, "required": needed, "additionalProperties": False}
    names = schema.get("properties")
    if isinstance(names, dict) and schema.get("type") == "object":
        inner = {name: _strict(value) for name, value in names.items()}
        return {"additionalProperties": False, **schema, "properties": inner}
    return {
        name: _strict(value) if name in ("items", "anyOf", "additionalProperties") else value
        for name, value in schema.items()
    }
