"""The Netherlands (NL-R): for sellers in the Netherlands, some only when the other party is there too."""

from __future__ import annotations

from typing import Final

from gateway.ubl.rules.checks import all_of
from gateway.ubl.rules.numbers import ZERO
from gateway.ubl.rules.pack import Context, Fault, Pattern
from gateway.ubl.rules.peppol.parties import BUYER, SELLER, address_country
from gateway.ubl.rules.tree import Document, Node, normal

_LEGAL_SCHEMES: Final = ("0106", "0190")
_MEANS: Final = ("30", "48", "49", "57", "58", "59")
_REPRESENTATIVE: Final = "cac:TaxRepresentativeParty"


def seller_dutch(document: Document) -> bool:
    """The seller's address is in the Netherlands."""
    return address_country(document, SELLER) == "NL"


def both_dutch(document: Document) -> bool:
    """The addresses of seller and buyer are in the Netherlands."""
    return seller_dutch(document) and address_country(document, BUYER) == "NL"


def representative_dutch(document: Document) -> bool:
    """The addresses of seller and tax representative are in the Netherlands."""
    return seller_dutch(document) and address_country(document, _REPRESENTATIVE) == "NL"


def refers_to_invoice(code: Node, document: Document) -> Fault | None:
    """NL-R-001: a credit note refers to the invoice."""
    path = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"
    return None if document.root.has(path) else Fault(document.root)


def legal_identifier(number: Node, document: Document) -> Fault | None:
    """NL-R-003, NL-R-005: the legal identifier is a KVK (0106) or OIN (0190) number."""
    # The artefact looks for the scheme as a word.
    scheme = f" {number.attributes.get('schemeID', '')} "
    if any(f" {known} " in scheme for known in _LEGAL_SCHEMES) and normal(number.text):
        return None
    return Fault(number, number.text, {"scheme": scheme.strip()})


def means_of_payment(totals: Node, document: Document) -> Fault | None:
    """NL-R-007: who is to pay is told how."""
    amount = totals.decimal("cbc:PayableAmount")
    nothing_due = amount is not None and (amount <= ZERO if document.is_invoice else amount >= ZERO)
    return None if nothing_due or document.anywhere("cac:PaymentMeans") else Fault(totals)


def dutch_means(means: Node, document: Document) -> Fault | None:
    """NL-R-008: the payment means are among those of Dutch payments."""
    code = means.normal("cbc:PaymentMeansCode")
    return None if code in _MEANS else Fault(means, code, {"expected": ", ".join(_MEANS)})


def order_named(line: Node, document: Document) -> Fault | None:
    """NL-R-009: who refers to a line of an order names the order."""
    return None if document.root.has("cac:OrderReference/cbc:ID") else Fault(line, line.text)


_ADDRESS: Final = all_of("cbc:StreetName", "cbc:CityName", "cbc:PostalZone")
_LEGAL: Final = "cac:PartyLegalEntity/cbc:CompanyID"
PATTERN: Final[Pattern] = (
    Context(paths="cbc:CreditNoteTypeCode", given=seller_dutch, checks={"NL-R-001": refers_to_invoice}),
    Context(paths=f"{SELLER}/cac:PostalAddress", given=seller_dutch, checks={"NL-R-002": _ADDRESS}),
    Context(paths=f"{SELLER}/{_LEGAL}", given=seller_dutch, checks={"NL-R-003": legal_identifier}),
    Context(paths=f"{BUYER}/cac:PostalAddress", given=both_dutch, checks={"NL-R-004": _ADDRESS}),
    Context(paths=f"{BUYER}/{_LEGAL}", given=both_dutch, checks={"NL-R-005": legal_identifier}),
    Context(paths=f"{_REPRESENTATIVE}/cac:PostalAddress", given=representative_dutch, checks={"NL-R-006": _ADDRESS}),
    Context(paths="cac:LegalMonetaryTotal", given=seller_dutch, checks={"NL-R-007": means_of_payment}),
    Context(paths="cac:PaymentMeans", given=both_dutch, checks={"NL-R-008": dutch_means}),
    Context(paths="cac:OrderLineReference/cbc:LineID", given=seller_dutch, checks={"NL-R-009": order_named}),
)
