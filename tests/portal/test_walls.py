"""Made from what there is: every field of an invoice, every route with somebody else's id, every way in."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from lxml import etree

from gateway.model.person import Deed, Role
from gateway.portal.front import Front
from gateway.security.safexml import parse
from gateway.web.invitation import code_path, hash_secret
from tests.portal.conftest import Site, Visitor
from tests.portal.stage import ALPHA, BETA, NOW, PASSWORD, Sample, SteadyClock, add
from tests.portal.test_pages import Reader
from tests.web.conftest import INVOICE

MARK = "\"'><svg onload=alert(1)><a href=javascript:alert(1) hx-get=/x>"
ADMIN = "admin@exempel.example"


def fields_of(octets: bytes) -> list[tuple[str, bytes]]:
    """The invoice once for each text and each attribute in it, with something hostile there."""
    count = len(list(parse(octets).iter()))
    made = []
    for place in range(count):
        names = [None, *list(parse(octets).iter())[place].attrib]
        for name in names:
            root = parse(octets)
            element = list(root.iter())[place]
            if name is None and len(element):
                continue
            if name is None:
                element.text = MARK
            else:
                element.set(name, MARK)
            label = root.getroottree().getpath(element) + (f"/@{name}" if name else "")
            made.append((label, etree.tostring(root)))
    return made


async def test_no_field_of_an_invoice_comes_alive(site: Site, steady: SteadyClock) -> None:
    store: Any = site.gateway.store
    made = fields_of(INVOICE.replace("NUMBER", "X-1").encode())
    assert len(made) >= 60
    visitor, shown = await site.visitor(ADMIN), 0
    for label, octets in made:
        document = await add(store, steady, Sample(number="X-1", octets=octets))
        answer = await visitor.get(f"/documents/{document}")
        assert answer.status == 200, label
        reader = Reader()
        reader.feed(answer.text)
        for tag, attributes in reader.tags:
            assert not any(name.startswith("on") for name in attributes), label
            assert not str(attributes.get("href", "")).lower().startswith("javascript:"), label
            assert (tag, attributes.get("hx-get")) != ("a", "/x"), label
        shown += MARK in "".join(reader.texts)
    assert shown >= 8, "shown as text, where a page shows the field"


async def test_no_route_reads_or_changes_what_belongs_to_another_account(site: Site) -> None:
    """Every route, called by an administrator of the neighbour with every id of this account, in path and form."""
    known = site.documents
    ids = {name: str(value) for name, value in known.items() if name != "others"} | {"proposal": "p0"}
    key = (await site.gateway.store.people.keys(ALPHA))[0].hash
    names = ["ekonomi@exempel.example", key, "0007:5569876540", "fel@exempel.example", *ids.values()]
    fields = ("id", "name", "key", "number", "address", "document", "counterpart", "batch", "chosen", "subject")
    stranger = await site.visitor("chef@annat.example")
    before = _rows(site)
    for page in Front(site.gateway).pages:
        if page.open or page.path in ("/sign-out", "/account", "/profile/password"):
            continue
        for path in sorted({re.sub(r"\{id.*\}(?=/|$)", value, page.path) for value in ids.values()}):
            if page.method == "GET":
                answer = await stranger.get(path)
                assert answer.status == 404 or "{" not in page.path, path
                assert "2026-1041" not in answer.text and "Exempelkund 31" not in answer.text, path
            elif "{" in page.path:
                form = {"decision": "accept", "reason": "x", "day": "2026-11-20", "parts": "1, 2"}
                assert (await stranger.send(path, form)).status == 404, path
            else:
                for value in names:
                    extra = {"role": "admin", "decision": "accept"}
                    await stranger.send(path, {**dict.fromkeys(fields, value), **extra})
    assert _rows(site) == before


def _rows(site: Site) -> dict[str, list[Any]]:
    """Everything of the account, table by table."""
    found: dict[str, list[Any]] = {}
    with sqlite3.connect(f"file:{site.gateway.config.base}/gateway.db?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
            if "account" in columns and table != "login":
                rows = database.execute(f'SELECT * FROM "{table}" WHERE account = ?', (ALPHA,)).fetchall()
                found[table] = sorted(rows, key=repr)
        members = "SELECT p.* FROM person p JOIN membership m ON m.person = p.id WHERE m.account = ? ORDER BY p.id"
        found["person"] = database.execute(members, (ALPHA,)).fetchall()
    assert len(found) > 15 and found["message"] and found["counterpart"] and found["membership"]
    return found


async def test_each_way_in_gives_a_secret_that_nobody_knew(site: Site, steady: SteadyClock) -> None:
    people = site.gateway.store.people
    deed = Deed(account=ALPHA, actor="test", action="user-added")
    await people.add("nytt@exempel.example", Role.CLERK, hash_secret("c0de"), NOW + timedelta(1), deed)

    async def password(visitor: Visitor) -> int:
        return (await visitor.send("/sign-in", {"name": ADMIN, "password": PASSWORD})).status

    async def code(visitor: Visitor) -> int:
        return (await visitor.send("/welcome", {"code": "c0de", "password": PASSWORD, "again": PASSWORD})).status

    async def account(visitor: Visitor) -> int:
        return (await visitor.send("/account", {"account": BETA})).status

    async def change(visitor: Visitor) -> int:
        fields = {"present": PASSWORD, "password": f"{PASSWORD} 2", "again": f"{PASSWORD} 2"}
        return (await visitor.send("/profile/password", fields)).status

    ways: tuple[tuple[Callable[[Visitor], Awaitable[int]], str, str], ...] = (
        (password, "", "/sign-in"),
        (code, "", code_path("c0de")),
        (account, ADMIN, "/"),
        (change, ADMIN, "/profile"),
    )
    for way, name, page in ways:
        visitor = await site.visitor(name)
        if not name:
            visitor.cookies |= {"gateway-session": "planted-by-an-attacker"}
        visitor.token = (await visitor.get(page)).csrf
        old = dict(visitor.cookies)
        assert await way(visitor) == 303, way
        assert visitor.cookies["gateway-session"] != old["gateway-session"], way
        assert (await visitor.get("/profile")).status == 200, way
        assert (await Visitor(site.client, cookies=old).get("/profile")).status == 303, way
