"""Code lists, dates and the VAT exemption codes of Peppol BIS Billing (…-CL, …-P, …-F). The lists are data."""

from __future__ import annotations

from typing import Final

from gateway.ubl.rules.checks import has_attribute, says
from gateway.ubl.rules.en16931.codes import AMOUNTS
from gateway.ubl.rules.numbers import is_date
from gateway.ubl.rules.pack import Check, CodeList, Context, Fault, Pack, Pattern
from gateway.ubl.rules.peppol.billing import profile
from gateway.ubl.rules.peppol.parties import both_german
from gateway.ubl.rules.tree import Document, Node, normal

_DATE_LENGTH: Final = 10
_GERMAN_TYPES: Final = ("326", "384")
_EXEMPTIONS: Final = {
    "VATEX-EU-G": ("PEPPOL-EN16931-P0104", "G"),
    "VATEX-EU-O": ("PEPPOL-EN16931-P0105", "O"),
    "VATEX-EU-IC": ("PEPPOL-EN16931-P0106", "K"),
    "VATEX-EU-AE": ("PEPPOL-EN16931-P0107", "AE"),
    "VATEX-EU-D": ("PEPPOL-EN16931-P0108", "E"),
    "VATEX-EU-F": ("PEPPOL-EN16931-P0109", "E"),
    "VATEX-EU-I": ("PEPPOL-EN16931-P0110", "E"),
    "VATEX-EU-J": ("PEPPOL-EN16931-P0111", "E"),
}
"""Exemption code to the rule and the only VAT category that it goes with."""


def written(codes: CodeList, name: str) -> Check:
    """The attribute is one of the codes, exactly as written."""

    def check(node: Node, document: Document) -> Fault | None:
        value = node.attributes.get(name, "")
        return None if value in codes.codes else Fault(node, value, {"list": codes.name, "attribute": name}, "code")

    return check


def listed(codes: CodeList) -> Check:
    """The text, trimmed, is one of the codes."""

    def check(node: Node, document: Document) -> Fault | None:
        if normal(node.own) in codes.codes:
            return None
        return Fault(node, node.text, {"list": codes.name, "attribute": ""}, "code")

    return check


def type_of_process(codes: CodeList, pack: Pack) -> Check:
    """P0100, P0101: the type is one of the process; an unknown process is R007's matter."""
    known, only = profile(pack), pack.terms["typed profiles"]
    inner = listed(codes)

    def check(node: Node, document: Document) -> Fault | None:
        if known.get(document.root.normal("cbc:ProfileID")) not in only:
            return None
        return inner(node, document)

    return check


def german_type(node: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-P0112: types 326 and 384 only between two German parties."""
    if normal(node.text) not in _GERMAN_TYPES or both_german(document):
        return None
    return Fault(node, node.text)


def plain_date(node: Node, document: Document) -> Fault | None:
    """PEPPOL-EN16931-F001: a date is written YYYY-MM-DD, without zone."""
    return None if len(node.own) == _DATE_LENGTH and is_date(node.text) else Fault(node, node.text)


def category_of_exemption(category: str) -> Check:
    """P0104 to P0111: the exemption code goes with one VAT category."""

    def check(node: Node, document: Document) -> Fault | None:
        found = node.normal("cbc:ID")
        if found == category:
            return None
        return Fault(node, found, {"expected": category, "reason": node.string("cbc:TaxExemptionReasonCode")})

    return check


def exemption(node: Node, document: Document) -> str | None:
    """The exemption code in capitals. Chooses the case."""
    return node.string("cbc:TaxExemptionReasonCode").upper()


def pattern(pack: Pack) -> Pattern:
    """The contexts of the pattern, with the code lists of this release."""
    lists = pack.lists
    return (
        Context(
            paths="cbc:EmbeddedDocumentBinaryObject",
            when=has_attribute("mimeCode"),
            checks={"PEPPOL-EN16931-CL001": written(lists["MIME"], "mimeCode")},
        ),
        Context(
            paths="cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            when=lambda node, document: node.parent is not None and says(node.parent, "cbc:ChargeIndicator", "false"),
            checks={"PEPPOL-EN16931-CL002": listed(lists["UNTDID 5189"])},
        ),
        Context(
            paths="cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            when=lambda node, document: node.parent is not None and says(node.parent, "cbc:ChargeIndicator", "true"),
            checks={"PEPPOL-EN16931-CL003": listed(lists["UNTDID 7161"])},
        ),
        Context(
            paths="cac:InvoicePeriod/cbc:DescriptionCode",
            checks={"PEPPOL-EN16931-CL006": listed(lists["UNTDID 2005"])},
        ),
        Context(paths=AMOUNTS, checks={"PEPPOL-EN16931-CL007": written(lists["ISO 4217"], "currencyID")}),
        Context(
            paths="cbc:InvoiceTypeCode",
            checks={
                "PEPPOL-EN16931-P0100": type_of_process(lists["UNTDID 1001 invoice"], pack),
                "PEPPOL-EN16931-P0112": german_type,
            },
        ),
        Context(
            paths="cbc:CreditNoteTypeCode",
            checks={"PEPPOL-EN16931-P0101": type_of_process(lists["UNTDID 1001 credit note"], pack)},
        ),
        Context(
            paths="cbc:IssueDate | cbc:DueDate | cbc:TaxPointDate | cbc:StartDate | cbc:EndDate"
            " | cbc:ActualDeliveryDate",
            checks={"PEPPOL-EN16931-F001": plain_date},
        ),
        Context(
            paths="cbc:EndpointID",
            when=has_attribute("schemeID"),
            checks={"PEPPOL-EN16931-CL008": written(lists["EAS"], "schemeID")},
        ),
        Context(
            paths="cac:TaxCategory",
            choose=exemption,
            cases={code: {rule: category_of_exemption(fits)} for code, (rule, fits) in _EXEMPTIONS.items()},
        ),
    )
