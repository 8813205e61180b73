"""Calls made out of the description of the API, good and bad: none finds a fault of ours, or an undescribed answer.

Some hundreds in seconds; ``make api-fuzz`` makes 100,000 against a running market.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any
from urllib.parse import quote, urlencode

from tests.web.conftest import THEIRS, Site, invoice
from tests.web.contract import DESCRIPTION
from tests.web.test_counterparts import _added

ROUNDS = 6
"""Calls of each operation."""
SCHEMAS = DESCRIPTION["components"]["schemas"]
ODD: tuple[Any, ...] = (None, True, 0, -1, 10**40, 1.5, "", " ", "\x00", "å" * 300, "0007:1", "2026-02-30", [], {},
                        [None], {"": 0}, "' OR 1=1 --", "../..", "%00", "NaN", "9" * 400)  # fmt: skip
OFF_LIMITS = {"wait": "0"}
"""Nobody waits here."""


def _value(dice: random.Random, schema: Any, depth: int = 0) -> Any:
    """A value that the schema allows, mostly; one in eight is odd."""
    if dice.random() < 0.12 or depth > 6:
        return dice.choice(ODD)
    if "$ref" in schema:
        return _value(dice, SCHEMAS[schema["$ref"].rpartition("/")[2]], depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return _value(dice, dice.choice(schema[name]), depth + 1)
    if "enum" in schema:
        return dice.choice(schema["enum"])
    kind = schema.get("type")
    kind = dice.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        known = schema.get("properties", {})
        chosen = [name for name in known if name in schema.get("required", ()) or dice.random() < 0.4]
        made = {name: _value(dice, known[name], depth + 1) for name in chosen}
        return made | ({"undescribed": 1} if dice.random() < 0.05 else {})
    if kind == "array":
        return [_value(dice, schema.get("items", {}), depth + 1) for _ in range(dice.choice((0, 1, 1, 2, 5)))]
    if kind == "integer":
        return dice.randint(int(schema.get("minimum", -5)), int(schema.get("maximum", 500)))
    if kind == "number":
        return round(dice.uniform(-5, 5_000), 2)
    if kind == "boolean":
        return dice.random() < 0.5
    return dice.choice(
        ("x", "SE", "SEK", "2026-11-25", "2026-11-25T12:00:00Z", "12.50", "2026-11", THEIRS, "a@example.org")
    )


def _body(dice: random.Random, content: Any) -> tuple[str, bytes]:
    media_type = dice.choice(sorted(content))
    if media_type == "application/json":
        return media_type, json.dumps(_value(dice, content[media_type]["schema"])).encode()
    good = invoice(str(dice.randrange(10**6))) if "xml" in media_type else b"number;name\n1;Exempel AB\n"
    place = dice.randrange(len(good))
    return media_type, dice.choice((good, good[:place], good[:place] + b"\xff<&" + good[place:], b"", b"\x00" * 9))


async def test_no_generated_call_finds_a_fault_of_ours(site: Site) -> None:
    dice = random.Random(7)
    sent = (await site.submit(invoice("G-1"))).json["id"]
    came = await site.receive()
    customer = (await _added(site, name="Exempel Ett AB", number="77", org_number=""))["id"]
    beta = [(await site.call("GET", f"/v1/{name}", who="beta")).json for name in ("documents", "counterparts", "users")]
    ids = (sent, came, came, came, customer, THEIRS, "none", "..", "\x00", "å" * 200, "clerk@example.org")
    asked = 0
    for template, row in DESCRIPTION["paths"].items():
        for method, operation in row.items():
            for _ in range(ROUNDS):
                await _call(site, dice, method, template, operation, ids)
                asked += 1
    assert asked >= 70 * ROUNDS
    after = [
        (await site.call("GET", f"/v1/{name}", who="beta")).json for name in ("documents", "counterparts", "users")
    ]
    assert after == beta, "calls of alpha changed nothing of beta's"


async def _call(
    site: Site, dice: random.Random, method: str, template: str, operation: Any, ids: tuple[str, ...]
) -> None:
    path = re.sub(r"\{[a-z]+\}", lambda _: quote(dice.choice(ids), safe=""), template)
    query, headers = {}, {}
    for one in operation.get("parameters", ()):
        if one["in"] == "query" and dice.random() < 0.5:
            value = OFF_LIMITS.get(one["name"]) or _value(dice, one["schema"])
            query[one["name"]] = value if isinstance(value, str) else json.dumps(value)
        if one["in"] == "header" and dice.random() < 0.5:
            headers[one["name"]] = dice.choice(("key-1", "x" * 255, "x" * 256, "å"))
    options: dict[str, Any] = {}
    content = operation.get("requestBody", {}).get("content")
    if content:
        headers["Content-Type"], options["data"] = _body(dice, content)
    if query:
        path += "?" + urlencode(query)
    answer = await site.call(method.upper(), path, headers=headers, **options)
    assert answer.status < 500 or answer.status == 503, (method, path, options, answer.body[:500])
