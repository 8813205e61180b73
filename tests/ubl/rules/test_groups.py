"""Each group of rules by examples of our own: the good invoice breaks none, one change breaks exactly these."""

from __future__ import annotations

import pytest

from gateway.model.document import Finding, Verdict
from gateway.security import safexml
from gateway.ubl.rules.judge import Rulebook
from tests.ubl.ubl_parts import changed, example


def _verdict(document: bytes, profile: str = "") -> Verdict:
    return Rulebook().verdict(document, safexml.parse(document), profile)


def _broken(document: bytes, profile: str = "") -> set[str]:
    return {finding.rule for finding in _verdict(document, profile).findings}


def _only(document: bytes, rule: str) -> Finding:
    return next(finding for finding in _verdict(document).findings if finding.rule == rule)


@pytest.mark.parametrize("name", ["network", "email", "letter", "export"])
def test_our_own_invoices_break_no_rule(name: str) -> None:
    verdict = _verdict(example(name))
    assert verdict.valid and verdict.judged and verdict.findings == ()


CASES = {
    # arithmetic
    "BR-CO-10": (("19662.20<", "19662.21<"),),
    "BR-CO-13": (('TaxExclusiveAmount currencyID="SEK">19857.20', 'TaxExclusiveAmount currencyID="SEK">19857.21'),),
    "BR-CO-14": ((">4793.64<", ">4793.65<"),),
    "BR-CO-15": ((">24650.84<", ">24650.85<"),),
    "BR-CO-16": ((">24651.00<", ">24651.01<"),),
    "BR-CO-17": ((">157.54<", ">158.55<"),),
    "BR-S-08": ((">1312.80</cbc:TaxableAmount", ">1313.81</cbc:TaxableAmount"),),
    "BR-S-09": ((">157.54<", ">158.55<"),),
    "PEPPOL-EN16931-R120": ((">289.00<", ">289.01<"),),
    "PEPPOL-EN16931-R040": ((">459.60<", ">459.63<"),),
    # presence
    "PEPPOL-EN16931-R003": (
        ("<cbc:BuyerReference>Kostnadsställe 310</cbc:BuyerReference>", ""),
        ("<cac:OrderReference>\n    <cbc:ID>PO-88412</cbc:ID>\n  </cac:OrderReference>", ""),
    ),
    "BR-53": (
        (
            "SEK</cbc:DocumentCurrencyCode>",
            "SEK</cbc:DocumentCurrencyCode><cbc:TaxCurrencyCode>EUR</cbc:TaxCurrencyCode>",
        ),
    ),
    # code lists, decimals, VAT categories
    "BR-CL-23": (('unitCode="XCT"', 'unitCode="CT"'),),
    "BR-CL-14": ((">SE</cbc:IdentificationCode>", ">ZZ</cbc:IdentificationCode>"),),
    "BR-DEC-19": ((">1312.80</cbc:TaxableAmount", ">1312.801</cbc:TaxableAmount"),),
    "BR-S-05": (("<cbc:Percent>12</cbc:Percent>", "<cbc:Percent>0</cbc:Percent>"),),
    "BR-Z-09": (
        (
            "<cbc:ID>S</cbc:ID>\n        <cbc:Percent>12</cbc:Percent>",
            "<cbc:ID>Z</cbc:ID>\n        <cbc:Percent>0</cbc:Percent>",
        ),
    ),
    # what UBL may hold
    "UBL-CR-005": (("<cbc:IssueDate>", "<cbc:UUID>7f6f2c2e</cbc:UUID><cbc:IssueDate>"),),
    # formats and identifiers
    "PEPPOL-EN16931-F001": (("<cbc:IssueDate>2026-11-20<", "<cbc:IssueDate>2026-11-20Z<"),),
    "PEPPOL-COMMON-R049": (
        ('<cbc:EndpointID schemeID="0007">5567123400', '<cbc:EndpointID schemeID="0007">5567123401'),
    ),
    "PEPPOL-COMMON-R040": (
        ('<cbc:EndpointID schemeID="0007">5567123400', '<cbc:EndpointID schemeID="0088">7350000000001'),
    ),
    "PEPPOL-EN16931-R004": (("poacc:billing:3.0<", "poacc:billing:3.1<"),),
    "PEPPOL-EN16931-R008": (("<cbc:BuyerReference>Kostnadsställe 310<", "<cbc:BuyerReference><"),),
    "PEPPOL-EN16931-P0100": ((">380<", ">751<"),),
    # nations
    "SE-R-001": (("SE556712340001", "SE5567123400"),),
    "SE-R-005": (("Godkänd för F-skatt", "F-skatt"),),
    "SE-R-006": (("<cbc:Percent>12</cbc:Percent>", "<cbc:Percent>13</cbc:Percent>"),),
    "SE-R-009": (("<cbc:ID>01234566</cbc:ID>", "<cbc:ID>012345</cbc:ID>"),),
    "NO-R-001": (("SE556712340001", "NO987654321MVA"),),
    "DK-R-014": (
        ("SE556712340001", "DK12345678"),
        ("<cbc:IdentificationCode>SE<", "<cbc:IdentificationCode>DK<"),
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_one_change_breaks_the_rule(rule: str) -> None:
    profile = "peppol" if rule.endswith("R004") else ""
    assert rule in _broken(changed(example("network"), *CASES[rule]), profile)


def test_a_sum_that_is_wrong_breaks_nothing_but_what_follows_from_it() -> None:
    document = changed(example("network"), (">24650.84<", ">24651.84<"), (">24651.00<", ">24652.00<"))
    assert _broken(document) == {"BR-CO-15"}


def test_the_sentence_names_the_figures_and_the_remedy() -> None:
    finding = _only(changed(example("network"), (">24650.84<", ">24651.34<")), "BR-CO-15")
    assert finding.message.startswith(
        "Total without VAT 19,857.20 + VAT 4,793.64 = 24,650.84, the total with VAT says 24,651.34."
    )
    assert "Correct TaxInclusiveAmount" in finding.message
    assert finding.location == "/Invoice/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount"
    assert finding.value == "24651.34"


def test_two_legal_entities_end_the_rule_set_and_so_refuse() -> None:
    entity = "<cac:PartyLegalEntity>\n        <cbc:RegistrationName>Exempel Bygg AB</cbc:RegistrationName>"
    twice = "<cac:PartyLegalEntity><cbc:RegistrationName>B</cbc:RegistrationName></cac:PartyLegalEntity>" + entity
    verdict = _verdict(changed(example("network"), (entity, twice)))
    assert not verdict.valid
    assert verdict.findings[0].rule == "BR-07"
    assert "cannot be applied" in verdict.findings[0].message


def test_only_the_first_context_of_a_pattern_that_fits_is_used() -> None:
    # The document's own allowances are judged as such; those of a line by the rules of lines only.
    document = changed(
        example("network"),
        ("<cbc:AllowanceChargeReasonCode>95</cbc:AllowanceChargeReasonCode>", ""),
        ("<cbc:AllowanceChargeReason>Avtalsrabatt</cbc:AllowanceChargeReason>", ""),
    )
    assert _broken(document) == {"BR-42", "BR-CO-23"}


def test_a_self_billed_invoice_has_a_pack_of_its_own() -> None:
    document = changed(
        example("network"),
        ("poacc:billing:3.0", "poacc:selfbilling:3.0"),
        ("poacc:billing:01:1.0", "poacc:selfbilling:01:1.0"),
        (">380<", ">389<"),
    )
    verdict = _verdict(document)
    assert [name for name, _ in verdict.packs] == ["UBL XSD", "en16931", "peppol-selfbilling"]
    assert verdict.valid
    assert "PEPPOL-EN16931-P0100" in _broken(changed(document, (">389<", ">380<")))
