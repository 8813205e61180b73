"""What an attacker tries on every page, form and field: all of it made of what there is, so new ones are tried too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from lxml import etree

from gateway.model.message import Direction
from gateway.model.person import Deed, Role
from gateway.portal.front import Front
from gateway.security.safexml import parse
from gateway.web.invitation import code_path, hash_secret
from tests.portal.conftest import Site, Visitor
from tests.portal.pages import PAGES
from tests.portal.second_parts import enrol
from tests.portal.stage import ALPHA, BETA, NOW, PASSWORD, Sample, SteadyClock, add, someone
from tests.portal.test_access import _path
from tests.portal.test_pages import ADMIN, HOSTILE, Reader
from tests.web.conftest import INVOICE

THEIR_ADMIN = "chef@annat.example"
ALL_AT_ONCE = " ".join(HOSTILE)
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
MORE = f"""<x xmlns:cbc="{CBC}" xmlns:cac="{CAC}">
 <cbc:Note>a</cbc:Note><cbc:AccountingCost>a</cbc:AccountingCost>
 <cac:InvoicePeriod><cbc:StartDate>2026-11-01</cbc:StartDate><cbc:EndDate>2026-11-30</cbc:EndDate></cac:InvoicePeriod>
 <cac:OrderReference><cbc:ID>a</cbc:ID><cbc:SalesOrderID>a</cbc:SalesOrderID></cac:OrderReference>
 <cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>a</cbc:ID></cac:InvoiceDocumentReference></cac:BillingReference>
 <cac:ContractDocumentReference><cbc:ID>a</cbc:ID></cac:ContractDocumentReference>
 <cac:AdditionalDocumentReference><cbc:ID schemeID="AB">a</cbc:ID><cbc:DocumentDescription>a</cbc:DocumentDescription>
  <cac:Attachment>
   <cbc:EmbeddedDocumentBinaryObject mimeCode="text/csv" filename="a.csv">YQ==</cbc:EmbeddedDocumentBinaryObject>
   <cac:ExternalReference><cbc:URI>https://exempel.example/a</cbc:URI></cac:ExternalReference></cac:Attachment>
 </cac:AdditionalDocumentReference>
 <cac:PayeeParty><cac:PartyName><cbc:Name>a</cbc:Name></cac:PartyName></cac:PayeeParty>
 <cac:Delivery><cbc:ActualDeliveryDate>2026-11-20</cbc:ActualDeliveryDate></cac:Delivery>
 <cac:PaymentTerms><cbc:Note>a</cbc:Note></cac:PaymentTerms>
 <cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator>
  <cbc:AllowanceChargeReason>a</cbc:AllowanceChargeReason><cbc:Amount currencyID="SEK">0.00</cbc:Amount>
 </cac:AllowanceCharge>
</x>"""
CONTACT = f"""<cac:Contact xmlns:cbc="{CBC}" xmlns:cac="{CAC}"><cbc:Name>a</cbc:Name><cbc:Telephone>a</cbc:Telephone>
 <cbc:ElectronicMail>a@exempel.example</cbc:ElectronicMail></cac:Contact>"""


def full_invoice() -> etree._Element:
    """An invoice with more in it than most have; nobody judges it here."""
    root = parse(INVOICE.replace("NUMBER", "X-1").encode())
    place = root.find(f"{{{CAC}}}AccountingSupplierParty")
    assert place is not None
    for element in parse(MORE.encode()):
        place.addprevious(element)
    for party in root.iter(f"{{{CAC}}}Party"):
        party.append(parse(CONTACT.encode()))
    line = root.find(f"{{{CAC}}}InvoiceLine/{{{CAC}}}Item")
    assert line is not None
    line.insert(0, parse(f'<cbc:Description xmlns:cbc="{CBC}">a</cbc:Description>'.encode()))
    return root


def hostile_fields() -> Iterator[tuple[str, bytes]]:
    """One invoice for each text and each attribute of the full one, with everything hostile at that place."""
    count = len([element for element in full_invoice().iter() if isinstance(element.tag, str)])
    for place in range(count):
        names = [None, *list(full_invoice().iter())[place].attrib]
        for name in names:
            root = full_invoice()
            element = list(root.iter())[place]
            if name is None and len(element):
                continue
            if name is None:
                element.text = ALL_AT_ONCE
            else:
                element.set(name, ALL_AT_ONCE)
            path = root.getroottree().getelementpath(element).replace(f"{{{CBC}}}", "").replace(f"{{{CAC}}}", "")
            yield f"{path}{'@' + str(name) if name else ''}", etree.tostring(root)


def dead(text: str, where: str) -> None:
    """Nothing of the page is what the hostile text wanted."""
    reader = Reader()
    reader.feed(text)
    for tag, attributes in reader.tags:
        assert tag not in ("iframe", "img", "object", "embed", "base") or where.endswith("page.png"), where
        assert tag != "script" or str(attributes.get("src", "")).startswith("/portal/htmx"), where
        for name, value in attributes.items():
            assert not name.startswith(("on", "hx-on", "style", "srcdoc")), (where, name)
            assert not str(value).strip().lower().startswith(("javascript:", "data:")), (where, name)
            assert name != "hx-get" or value == "/documents", where


async def test_no_field_of_an_invoice_comes_alive(site: Site, steady: SteadyClock) -> None:
    visitor, tried, shown = await site.visitor(ADMIN), 0, 0
    for field, octets in hostile_fields():
        direction = Direction.IN if tried % 2 else Direction.OUT
        sample = Sample(number=f"X-{tried}", direction=direction, octets=octets)
        document = await add(site.gateway.store, steady, sample)  # type: ignore[arg-type]
        answer = await visitor.get(f"/documents/{document}")
        assert answer.status == 200, field
        dead(answer.text, field)
        tried += 1
        shown += "&lt;script&gt;alert(1)" in answer.text
    assert tried >= 85
    assert shown >= 25, "what people read of an invoice is shown, as text"


_FIELDS = ("input", "button", "select", "textarea")


class Forms(HTMLParser):
    """Every form of a page that changes something: where it goes and what it carries."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("method", "").lower() == "post"
            if self._inside:
                self.found.append((given["action"], {}))
        elif (
            self._inside
            and tag in ("input", "button", "select", "textarea")
            and given.get("name") not in (None, "csrf")
        ):
            self.found[-1][1].setdefault(given["name"], given.get("value") or "1")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


async def forms_of(site: Site, visitor: Visitor) -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
    """Every form on every page, with what stands in it."""
    found = {}
    for page in PAGES:
        reader = Forms()
        reader.feed((await visitor.get(page.at(site.documents))).text)
        found |= {(action, repr(sorted(fields.items()))): (action, fields) for action, fields in reader.found}
    return found


def rows_of(site: Site, account: str) -> dict[str, list[Any]]:
    """Every row of an account, and who is in it. Without sessions, which come and go."""
    with sqlite3.connect(site.gateway.config.base / "gateway.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for table in sorted(tables):
            columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
            if "account" in columns and table not in ("login", "deed"):
                found[table] = sorted(
                    database.execute(f'SELECT * FROM "{table}" WHERE account = ?', (account,)), key=repr
                )
        for table in ("second_factor", "recovery_code"):
            wanted = f"SELECT x.* FROM {table} x JOIN membership m ON m.person = x.person WHERE account = ?"
            found[table] = sorted(database.execute(wanted, (account,)))
        found["person"] = sorted(
            database.execute(
                "SELECT person.* FROM person JOIN membership ON membership.person = person.id WHERE account = ?",
                (account,),
            )
        )
    assert len(found["message"]) > 2 and len(found) > 10
    return found


_OWN = ("/sign-out", "/account", "/profile/")


_ELSEWHERE = {
    *("/settings/people/identity", "/counterparts/import/confirm"),
    *("/profile/second/codes", "/profile/second/off"),
}
"""Forms that stand on no page of the list as it is."""


async def test_no_form_of_another_account_changes_anything_here(site: Site, steady: SteadyClock) -> None:
    await enrol(await site.visitor(someone(Role.CLERK)), steady)
    forms = await forms_of(site, await site.visitor(ADMIN))
    addresses = {
        page.path.split("{")[0] for page in Front(site.gateway).pages if page.method == "POST" and not page.open
    }
    reached = {start for start in addresses if any(action.startswith(start) for action, _ in forms)}
    assert addresses - reached <= _ELSEWHERE, "the others have a form"
    before, stranger = rows_of(site, ALPHA), await site.visitor(THEIR_ADMIN)
    for action, fields in forms.values():
        if action.startswith(_OWN):
            continue
        answer = await stranger.send(action, fields)
        assert answer.status < 500, (action, fields, answer.text)
        assert "2026-10" not in answer.text and "Exempelkund" not in answer.text, (action, fields)
        stranger.token = (await stranger.get("/")).csrf
    assert rows_of(site, ALPHA) == before


async def test_no_form_is_taken_from_another_site_with_everything_else_in_it_right(site: Site) -> None:
    admin = await site.visitor(ADMIN)
    forms, before = await forms_of(site, admin), rows_of(site, ALPHA)
    for action, fields in forms.values():
        assert (await admin.send(action, fields, Sec_Fetch_Site="cross-site")).status == 403, action
        assert (await admin.send(action, {**fields, "csrf": "0" * 64})).status == 403, action
    assert rows_of(site, ALPHA) == before
    assert (await admin.get("/")).status == 200, "nobody was signed out either"


async def test_no_address_with_an_id_gives_anything_of_another_account(site: Site) -> None:
    stranger, tried = await site.visitor(THEIR_ADMIN), 0
    for page in Front(site.gateway).pages:
        if "{" not in page.path:
            continue
        path = _path(page.path, site.documents)
        for query in ("", "?page=1", "?account=" + ALPHA, "?said=saved"):
            answer = await (stranger.get(path + query) if page.method == "GET" else stranger.send(path + query))
            usual = page.method == "GET" and not query
            assert answer.status in ((404,) if usual else (404, 400)), path + query  # 400: not asked like that
            assert "2026-10" not in answer.text and "Exempelkund" not in answer.text, path + query
            tried += 1
    assert tried >= 80


async def test_a_planted_session_is_worth_nothing_after_any_way_in(site: Site) -> None:
    people = site.gateway.store.people
    deed = Deed(account=ALPHA, actor="test", action="user-added")
    await people.add("nytt@exempel.example", Role.CLERK, hash_secret("c0de"), NOW.replace(year=2027), deed)
    new = "en annan mening om ekar"
    planted = await site.visitor(ADMIN)
    ways: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("/sign-in", "/sign-in", {"name": ADMIN, "password": PASSWORD}),
        (code_path("c0de"), "/welcome", {"code": "c0de", "password": new, "again": new}),
        ("/", "/account", {"account": BETA}),
        ("/profile", "/profile/password", {"present": PASSWORD, "password": new, "again": new}),
    )
    for page, action, fields in ways:
        before = dict(planted.cookies)
        planted.token = (await planted.get(page)).csrf or planted.token
        answer = await planted.send(action, fields)
        assert answer.status == 303, (action, answer.text)
        assert planted.cookies["gateway-session"] != before["gateway-session"], action
        old = Visitor(planted.client, before)
        assert (await old.get("/")).status == 303, f"the secret from before {action} opens nothing"
        if action == "/welcome":
            planted = await site.visitor(ADMIN)
