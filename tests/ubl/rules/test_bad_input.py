"""What no honest sender writes: a verdict all the same, in bounded time, as the official artefacts give it."""

from __future__ import annotations

import time

import pytest

from gateway.security import safexml
from gateway.ubl.rules.judge import Rulebook, judge
from gateway.ubl.rules.pack import load
from tests.ubl.ubl_parts import changed, example

NETWORK = example("network")


@pytest.mark.parametrize("amount", ["1e3", "1,00", "", "NaN", "INF", "0x10", "１００", "--1", "1 000.00"])
def test_an_amount_that_is_no_decimal_is_stopped_by_the_schema(amount: str) -> None:
    document = changed(NETWORK, (">24651.00<", f">{amount}<"))
    verdict = Rulebook().verdict(document, safexml.parse(document))
    assert not verdict.valid
    assert [name for name, _ in verdict.packs] == ["UBL XSD"]
    assert verdict.findings[0].location == "/Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount"


@pytest.mark.parametrize("amount", ["1e3", "1,00", ""])
def test_without_a_schema_the_rule_set_ends_there(amount: str) -> None:
    document = changed(NETWORK, (">24651.00<", f">{amount}<"))
    judgement = judge(safexml.parse(document), [load("en16931", "1.3.16")])
    assert not judgement.valid
    assert judgement.outcomes[0].stopped is not None


@pytest.mark.parametrize("amount", ["+24651.00", "24651.", "0024651.00", " 24651.00\n"])
def test_every_way_to_write_a_decimal_is_read(amount: str) -> None:
    document = changed(NETWORK, (">24651.00<", f">{amount}<"))
    found = {finding.rule for finding in Rulebook().verdict(document, safexml.parse(document)).findings}
    assert "BR-CO-16" not in found


def test_a_number_of_a_million_digits_costs_no_time() -> None:
    document = changed(NETWORK, (">24651.00<", f">{'9' * 1_000_000}.00<"))
    began = time.process_time()
    verdict = Rulebook().verdict(document, safexml.parse(document, huge=True))
    assert not verdict.valid
    assert time.process_time() - began < 5  # quadratic work would take minutes


def test_many_lines_with_many_subtotals_take_no_square_of_time() -> None:
    line = NETWORK[NETWORK.index(b"<cac:InvoiceLine>") : NETWORK.index(b"</cac:InvoiceLine>") + 18]
    row = NETWORK[NETWORK.index(b"<cac:TaxSubtotal>") : NETWORK.index(b"</cac:TaxSubtotal>") + 18]
    document = NETWORK.replace(line, line * 3_000, 1).replace(row, row * 3_000, 1)
    began = time.process_time()
    verdict = Rulebook().verdict(document, safexml.parse(document))
    assert not verdict.valid
    assert verdict.count > 3_000 > len(verdict.findings)
    assert time.process_time() - began < 20  # 9 million comparisons would take a minute


def test_nesting_as_deep_as_the_parser_lets_through_is_judged_without_recursion() -> None:
    deep = "<cac:SubInvoiceLine>" * 240 + "</cac:SubInvoiceLine>" * 240
    document = changed(NETWORK, ("</cac:Price>\n  </cac:InvoiceLine>", f"</cac:Price>{deep}</cac:InvoiceLine>"))
    judge(safexml.parse(document), [load("en16931", "1.3.16"), load("peppol-billing", "3.0.21")])


def test_a_comment_inside_a_value_does_not_hide_it() -> None:
    document = changed(NETWORK, (">24651.00<", ">246<!-- -->51.00<"))
    assert Rulebook().verdict(document, safexml.parse(document)).valid


@pytest.mark.parametrize("kind", ["application/x-msdownload", "text/html", "application/PDF", ""])
def test_an_attachment_that_receivers_cannot_open_breaks_a_fatal_rule(kind: str) -> None:
    name = "cbc:EmbeddedDocumentBinaryObject"
    file = f'<{name} mimeCode="{kind}" filename="../a.exe">TVqQ</{name}>'
    reference = (
        "<cac:AdditionalDocumentReference><cbc:ID>a</cbc:ID><cac:Attachment>"
        f"{file}</cac:Attachment></cac:AdditionalDocumentReference><cac:AccountingSupplierParty>"
    )
    document = changed(NETWORK, ("<cac:AccountingSupplierParty>", reference))
    verdict = Rulebook().verdict(document, safexml.parse(document))
    assert not verdict.valid and "BR-CL-24" in {finding.rule for finding in verdict.findings}
    good = changed(document, (f'mimeCode="{kind}"', 'mimeCode="application/pdf"'))
    assert "BR-CL-24" not in {finding.rule for finding in Rulebook().verdict(good, safexml.parse(good)).findings}
