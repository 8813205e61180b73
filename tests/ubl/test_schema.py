"""The schema check agrees with the truth table and says what is wrong in plain words."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.security import safexml
from gateway.ubl import schema
from tests.ubl.ubl_parts import changed


def test_the_verdict_on_every_document_of_the_corpus_is_the_true_one(corpus: Path, truth: dict[str, Any]) -> None:
    assert len(truth) == 1722
    wrong = [
        name
        for name, entry in truth.items()
        if (not schema.check((corpus / name).read_bytes())) != entry["xsd"]["valid"]
    ]
    assert wrong == []


def test_findings_of_the_corpus_name_places_that_exist(corpus: Path, truth: dict[str, Any]) -> None:
    invalid = [name for name, entry in truth.items() if not entry["xsd"]["valid"]][::40]
    for name in invalid:
        findings = schema.check((corpus / name).read_bytes())
        assert 1 <= len(findings) <= schema.MAX_FINDINGS
        for finding in findings:
            assert finding.rule == "XSD"
            assert finding.location.startswith(("/Invoice", "/CreditNote")), (name, finding)
            assert "urn:oasis" not in finding.message, finding


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        (">2026-11-20<", ">20/11/2026<", "/Invoice/cbc:IssueDate", ["20/11/2026", "must be a date", "2026-11-25"]),
        (">24651.00<", ">24651,00<", "/Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount", ["must be a number"]),
        (
            "<cbc:DueDate>2026-12-20</cbc:DueDate>",
            "<cbc:DueDay>x</cbc:DueDay>",
            "/Invoice/cbc:DueDay",
            ["is not allowed here; expected one of", "cbc:DueDate"],
        ),
        (
            '<cbc:PayableAmount currencyID="SEK">',
            "<cbc:PayableAmount>",
            "/Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount",
            ["attribute currencyID", "is missing"],
        ),
        ("<cbc:DueDate>", '<cbc:DueDate kind="x">', "/Invoice/cbc:DueDate", ["attribute kind", "remove it"]),
        ("<cac:OrderReference>", "<cac:OrderReference>hej", "/Invoice/cac:OrderReference", ["remove the text"]),
        (">PO-88412<", "><cbc:ID>1</cbc:ID><", "/Invoice/cac:OrderReference/cbc:ID", ["text only"]),
    ],
)
def test_findings_say_what_where_and_how_to_mend(
    network: bytes, old: str, new: str, place: str, words: list[str]
) -> None:
    findings = schema.check(changed(network, (old, new)))
    assert findings[0].location.startswith(place)
    assert all(word in findings[0].message for word in words), findings[0].message
    assert "line" in findings[0].message
    assert "{urn" not in findings[0].message


def test_a_missing_element_is_named(network: bytes) -> None:
    [finding] = schema.check(changed(network, ("<cbc:ID>PO-88412</cbc:ID>", "")))
    assert "still needs cbc:ID" in finding.message


def test_at_most_twenty_findings_are_given(network: bytes) -> None:
    document = network.replace(b' unitCode="', b' unit="').replace(b"<cbc:ID>S</cbc:ID>", b'<cbc:ID a="1">S</cbc:ID>')
    assert len(schema.check(document + b"")) <= schema.MAX_FINDINGS
    many = network.replace(b'currencyID="SEK"', b"")
    assert len(schema.check(many)) == schema.MAX_FINDINGS


def test_a_document_full_of_faults_is_refused_at_once(network: bytes) -> None:
    before, after = network.split(b"  <cbc:DocumentCurrencyCode", 1)
    bad = before + b'<cbc:Note f="1"/>\n' * 40_000 + b"  <cbc:DocumentCurrencyCode" + after
    started = time.thread_time()
    findings = schema.check(bad)
    assert time.thread_time() - started < 1
    assert len(findings) == schema.MAX_FINDINGS
    assert findings[0].location == f"line {before.count(bytes([10])) + 1}"
    assert "The attribute f of cbc:Note is not allowed" in findings[0].message


def test_a_large_document_with_a_few_faults_has_their_places(network: bytes) -> None:
    head, line, tail = (
        network[: (start := network.index(b"<cac:InvoiceLine>"))],
        network[start : (end := network.index(b"</cac:InvoiceLine>") + 18)],
        network[end:],
    )
    large = head + line * 100 + line.replace(b"<cbc:ID>", b'<cbc:ID f="1">', 1) + tail
    assert len(large) > schema._LARGE
    [finding] = schema.check(large)
    assert finding.location == "/Invoice/cac:InvoiceLine[101]/cbc:ID"
    assert schema.check(head + line * 100 + tail) == []


def test_octets_that_are_no_xml_give_a_finding_not_an_error() -> None:
    assert schema.check(b"<a")[0].rule == "XML"
    assert schema.check(b"<Invoice/>")[0].rule == "XSD"


def test_too_many_octets_are_not_parsed(network: bytes) -> None:
    assert schema.check(network, limit=10)[0].rule == "SIZE"


def test_threads_do_not_mix_their_findings(network: bytes) -> None:
    bad = changed(network, (">2026-11-20<", ">gestern<"))
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(schema.check, [network, bad] * 100))
    assert all(not good for good in verdicts[::2])
    assert all([finding.value for finding in found] == ["gestern"] for found in verdicts[1::2])


def test_a_usual_invoice_is_checked_in_far_less_than_a_millisecond(network: bytes) -> None:
    root = safexml.parse(network)
    schema.load()
    spent = []
    for _ in range(200):
        start = time.perf_counter()
        schema.check(network, root)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.001
