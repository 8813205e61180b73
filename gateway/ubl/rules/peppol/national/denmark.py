"""Denmark (DK-R): for sellers in Denmark, most of them only when the buyer is there too."""

from __future__ import annotations

import re
from typing import Final

from gateway.ubl.rules.checks import says
from gateway.ubl.rules.numbers import number
from gateway.ubl.rules.pack import Check, CodeList, Context, Fault, Pack, Pattern
from gateway.ubl.rules.peppol.parties import BUYER, SELLER, scheme_ids, written_country
from gateway.ubl.rules.tree import Document, Node, Stopped, normal

CVR: Final = "0184"
_LEGAL: Final = "cac:PartyLegalEntity/cbc:CompanyID"
_MEANS: Final = "cbc:PaymentMeansCode"
_ACCOUNT: Final = "cac:PayeeFinancialAccount/cbc:ID"
_UNSPSC: Final = ("19.05.01", "19.0501", "26.08.01", "26.0801")
"""Releases of UNSPSC, both ways of writing them."""


def seller_danish(document: Document) -> bool:
    """The seller's address is in Denmark."""
    return written_country(document, SELLER) == "DK"


def both_danish(document: Document) -> bool:
    """The addresses of seller and buyer are in Denmark."""
    return seller_danish(document) and written_country(document, BUYER) == "DK"


def legal_identifier(invoice: Node, document: Document) -> Fault | None:
    """DK-R-002: the seller's legal identifier is there."""
    return None if invoice.words(f"{SELLER}/{_LEGAL}") else Fault(invoice)


def identifier_is_cvr(path: str) -> Check:
    """DK-R-014, DK-R-017: the legal identifier is a CVR number (scheme 0184)."""

    def check(node: Node, document: Document) -> Fault | None:
        if not node.has(path):
            return None
        scheme = scheme_ids(node, path)
        return None if scheme == CVR else Fault(node.all(path)[0], scheme, {"expected": CVR})

    return check


def credit_not_negative(invoice: Node, document: Document) -> Fault | None:
    """DK-R-016: a credit note to a Danish buyer is not negative."""
    if document.is_invoice or written_country(document, BUYER) != "DK":
        return None
    amount = invoice.piece("cac:LegalMonetaryTotal/cbc:PayableAmount")
    if not number(amount) < 0:
        return None
    return Fault(invoice.all("cac:LegalMonetaryTotal/cbc:PayableAmount")[0], amount)


def scheme_of_identifier(party: Node, document: Document) -> Fault | None:
    """DK-R-013: a party's identifier says its scheme."""
    if not party.has("cbc:ID") or scheme_ids(party, "cbc:ID"):
        return None
    return Fault(party.all("cbc:ID")[0], party.all("cbc:ID")[0].text)


def means_known(codes: CodeList) -> Check:
    """DK-R-005: the payment means are among those of Danish payments."""

    def check(means: Node, document: Document) -> Fault | None:
        code = means.string(_MEANS)
        return None if f" {code} " in codes.text else Fault(means, code, {"list": codes.name, "attribute": ""}, "code")

    return check


def bank_transfer(means: Node, document: Document) -> Fault | None:
    """DK-R-006: a transfer (31, 42) names account and registration number."""
    if not says(means, _MEANS, "31", "42"):
        return None
    branch = "cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID"
    return None if means.words(_ACCOUNT) and means.words(branch) else Fault(means)


def direct_debit(means: Node, document: Document) -> Fault | None:
    """DK-R-007: a direct debit (49) names the mandate and the payer's account."""
    if not says(means, _MEANS, "49"):
        return None
    account = "cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"
    return None if means.words("cac:PaymentMandate/cbc:ID") and means.words(account) else Fault(means)


def _card(means: Node) -> str:
    """The first three signs of the payment reference: the kind of payment form."""
    return means.string("cbc:PaymentID")[:3]


def giro_form(means: Node, document: Document) -> Fault | None:
    """DK-R-008: a giro payment (50) has form 01#, 04# or 15# and an account of seven or eight digits."""
    if not says(means, _MEANS, "50"):
        return None
    if _card(means) in ("01#", "04#", "15#") and re.fullmatch(r"[0-9]{7,8}", means.string(_ACCOUNT)):
        return None
    return Fault(means, means.string("cbc:PaymentID"))


def giro_reference(means: Node, document: Document) -> Fault | None:
    """DK-R-009: with form 04# and 15# of a giro payment the reference has 16 digits after it."""
    if not says(means, _MEANS, "50") or _card(means) not in ("04#", "15#"):
        return None
    value = means.string("cbc:PaymentID")
    return None if len(value) == 19 else Fault(means, value)


def fik_form(means: Node, document: Document) -> Fault | None:
    """DK-R-010: a FIK payment (93) has form 71#, 73# or 75# and an account of eight signs."""
    if not says(means, _MEANS, "93"):
        return None
    if _card(means) in ("71#", "73#", "75#") and len(means.piece(_ACCOUNT)) == 8:
        return None
    return Fault(means, means.string("cbc:PaymentID"))


def fik_reference(means: Node, document: Document) -> Fault | None:
    """DK-R-011: with form 71# and 75# of a FIK payment the reference has 15 or 16 digits after it."""
    if not says(means, _MEANS, "93") or _card(means) not in ("71#", "75#"):
        return None
    value = means.string("cbc:PaymentID")
    return None if len(value) in (18, 19) else Fault(means, value)


def unspsc_release(line: Node, document: Document) -> Fault | None:
    """DK-R-003: UNSPSC codes name one of the releases in use."""
    found = line.all("cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode")
    marked = [code for code in found if code.attributes.get("listID") == "TST"]
    if not marked or any(code.attributes.get("listVersionID") in _UNSPSC for code in found):
        return None
    return Fault(marked[0], marked[0].attributes.get("listVersionID", ""))


def reason_of_charge(row: Node, document: Document) -> Fault | None:
    """DK-R-004: with reason code ZZZ the reason is a four digit number, or two parts with # between them."""
    if not says(row, "cbc:AllowanceChargeReasonCode", "ZZZ"):
        return None
    found = row.all("cbc:AllowanceChargeReason")
    four = len(row.words("cbc:AllowanceChargeReason")) == 4
    if len(found) > 1:
        raise Stopped(found[1], "several", "cbc:AllowanceChargeReason")
    reason = found[0].text if found else ""
    if four and 0 <= number(reason) <= 9999:
        return None
    if "#" in reason and not reason.startswith("#") and not reason.endswith("#"):
        return None
    return Fault(found[0] if found else row, normal(reason))


def patterns(pack: Pack) -> tuple[Pattern, ...]:
    """The Danish pattern, with the payment means of this release; nothing where it has no Danish rules."""
    means = pack.lists.get("Danish payment means")
    if means is None:
        return ()
    identifications = " | ".join(
        f"/{kind}/{party}/cac:PartyIdentification" for kind in ("CreditNote", "Invoice") for party in (SELLER, BUYER)
    )
    return (
        (
            Context(
                paths="/CreditNote | /Invoice",
                given=seller_danish,
                checks={
                    "DK-R-002": legal_identifier,
                    "DK-R-014": identifier_is_cvr(f"{SELLER}/{_LEGAL}"),
                    "DK-R-016": credit_not_negative,
                },
            ),
            Context(paths=identifications, given=both_danish, checks={"DK-R-013": scheme_of_identifier}),
            Context(
                paths="/Invoice/cac:PaymentMeans",
                given=both_danish,
                checks={
                    "DK-R-005": means_known(means),
                    "DK-R-006": bank_transfer,
                    "DK-R-007": direct_debit,
                    "DK-R-008": giro_form,
                    "DK-R-009": giro_reference,
                    "DK-R-010": fik_form,
                    "DK-R-011": fik_reference,
                },
            ),
            Context(
                paths=f"/CreditNote/{BUYER} | /Invoice/{BUYER}",
                given=both_danish,
                checks={"DK-R-017": identifier_is_cvr(_LEGAL)},
            ),
            Context(
                paths="/CreditNote/cac:CreditNoteLine | /Invoice/cac:InvoiceLine",
                given=both_danish,
                checks={"DK-R-003": unspsc_release},
            ),
            Context(paths="cac:AllowanceCharge", given=both_danish, checks={"DK-R-004": reason_of_charge}),
        ),
    )
