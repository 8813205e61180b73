"""Rules with an if or an unless: dates, payment, parties, references, notes. Each function names its rule."""

from __future__ import annotations

from gateway.ubl.rules.checks import any_double
from gateway.ubl.rules.en16931.vat_categories import is_vat
from gateway.ubl.rules.numbers import PLAIN, not_negative
from gateway.ubl.rules.pack import Check, CodeList, Fault
from gateway.ubl.rules.tree import Document, Node, normal

ACCOUNT_DIGITS = 10
"""What may be shown of a card number."""
CREDIT_TRANSFERS = ("30", "58")
"""Payment means (UNTDID 4461) that need an account: credit transfer, SEPA credit transfer."""


def card_number_short(number: Node, document: Document) -> Fault | None:
    """BR-51: at most ten digits of a card number are shown."""
    return Fault(number, number.text) if len(normal(number.text)) > ACCOUNT_DIGITS else None


def vat_amount_in_tax_currency(invoice: Node, document: Document) -> Fault | None:
    """BR-53: with a VAT accounting currency (BT-6) there is a VAT total in it (BT-111)."""
    for currency in invoice.all("cbc:TaxCurrencyCode"):
        amounts = [amount for total in document.anywhere("cac:TaxTotal") for amount in total.all("cbc:TaxAmount")]
        if not any(amount.attributes.get("currencyID") == currency.text for amount in amounts):
            return Fault(currency, currency.text)
    return None


def one_tax_point(invoice: Node, document: Document) -> Fault | None:
    """BR-CO-03: the tax point is a date (BT-7) or a code (BT-8), never both."""
    if invoice.has("cbc:TaxPointDate") and invoice.has("cac:InvoicePeriod/cbc:DescriptionCode"):
        found = invoice.all("cbc:TaxPointDate")[0]
        return Fault(found, found.text)
    return None


def unit_of_quantity(line: Node, document: Document) -> Fault | None:
    """BR-23: the quantity says its unit (BT-130)."""
    found = line.all("cbc:InvoicedQuantity") + line.all("cbc:CreditedQuantity")
    if any(quantity.has_attribute("unitCode") for quantity in found):
        return None
    return Fault(found[0], found[0].text) if found else Fault(line)


def price_not_negative(line: Node, document: Document) -> Fault | None:
    """BR-27: the net price (BT-146) is not negative."""
    path = "cac:Price/cbc:PriceAmount"
    places = line.places(path)
    if len(places) == 1 and PLAIN.fullmatch(document.texts[places[0]]):
        return None
    if any_double(line, path, not_negative):
        return None
    found = line.all(path)
    return Fault(found[0], found[0].text) if found else Fault(line, kind="missing", words={"element": (path,)})


def gross_price_not_negative(line: Node, document: Document) -> Fault | None:
    """BR-28: the gross price (BT-148), where there is one, is not negative."""
    path = "cac:Price/cac:AllowanceCharge/cbc:BaseAmount"
    found = line.all(path)
    if not found or any_double(line, path, not_negative):
        return None
    return Fault(found[0], found[0].text)


def vat_category_of_line(line: Node, document: Document) -> Fault | None:
    """BR-CO-04: each line has a VAT category (BT-151)."""
    for category in line.all("cac:Item/cac:ClassifiedTaxCategory"):
        if is_vat(category) and category.has("cbc:ID"):
            return None
    return Fault(line)


def vat_category_of_charge(row: Node, document: Document) -> Fault | None:
    """BR-32, BR-37: each allowance and charge on document level has a VAT category (BT-95, BT-102)."""
    if any(is_vat(category) and category.has("cbc:ID") for category in row.all("cac:TaxCategory")):
        return None
    return Fault(row)


def vat_category_of_breakdown(subtotal: Node, document: Document) -> Fault | None:
    """BR-47: each row of the VAT breakdown has a VAT category (BT-118)."""
    return vat_category_of_charge(subtotal, document)


def rate_of_breakdown(subtotal: Node, document: Document) -> Fault | None:
    """BR-48: each row of the VAT breakdown has a rate (BT-119), except where VAT does not apply (O)."""
    found = [category for category in subtotal.all("cac:TaxCategory") if is_vat(category)]
    if any(category.has("cbc:Percent") for category in found):
        return None
    return None if any(category.normal("cbc:ID") == "O" for category in found) else Fault(subtotal)


def period_code_alone(period: Node, document: Document) -> Fault | None:
    """BR-CO-19: an invoicing period has a start, an end, or a code for the tax point."""
    if period.has("cbc:StartDate") or period.has("cbc:EndDate") or period.has("cbc:DescriptionCode"):
        return None
    return Fault(period)


def payee_differs(payee: Node, document: Document) -> Fault | None:
    """BR-17: a payee has a name (BT-59), and is somebody else than the seller."""
    names = [name.text for name in payee.all("cac:PartyName/cbc:Name")]
    if not names:
        return Fault(payee, kind="missing", words={"element": ("cac:PartyName/cbc:Name",)})
    for path in ("cac:PartyName/cbc:Name", "cac:PartyIdentification/cbc:ID"):
        seller = {node.text for node in _seller(payee, path)}
        for node in payee.all(path):
            if node.text in seller:
                return Fault(node, node.text)
    return None


def _seller(node: Node, path: str) -> list[Node]:
    above = node.parent
    return above.all(f"cac:AccountingSupplierParty/cac:Party/{path}") if above is not None else []


def account_for_transfer(means: Node, document: Document) -> Fault | None:
    """BR-61: a credit transfer names the account (BT-84)."""
    means_code = means.normal("cbc:PaymentMeansCode")
    if means_code in CREDIT_TRANSFERS and not means.has("cac:PayeeFinancialAccount/cbc:ID"):
        return Fault(means, means_code)
    return None


def is_transfer_account(account: Node, document: Document) -> bool:
    """The account belongs to a credit transfer."""
    means = account.parent
    return means is not None and any(c.text in CREDIT_TRANSFERS for c in means.all("cbc:PaymentMeansCode"))


def seller_identified(supplier: Node, document: Document) -> Fault | None:
    """BR-CO-26: the seller has an identifier (BT-29), a legal registration (BT-30) or a VAT number (BT-31)."""
    if any(is_vat(s) and s.has("cbc:CompanyID") for s in supplier.all("cac:Party/cac:PartyTaxScheme")):
        return None
    identifiers = supplier.all("cac:Party/cac:PartyIdentification/cbc:ID")
    if any(node.attributes.get("schemeID") != "SEPA" for node in identifiers):
        return None
    return None if supplier.has("cac:Party/cac:PartyLegalEntity/cbc:CompanyID") else Fault(supplier)


def representative_identified(party: Node, document: Document) -> Fault | None:
    """BR-56: a tax representative has a VAT number (BT-63)."""
    if any(is_vat(scheme) and scheme.has("cbc:CompanyID") for scheme in party.all("cac:PartyTaxScheme")):
        return None
    return Fault(party)


def is_vat_registration(scheme: Node, document: Document) -> bool:
    """The registration is one for VAT."""
    return is_vat(scheme)


def vat_prefix(countries: CodeList) -> Check:
    """BR-CO-09: a VAT number (BT-31, BT-48, BT-63) begins with the code of its country."""

    def check(scheme: Node, document: Document) -> Fault | None:
        number = scheme.string("cbc:CompanyID")
        # The artefact looks for the two signs anywhere in the list as text, so " A" or nothing at all passes.
        if number[:2] in countries.codes or number[:2] in countries.text:
            return None
        found = scheme.all("cbc:CompanyID")[0]
        return Fault(found, number, {"prefix": number[:2]})

    return check


def subject_of_note(subjects: CodeList) -> Check:
    """BR-CL-08: a note that begins with #AAA# names a subject (BT-21) of the list UNTDID 4451."""

    def check(note: Node, document: Document) -> Fault | None:
        rest = note.text.partition("#")[2]
        subject, mark, _ = rest.partition("#")
        if not mark or len(subject) != 3 or subject in subjects.text:
            return None
        return Fault(note, subject, {"list": subjects.name}, "code")

    return check
