"""The JSON invoice model: what becomes of it, and what is said about a wrong one."""

from __future__ import annotations

import base64
import json
import re
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidDocument
from gateway.model.document import Verdict
from gateway.security import safexml
from gateway.ubl import bill, bill_json, invoice
from gateway.ubl.bill_json import read
from gateway.ubl.rules.judge import Rulebook

DOCS = Path(__file__).parents[2] / "docs" / "json-invoice.md"
EXAMPLE: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)[0])


def written(table: dict[str, Any]) -> bytes:
    return bill.write(read(json.dumps(table).encode()))


def judge(octets: bytes) -> Verdict:
    return Rulebook().verdict(octets, safexml.parse(octets))


def faults(table: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as raised:
        read(json.dumps(table).encode())
    assert raised.value.remedy
    return {finding.location: finding.message for finding in raised.value.findings}


def changed(path: str, value: object) -> dict[str, Any]:
    """The example with another value at a JSON pointer; ``...`` takes the member away."""
    table = deepcopy(EXAMPLE)
    place: Any = table
    *way, last = [int(step) if step.isdigit() else step for step in path.strip("/").split("/")]
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return table


def test_the_example_of_the_docs_is_valid_and_says_what_it_says() -> None:
    octets = written(EXAMPLE)
    verdict = judge(octets)
    assert verdict.valid and verdict.judged and not verdict.findings
    facts = invoice.read(octets)
    assert facts.amount == Decimal("1502.05") and facts.currency == "SEK" and facts.number == "202611870"
    assert facts.seller.vat_id == "SE556712340001" and facts.buyer.email == "faktura@example.org"
    assert facts.buyer.address.city == "Umeå" and str(facts.due_date) == "2026-12-25"
    assert b">50501055<" in octets, "a bankgiro number goes without its hyphen"
    assert octets == written(EXAMPLE)


def test_who_has_no_address_in_the_network_gets_an_invoice_of_en_16931() -> None:
    octets = written(changed("/buyer/participant", ...))
    verdict = judge(octets)
    assert verdict.valid and verdict.judged, [(one.rule, one.message) for one in verdict.findings]
    assert b">urn:cen.eu:en16931:2017<" in octets and invoice.read(octets).buyer.endpoint is None


def test_everything_that_can_be_said_has_its_place_in_both_documents() -> None:
    table = deepcopy(EXAMPLE)
    table |= {
        "note": "Rad ett\nRad två",
        "tax_point_date": "2026-11-24",
        "contract_reference": "A-1",
        "project_reference": "P-1",
        "cost_centre": "4711",
        "order": {"number": "O-1", "sales_number": "S-1"},
        "preceding": [{"number": "202611000", "date": "2026-10-25"}],
        "period": {"from": "2026-11-01", "to": "2026-11-30"},
        "delivery": {"date": "2026-11-24", "address": {"name": "Lagret", "street": "Kajen 1", "country": "SE"}},
        "prepaid": 100,
        "rounding": "-0.05",
        "attachments": [
            {"file_name": "a.pdf", "content": base64.b64encode(b"%PDF-1.7").decode()},
            {"id": "web", "link": "https://example.org/order", "description": "Order"},
        ],
        "payable": "1402.00",
    }
    table["seller"] |= {"trading_name": "NK", "legal_form": "Publikt aktiebolag"}
    table["buyer"]["identifiers"] = [{"scheme": "0088", "value": "7365567212048"}]
    table["lines"][0] |= {
        "id": "7",
        "description": "A4\n80 g",
        "note": "Tack",
        "sellers_id": "K-1",
        "buyers_id": "B-1",
        "standard_id": {"scheme": "0160", "value": "07350053850019"},
        "order_line": "3",
        "cost_centre": "1",
        "period": {"from": "2026-11-01"},
        "price": 10,
        "price_quantity": "0.1",
    }
    for kind in ("invoice", "credit_note"):
        octets = written(table | {"type": kind})
        verdict = judge(octets)
        assert verdict.valid, [(one.rule, one.message) for one in verdict.findings]
        text = octets.decode()
        for piece in (
            "O-1",
            "S-1",
            "202611000",
            "A-1",
            "P-1",
            "4711",
            "Lagret",
            "JVBERi0xLjc=",
            "a.pdf",
            "example.org/order",
        ):
            assert piece in text, (kind, piece)
        assert invoice.read(octets).amount == Decimal("1402.00")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("/number", ..., "missing"),
        ("/number", 17, "in quotes"),
        ("/number", "", "empty"),
        ("/issue_date", "25.12.2026", "2026-11-25"),
        ("/issue_date", "20261125", "2026-11-25"),
        ("/currency", "kr", "SEK"),
        ("/type", "order", "credit_note"),
        ("/buyer_referense", "1", "no member"),
        ("/lines", [], "at least one"),
        ("/lines/0/price", ..., "missing"),
        ("/lines/0/price", "1,00", "with a point"),
        ("/lines/0/price", 1e300, "with a point"),
        ("/lines/0/price", True, "with a point"),
        ("/lines/0/price", -1, "negative"),
        ("/lines/0/price_quantity", 0, "above zero"),
        ("/lines/0/vat/rate", ..., "missing"),
        ("/lines/0/vat/rate", 101, "0 to 100"),
        ("/lines/0/vat/category", "X", "one of"),
        ("/lines/0/vat", {"category": "E", "rate": 25}, "is 0"),
        ("/lines/0/unit", "styck", "C62"),
        ("/seller/participant", "556712", ""),
        ("/seller/address", ..., "missing"),
        ("/buyer/address/country", "Sverige", "two letters"),
        ("/buyer/name", "a\x00b", "control character"),
        ("/buyer/name", "\ud800", "control character"),
        ("/adjustments/0/amount", "-5.00", "not below zero"),
        ("/adjustments/0/amount", "5.001", "at most 2"),
        ("/adjustments/0/vat", ..., "missing"),
        ("/payable", "1502.06", "1502.05"),
        ("/payment", [], "object"),
        ("/lines/0", {"name": "x", "price": "9" * 15, "quantity": "9" * 15, "vat": {"rate": 25}}, "15 digits"),
        ("/lines/0/adjustments", [{"amount": 1, "reason": "x"}] * 101, "at most 100"),
        ("/attachments", [{"file_name": "a.pdf", "content": "QQ==", "link": "https://example.org"}], "not both"),
        ("/attachments", [{"file_name": "a.pdf", "content": "?"}], "base64"),
        (
            "/attachments",
            [{"file_name": "a.exe", "media_type": "application/x-msdownload", "content": "QQ=="}],
            "one of",
        ),
        ("/attachments", [{"link": "javascript:alert(1)"}], "http"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(path: str, value: object, words: str) -> None:
    found = faults(changed(path, value))
    place = next(
        (where for where in found if where.startswith(path.rpartition("/")[0] if value is ... else path)), None
    )
    assert place is not None, found
    assert words in " ".join(found.values())


def test_all_faults_come_at_once_and_what_is_outside_vat_has_no_rate() -> None:
    table = changed("/lines/0/vat", {"category": "O", "rate": 0})
    table["currency"], table["seller"]["adress"] = "", {}
    assert set(faults(table)) == {"/lines/0/vat/rate", "/currency", "/seller/adress"}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b'{"a":1,"a":1}',
        b'{"a":NaN}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe\x00",
        b'{"number":1' + b"0" * 50_000,
    ],
)
def test_what_is_no_json_object_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidDocument):
        read(octets)


def test_two_lines_of_one_id_are_refused_and_lines_without_get_a_free_one() -> None:
    table = deepcopy(EXAMPLE)
    table["lines"] = [
        table["lines"][0] | {"id": name} if name else dict(table["lines"][0]) for name in ("2", "", "", "1")
    ]
    del table["payable"]
    assert [line.id for line in read(json.dumps(table).encode()).lines] == ["2", "3", "4", "1"]
    table["lines"][0]["id"] = "1"
    assert "/lines" in faults(table)


def test_signs_that_no_eye_sees_apart_are_text_and_what_is_no_sign_is_not() -> None:
    table = changed("/buyer/address/postal_code", "903\u00a026") | {"note": "a\u00adb\u200dc"}
    assert judge(written(table)).valid
    for sign in ("\ud800", "\uffff", "\x07", "\x85"):
        assert "/note" in faults(changed("/note", f"a{sign}b")), ascii(sign)


def test_a_price_of_many_digits_is_rounded_once() -> None:
    table = changed("/lines/0/price", "123456789012.12345678")
    table["lines"][0]["quantity"], table["lines"] = "0.00012345", table["lines"][:1]
    del table["payable"]
    assert read(json.dumps(table).encode()).lines[0].net == Decimal("15240740.60")


MONEY = st.decimals(min_value=0, max_value=100_000, places=2)
VATS = st.sampled_from(
    [
        {"rate": 25},
        {"rate": "12.5"},
        {"category": "Z"},
        {"category": "E", "reason": "Undantag"},
        {"category": "AE", "reason_code": "VATEX-EU-AE", "reason": "Reverse charge"},
    ]
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sums_always_agree(data: st.DataObject) -> None:
    def adjustments(*, taxed: bool) -> list[dict[str, Any]]:
        rows = data.draw(st.lists(st.tuples(MONEY, st.sampled_from(["allowance", "charge"]), VATS), max_size=2))
        return [
            {"kind": kind, "amount": str(amount), "reason": "x"} | ({"vat": vat} if taxed else {})
            for amount, kind, vat in rows
        ]

    table = deepcopy(EXAMPLE)
    table["buyer"]["vat_number"] = "SE556798760601"
    table["lines"] = [
        {
            "name": "x",
            "quantity": str(data.draw(st.decimals(min_value=-999, max_value=999, places=3))),
            "price": str(data.draw(st.decimals(min_value=0, max_value=9999, places=4))),
            "price_quantity": data.draw(st.sampled_from([1, 3, "0.7"])),
            "vat": data.draw(VATS),
            "adjustments": adjustments(taxed=False),
        }
        for _ in range(data.draw(st.integers(1, 4)))
    ]
    table["adjustments"] = adjustments(taxed=True)
    del table["payable"]
    verdict = judge(written(table))
    about_sums = [
        one
        for one in verdict.findings
        if re.match(r"BR-(CO|[A-Z]{1,2}-0[89]|DEC)|PEPPOL-EN16931-R(046|120|121)|XSD", one.rule)
    ]
    assert not about_sums, [(one.rule, one.message) for one in about_sums]


def test_the_docs_name_every_member_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    text = DOCS.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", text))
    taken: set[str] = set()
    take = bill_json.Fields._take

    def remember(fields: bill_json.Fields, name: str) -> object:
        taken.add(name)
        return take(fields, name)

    monkeypatch.setattr(bill_json.Fields, "_take", remember)
    table = deepcopy(EXAMPLE)
    table |= {"preceding": [{"number": "1"}], "period": {}, "delivery": {"address": {"country": "SE"}}, "order": {}}
    table["attachments"] = [{"link": "https://example.org", "id": "1"}]
    table["seller"]["contact"] = {}
    del table["payable"]
    read(json.dumps(table).encode())
    assert taken - named == set()
