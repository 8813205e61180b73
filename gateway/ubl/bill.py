"""A bill written as Peppol BIS Billing 3.0 in UBL 2.1. The same bill gives the same octets, always.

Source: Peppol BIS Billing 3.0 (place of each business term), UBL 2.1 (order of the elements).
"""

from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal

from lxml import etree

from gateway.model.bill import ZERO, Adjustment, Attachment, Bill, Line, TaxSum, Trader, Vat
from gateway.model.document import PostalAddress
from gateway.ubl.elements import add, add_amount, add_some, billing, clean, part, plain

_PROJECT: str = "50"
"""UNTDID 1001: a credit note names its project as a document of this type."""


def write(bill: Bill) -> bytes:
    """The UBL document."""
    credit = bill.kind == "credit_note"
    # Peppol wants both addresses. Who has none gets the same invoice as EN 16931 has it, by mail or letter.
    root = billing(credit=credit, peppol=bool(bill.seller.participant and bill.buyer.participant))
    _head(root, bill, credit=credit)
    _references(root, bill, credit=credit)
    _trader(part(root, "AccountingSupplierParty"), bill.seller, seller=True)
    _trader(part(root, "AccountingCustomerParty"), bill.buyer, seller=False)
    _delivery(root, bill)
    _payment(root, bill, credit=credit)
    for one in bill.adjustments:
        _adjustment(root, one, bill.currency)
    _sums(root, bill)
    for line in bill.lines:
        _line(root, line, bill.currency, credit=credit)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _head(root: etree._Element, bill: Bill, *, credit: bool) -> None:
    add(root, "ID", bill.number)
    add(root, "IssueDate", bill.issue_date.isoformat())
    if not credit:
        _day(root, "DueDate", bill.due_date)
        add(root, "InvoiceTypeCode", "380")
        add_some(root, "Note", bill.note)
        _day(root, "TaxPointDate", bill.tax_point)
    else:
        _day(root, "TaxPointDate", bill.tax_point)
        add(root, "CreditNoteTypeCode", "381")
        add_some(root, "Note", bill.note)
    add(root, "DocumentCurrencyCode", bill.currency)
    add_some(root, "AccountingCost", bill.cost_centre)
    add_some(root, "BuyerReference", bill.buyer_reference)
    _period(root, bill.period)


def _references(root: etree._Element, bill: Bill, *, credit: bool) -> None:
    if bill.order_reference or bill.sales_order:
        order = part(root, "OrderReference")
        add(order, "ID", bill.order_reference or "NA")
        add_some(order, "SalesOrderID", bill.sales_order)
    for number, day in bill.preceding:
        reference = part(part(root, "BillingReference"), "InvoiceDocumentReference")
        add(reference, "ID", number)
        _day(reference, "IssueDate", day)
    if bill.contract_reference:
        add(part(root, "ContractDocumentReference"), "ID", bill.contract_reference)
    for one in bill.attachments:
        _attachment(root, one)
    if bill.project_reference and credit:
        reference = part(root, "AdditionalDocumentReference")
        add(reference, "ID", bill.project_reference)
        add(reference, "DocumentTypeCode", _PROJECT)
    elif bill.project_reference:
        add(part(root, "ProjectReference"), "ID", bill.project_reference)


def _attachment(root: etree._Element, one: Attachment) -> None:
    reference = part(root, "AdditionalDocumentReference")
    add(reference, "ID", one.id)
    add_some(reference, "DocumentDescription", one.description)
    if one.octets:
        binary = add(part(reference, "Attachment"), "EmbeddedDocumentBinaryObject", "")
        binary.set("mimeCode", one.media_type)
        binary.set("filename", clean(one.file_name))
        binary.text = base64.b64encode(one.octets).decode()
    elif one.link:
        add(part(part(reference, "Attachment"), "ExternalReference"), "URI", one.link)


def _trader(parent: etree._Element, one: Trader, *, seller: bool) -> None:
    party = part(parent, "Party")
    if one.participant is not None:
        add(party, "EndpointID", one.participant.number, schemeID=one.participant.icd)
    for scheme, value in one.identifiers:
        add(part(party, "PartyIdentification"), "ID", value, **({"schemeID": scheme} if scheme else {}))
    if one.trading_name:
        add(part(party, "PartyName"), "Name", one.trading_name)
    _address(part(party, "PostalAddress"), one.address)
    if one.vat_number:
        tax = part(party, "PartyTaxScheme")
        add(tax, "CompanyID", one.vat_number)
        add(part(tax, "TaxScheme"), "ID", "VAT")
    if one.tax_number and seller:
        tax = part(party, "PartyTaxScheme")
        add(tax, "CompanyID", one.tax_number)
        add(part(tax, "TaxScheme"), "ID", "TAX")
    legal = part(party, "PartyLegalEntity")
    add(legal, "RegistrationName", one.name)
    if one.legal_id:
        add(legal, "CompanyID", one.legal_id, **({"schemeID": one.legal_id_scheme} if one.legal_id_scheme else {}))
    if seller:
        add_some(legal, "CompanyLegalForm", one.legal_form)
    if one.contact or one.telephone or one.email:
        contact = part(party, "Contact")
        add_some(contact, "Name", one.contact)
        add_some(contact, "Telephone", one.telephone)
        add_some(contact, "ElectronicMail", one.email)


def _address(node: etree._Element, one: PostalAddress) -> None:
    add_some(node, "StreetName", one.street)
    add_some(node, "AdditionalStreetName", one.additional)
    add_some(node, "CityName", one.city)
    add_some(node, "PostalZone", one.postal_code)
    add_some(node, "CountrySubentity", one.region)
    if one.extra_line:
        add(part(node, "AddressLine"), "Line", one.extra_line)
    add(part(node, "Country"), "IdentificationCode", one.country)


def _delivery(root: etree._Element, bill: Bill) -> None:
    if bill.delivered is None and bill.delivery_address is None:
        return
    delivery = part(root, "Delivery")
    _day(delivery, "ActualDeliveryDate", bill.delivered)
    if bill.delivery_address is not None:
        _address(part(part(delivery, "DeliveryLocation"), "Address"), bill.delivery_address)
        if bill.delivery_address.name:
            add(part(part(delivery, "DeliveryParty"), "PartyName"), "Name", bill.delivery_address.name)


def _payment(root: etree._Element, bill: Bill, *, credit: bool) -> None:
    for account in bill.accounts or (None,):
        if account is None and not bill.payment_reference and not (credit and bill.due_date):
            continue
        means = part(root, "PaymentMeans")
        add(means, "PaymentMeansCode", bill.payment_means)
        if credit:
            _day(means, "PaymentDueDate", bill.due_date)
        add_some(means, "PaymentID", bill.payment_reference)
        if account is not None:
            payee = part(means, "PayeeFinancialAccount")
            add(payee, "ID", account.number)
            add_some(payee, "Name", account.name)
            if account.bank:
                add(part(payee, "FinancialInstitutionBranch"), "ID", account.bank)
    if bill.payment_terms:
        add(part(root, "PaymentTerms"), "Note", bill.payment_terms)


def _adjustment(parent: etree._Element, one: Adjustment, currency: str) -> None:
    node = part(parent, "AllowanceCharge")
    add(node, "ChargeIndicator", "true" if one.charge else "false")
    add_some(node, "AllowanceChargeReasonCode", one.reason_code)
    add_some(node, "AllowanceChargeReason", one.reason)
    add_amount(node, "Amount", one.amount, currency)
    if one.vat is not None:
        _category(part(node, "TaxCategory"), one.vat)


def _sums(root: etree._Element, bill: Bill) -> None:
    tax = part(root, "TaxTotal")
    add_amount(tax, "TaxAmount", bill.tax, bill.currency)
    for one in bill.taxes:
        _tax_sum(part(tax, "TaxSubtotal"), one, bill.currency)
    sums = part(root, "LegalMonetaryTotal")
    rows: tuple[tuple[str, Decimal, bool], ...] = (
        ("LineExtensionAmount", bill.line_total, True),
        ("TaxExclusiveAmount", bill.net, True),
        ("TaxInclusiveAmount", bill.gross, True),
        ("AllowanceTotalAmount", bill.allowances, any(not one.charge for one in bill.adjustments)),
        ("ChargeTotalAmount", bill.charges, any(one.charge for one in bill.adjustments)),
        ("PrepaidAmount", bill.prepaid, bill.prepaid != ZERO),
        ("PayableRoundingAmount", bill.rounding, bill.rounding != ZERO),
        ("PayableAmount", bill.payable, True),
    )
    for name, value, there in rows:
        if there:
            add_amount(sums, name, value, bill.currency)


def _tax_sum(node: etree._Element, one: TaxSum, currency: str) -> None:
    add_amount(node, "TaxableAmount", one.taxable, currency)
    add_amount(node, "TaxAmount", one.tax, currency)
    _category(part(node, "TaxCategory"), one.vat, reasons=True)


def _category(node: etree._Element, vat: Vat, *, reasons: bool = False) -> None:
    add(node, "ID", vat.category)
    if vat.rate is not None:
        add(node, "Percent", plain(vat.rate))
    if reasons:
        add_some(node, "TaxExemptionReasonCode", vat.reason_code)
        add_some(node, "TaxExemptionReason", vat.reason)
    add(part(node, "TaxScheme"), "ID", "VAT")


def _line(root: etree._Element, line: Line, currency: str, *, credit: bool) -> None:
    node = part(root, "CreditNoteLine" if credit else "InvoiceLine")
    add(node, "ID", line.id)
    add_some(node, "Note", line.note)
    add(node, "CreditedQuantity" if credit else "InvoicedQuantity", plain(line.quantity), unitCode=line.unit)
    add_amount(node, "LineExtensionAmount", line.net, currency)
    add_some(node, "AccountingCost", line.cost_centre)
    _period(node, line.period)
    if line.order_line:
        add(part(node, "OrderLineReference"), "LineID", line.order_line)
    for one in line.adjustments:
        _adjustment(node, one, currency)
    item = part(node, "Item")
    add_some(item, "Description", line.description)
    add(item, "Name", line.name)
    for name, value in (("BuyersItemIdentification", line.buyers_id), ("SellersItemIdentification", line.sellers_id)):
        if value:
            add(part(item, name), "ID", value)
    if line.standard_id is not None:
        add(part(item, "StandardItemIdentification"), "ID", line.standard_id[1], schemeID=line.standard_id[0])
    _category(part(item, "ClassifiedTaxCategory"), line.vat)
    price = part(node, "Price")
    add_amount(price, "PriceAmount", plain(line.price), currency)
    if line.price_quantity != 1:
        add(price, "BaseQuantity", plain(line.price_quantity), unitCode=line.unit)


def _period(parent: etree._Element, period: tuple[date | None, date | None] | None) -> None:
    if period is not None:
        node = part(parent, "InvoicePeriod")
        _day(node, "StartDate", period[0])
        _day(node, "EndDate", period[1])


def _day(parent: etree._Element, name: str, day: date | None) -> None:
    if day is not None:
        add(parent, name, day.isoformat())
