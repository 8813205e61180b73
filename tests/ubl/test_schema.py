"""The schema check agrees with the truth table and says what is wrong in plain words."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.security import safexml
from gateway.ubl import schema
from gateway.ubl.schema_order import MAX_SIBLINGS
from gateway.ubl.schema_words import WORDS
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
            ["does not belong in Invoice", "is cbc:DueDate meant?"],
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


ID = "<cbc:ID>202611870</cbc:ID>"
ISSUED = "<cbc:IssueDate>2026-11-20</cbc:IssueDate>"
DUE = "<cbc:DueDate>2026-12-20</cbc:DueDate>"


@pytest.mark.parametrize(
    ("changes", "english", "swedish"),
    [
        (
            ((ID, ""), (ISSUED, ISSUED + ID)),
            "cbc:IssueDate is not allowed here; expected cbc:ID, which stands further down",
            "cbc:IssueDate får inte stå här; här väntas cbc:ID, som står längre ned. Flytta cbc:ID före cbc:IssueDate",
        ),
        (
            ((DUE, ""), ("</cac:AccountingSupplierParty>", "</cac:AccountingSupplierParty>" + DUE)),
            "cbc:DueDate stands in the wrong place: move it before cbc:InvoiceTypeCode, as the schema orders Invoice",
            "cbc:DueDate står på fel plats: flytta det före cbc:InvoiceTypeCode",
        ),
        (
            ((DUE, '<x:DueDate xmlns:x="urn:x">2026-12-20</x:DueDate>'),),
            "{urn:x}DueDate is in the wrong namespace; expected cbc:DueDate of the namespace urn:oasis:names",
            "{urn:x}DueDate står i fel namnrymd; här väntas cbc:DueDate i namnrymden urn:oasis:names",
        ),
        (
            (("<cbc:InvoiceTypeCode>380</cbc:Invoice", "<cbc:CreditNoteTypeCode>380</cbc:CreditNote"),),
            "cbc:CreditNoteTypeCode does not belong in Invoice; is cbc:InvoiceTypeCode meant?",
            "menas cbc:InvoiceTypeCode?",
        ),
        (((DUE, DUE * 2),), "cbc:DueDate stands 2 times in Invoice, allowed is 1", "står 2 gånger i Invoice, högst 1"),
        (((ISSUED, ""),), "cbc:IssueDate is missing: cbc:DueDate must not", "cbc:IssueDate saknas: cbc:DueDate får"),
        (((DUE, DUE + "<cbc:CityName>A</cbc:CityName>"),), "cbc:CityName does not belong in Invoice", "hör inte hemma"),
        (
            (("<cbc:PriceAmount", "<cbc:IssueDate>2026-01-01</cbc:IssueDate><cbc:PriceAmount"),),
            "does not belong in cac:Price; remove it, or move it to where it belongs: Invoice",
            "flytta det dit det hör: Invoice",
        ),
        (
            (("2026-12-20", ""),),
            "cbc:DueDate is empty, but must be a date",
            "cbc:DueDate är tomt, men ska vara ett datum",
        ),
        ((("2026-12-20", "20.12.26"),), "has the value “20.12.26”", "har värdet ”20.12.26”, men ska vara ett datum"),
        (((' currencyID="SEK"', ""),), "The attribute currencyID of", "Attributet currencyID på"),
    ],
)
def test_why_an_element_is_not_allowed_is_said_in_both_languages(
    network: bytes, changes: tuple[tuple[str, str], ...], english: str, swedish: str
) -> None:
    text = network.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    for language, words in (("en", english), ("sv", swedish)):
        messages = [finding.message for finding in schema.check(text.encode(), language=language)]
        assert any(words in message for message in messages), messages
        assert ("(rad " in messages[0]) == (language == "sv")


def test_every_sentence_stands_in_every_language() -> None:
    slots = {
        language: {key: sorted(re.findall(r"{(\w+)}", text)) for key, text in table.items()}
        for language, table in WORDS.items()
    }
    assert slots["en"] == slots["sv"]


def test_an_element_behind_very_many_others_is_not_searched_for(network: bytes) -> None:
    """What libxml2 says must do, so that a large broken document costs no more than its check."""
    note = b"<cbc:Note>x</cbc:Note>"
    before, after = network.split(b"<cbc:DocumentCurrencyCode", 1)
    bad = before + note * (MAX_SIBLINGS + 1) + b"<cbc:DueDate>2026-12-20</cbc:DueDate><cbc:DocumentCurrencyCode" + after
    [finding] = schema.check(bad)
    assert "cbc:DueDate is not allowed here; expected one of" in finding.message


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
