"""The second pattern of EN 16931 for UBL: how often an element may stand (UBL-SR), data types (UBL-DT), and the few
"not used" rules (UBL-CR) that are more than a path. The plain ones are the table of the pack.
"""

from __future__ import annotations

from gateway.ubl.rules.checks import (
    all_of,
    at_most,
    attribute,
    decimals_of,
    exists,
    is_allowance,
    is_charge,
    says,
)
from gateway.ubl.rules.pack import Check, Context, Fault, Pattern
from gateway.ubl.rules.tree import Document, Node

_SELLER, _BUYER = "cac:AccountingSupplierParty/cac:Party", "cac:AccountingCustomerParty/cac:Party"
OBJECT = "130"
"""Type of a reference that identifies the invoiced object (BT-18)."""


def version_is_2_1(invoice: Node, document: Document) -> Fault | None:
    """UBL-CR-002: UBLVersionID is left out or 2.1."""
    found = invoice.all("cbc:UBLVersionID")
    return Fault(found[0], found[0].text) if found and not says(invoice, "cbc:UBLVersionID", "2.1") else None


def due_date_in_payment(invoice: Node, document: Document) -> Fault | None:
    """UBL-CR-412: the due date stands in the payment means of credit notes only."""
    found = invoice.all("cac:PaymentMeans/cbc:PaymentDueDate")
    return Fault(found[0], found[0].text, kind="unused") if found and document.is_invoice else None


def _references(document: Document, *, invoiced_object: bool) -> list[Node]:
    return [
        reference
        for reference in document.anywhere("cac:AdditionalDocumentReference")
        if (
            says(reference, "cbc:DocumentTypeCode", OBJECT)
            if invoiced_object
            else not reference.has("cbc:DocumentTypeCode")
            or any(code.text != OBJECT for code in reference.all("cbc:DocumentTypeCode"))
        )
    ]


def scheme_of_document(invoice: Node, document: Document) -> Fault | None:
    """UBL-CR-665: only the identifier of an invoiced object (type 130) has a scheme."""
    for reference in _references(document, invoiced_object=False):
        for number in reference.all("cbc:ID"):
            if "schemeID" in number.attributes:
                return Fault(number, number.attributes["schemeID"])
    return None


def bare_object(path: str) -> Check:
    """UBL-CR-666, UBL-CR-673: the reference to an invoiced object (type 130) has no attachment and no description."""

    def check(invoice: Node, document: Document) -> Fault | None:
        for reference in _references(document, invoiced_object=True):
            if reference.has(path):
                return Fault(reference.all(path)[0])
        return None

    return check


def names_of_payment_means_only(invoice: Node, document: Document) -> Fault | None:
    """UBL-DT-18: the attribute name stands at PaymentMeansCode only."""
    found = document.noted("@name")
    strange = [node for node in found if node.name != "cbc:PaymentMeansCode"]
    if not strange:
        return None
    return Fault(strange[0], strange[0].attributes["name"], {"attribute": "name"}, "unused")


def reference_type(reference: Node, document: Document) -> Fault | None:
    """UBL-SR-43: a reference has type 130 (object), in credit notes 50 (project), or neither type nor scheme."""
    if says(reference, "cbc:DocumentTypeCode", OBJECT):
        return None
    if document.root.name == "CreditNote" and says(reference, "cbc:DocumentTypeCode", "50"):
        return None
    codes = reference.all("cbc:DocumentTypeCode")
    if codes:
        return Fault(codes[0], codes[0].text)
    schemes = [number for number in reference.all("cbc:ID") if "schemeID" in number.attributes]
    return Fault(schemes[0], schemes[0].attributes["schemeID"]) if schemes else None


def amount_decimals(amount: Node, document: Document) -> Fault | None:
    """UBL-DT-01: amounts have at most two decimals, prices apart."""
    return decimals_of(amount)


def is_amount(node: Node, document: Document) -> bool:
    """The element is an amount that is no price, and not in a price that has an allowance."""
    if node.name.endswith("PriceAmount"):
        return False
    if not node.within("cac:Price"):
        return True
    above = node.parent
    while above is not None:
        if above.name == "cac:Price" and above.has("cac:AllowanceCharge"):
            return False
        above = above.parent
    return True


def tax_numbers(party: str, *, vat: bool) -> Check:
    """UBL-SR-12, 13, 18: a party has one VAT number, and one other tax number."""

    def check(invoice: Node, document: Document) -> Fault | None:
        found = [
            number
            for scheme in invoice.all(f"{party}/cac:PartyTaxScheme")
            if any((kind.string("cbc:ID").upper() == "VAT") is vat for kind in scheme.all("cac:TaxScheme"))
            for number in scheme.all("cbc:CompanyID")
        ]
        return Fault(found[1], found[1].text, {"count": len(found), "most": 1}, "many") if len(found) > 1 else None

    return check


def creditor_identifiers(invoice: Node, document: Document) -> Fault | None:
    """UBL-SR-29: the bank's creditor identifier (BT-90, scheme SEPA) stands once."""
    found = [
        number
        for party in document.anywhere("cac:PartyIdentification")
        for number in party.all("cbc:ID")
        if number.attributes.get("schemeID", "").upper() == "SEPA"
    ]
    return Fault(found[1], found[1].text, {"count": len(found), "most": 1}, "many") if len(found) > 1 else None


def one_value(name: str) -> Check:
    """UBL-SR-44, UBL-SR-47: every element of this name says the same."""

    def check(invoice: Node, document: Document) -> Fault | None:
        found = document.anywhere(name)
        for node in found[1:]:
            if node.text != found[0].text:
                return Fault(node, node.text, {"first": found[0].text})
        return None

    return check


def names_at_payment_means(invoice: Node, document: Document) -> Fault | None:
    """UBL-SR-46: the payment means are named in words once."""
    found = [code for code in invoice.all("cac:PaymentMeans/cbc:PaymentMeansCode") if "name" in code.attributes]
    if len(found) <= 1:
        return None
    return Fault(found[1], found[1].attributes["name"], {"count": len(found), "most": 1}, "many")


def payee(path: str, *, without_creditor: bool = False) -> Check:
    """UBL-SR-19 to 21: the path stands once in a payee, whose name is not the seller's legal name."""

    def check(party: Node, document: Document) -> Fault | None:
        found = party.all(path)
        if without_creditor:
            found = [node for node in found if node.attributes.get("schemeID", "").upper() != "SEPA"]
        if len(found) > 1:
            return Fault(found[1], found[1].text, {"count": len(found), "most": 1}, "many")
        above = party.parent
        seller = above.all(f"{_SELLER}/cac:PartyLegalEntity/cbc:RegistrationName") if above is not None else []
        names = party.all("cac:PartyName/cbc:Name")
        if any(name.text != legal.text for name in names for legal in seller):
            return None
        return Fault(names[0] if names else party, names[0].text if names else "", kind="payee is seller")

    return check


def exactly_one_category(line: Node, document: Document) -> Fault | None:
    """UBL-SR-48: a line has exactly one VAT category."""
    count = len(line.all("cac:Item/cac:ClassifiedTaxCategory"))
    return Fault(line, words={"count": count}) if count != 1 else None


_DOCUMENT: dict[str, Check] = {
    "UBL-CR-002": version_is_2_1,
    "UBL-CR-412": due_date_in_payment,
    "UBL-CR-665": scheme_of_document,
    "UBL-CR-666": bare_object("cac:Attachment"),
    "UBL-CR-673": bare_object("cbc:DocumentDescription"),
    "UBL-DT-18": names_of_payment_means_only,
    "UBL-SR-01": at_most(1, "cac:ContractDocumentReference/cbc:ID"),
    "UBL-SR-02": at_most(1, "cac:ReceiptDocumentReference/cbc:ID"),
    "UBL-SR-03": at_most(1, "cac:DespatchDocumentReference/cbc:ID"),
    "UBL-SR-05": at_most(1, "cac:PaymentTerms/cbc:Note"),
    "UBL-SR-08": at_most(1, "cac:InvoicePeriod"),
    "UBL-SR-09": at_most(1, f"{_SELLER}/cac:PartyLegalEntity/cbc:RegistrationName"),
    "UBL-SR-10": at_most(1, f"{_SELLER}/cac:PartyName/cbc:Name"),
    "UBL-SR-11": at_most(1, f"{_SELLER}/cac:PartyLegalEntity/cbc:CompanyID"),
    "UBL-SR-12": tax_numbers(_SELLER, vat=True),
    "UBL-SR-13": tax_numbers(_SELLER, vat=False),
    "UBL-SR-14": at_most(1, f"{_SELLER}/cac:PartyLegalEntity/cbc:CompanyLegalForm"),
    "UBL-SR-15": at_most(1, f"{_BUYER}/cac:PartyLegalEntity/cbc:RegistrationName"),
    "UBL-SR-16": at_most(1, f"{_BUYER}/cac:PartyIdentification/cbc:ID"),
    "UBL-SR-17": at_most(1, f"{_BUYER}/cac:PartyLegalEntity/cbc:CompanyID"),
    "UBL-SR-18": tax_numbers(_BUYER, vat=True),
    "UBL-SR-24": at_most(1, "cac:Delivery"),
    "UBL-SR-29": creditor_identifiers,
    "UBL-SR-39": at_most(1, "cac:ProjectReference/cbc:ID"),
    "UBL-SR-40": at_most(1, f"{_BUYER}/cac:PartyName/cbc:Name"),
    "UBL-SR-44": one_value("cbc:PaymentID"),
    "UBL-SR-45": at_most(1, "cac:PaymentMeans/cbc:PaymentDueDate"),
    "UBL-SR-46": names_at_payment_means,
    "UBL-SR-47": one_value("cbc:PaymentMeansCode"),
    "UBL-SR-49": at_most(1, "cac:InvoicePeriod/cbc:DescriptionCode"),
    "UBL-SR-54": at_most(1, "cac:PaymentMeans/cac:CardAccount"),
    "UBL-SR-55": at_most(1, "cac:PaymentMeans/cac:PaymentMandate"),
    "UBL-SR-56": at_most(1, "cac:OriginatorDocumentReference/cbc:ID"),
}


def one_object(invoice: Node, document: Document) -> Fault | None:
    """UBL-SR-04: at most one invoiced object (type 130) is referred to."""
    found = [
        number
        for reference in invoice.all("cac:AdditionalDocumentReference")
        if says(reference, "cbc:DocumentTypeCode", OBJECT)
        for number in reference.all("cbc:ID")
    ]
    return Fault(found[1], found[1].text, {"count": len(found), "most": 1}, "many") if len(found) > 1 else None


PATTERN: Pattern = (
    Context(paths="cac:PostalAddress | cac:Address", checks={"UBL-SR-51": at_most(1, "cac:AddressLine")}),
    Context(paths=_SELLER, checks={"UBL-SR-42": at_most(2, "cac:PartyTaxScheme")}),
    Context(
        paths="cac:AdditionalDocumentReference",
        checks={"UBL-SR-33": at_most(1, "cbc:DocumentDescription"), "UBL-SR-43": reference_type},
    ),
    Context(paths="*Amount", when=is_amount, checks={"UBL-DT-01": amount_decimals}),
    Context(paths="*BinaryObject", checks={"UBL-DT-06": attribute("mimeCode"), "UBL-DT-07": attribute("filename")}),
    Context(
        paths="cac:Delivery",
        checks={"UBL-SR-25": at_most(1, "cac:DeliveryParty/cac:PartyName/cbc:Name")},
    ),
    Context(
        paths="cac:AllowanceCharge", when=is_allowance, checks={"UBL-SR-30": at_most(1, "cbc:AllowanceChargeReason")}
    ),
    Context(paths="cac:AllowanceCharge", when=is_charge, checks={"UBL-SR-31": at_most(1, "cbc:AllowanceChargeReason")}),
    Context(paths="cac:PartyTaxScheme", checks={"UBL-SR-53": all_of("cac:TaxScheme/cbc:ID", "cbc:CompanyID")}),
    Context(paths="/Invoice | /CreditNote", checks={**_DOCUMENT, "UBL-SR-04": one_object}),
    Context(
        paths="cac:InvoiceLine | cac:CreditNoteLine",
        checks={
            "UBL-SR-34": at_most(1, "cbc:Note"),
            "UBL-SR-35": at_most(1, "cac:OrderLineReference/cbc:LineID"),
            "UBL-SR-36": at_most(1, "cac:InvoicePeriod"),
            "UBL-SR-37": at_most(1, "cac:Price/cac:AllowanceCharge/cbc:Amount"),
            "UBL-SR-48": exactly_one_category,
            "UBL-SR-50": at_most(1, "cac:Item/cbc:Description"),
            "UBL-SR-52": at_most(1, "cac:DocumentReference"),
        },
    ),
    Context(
        paths="cac:PayeeParty",
        checks={
            "UBL-SR-19": payee("cac:PartyName/cbc:Name"),
            "UBL-SR-20": payee("cac:PartyIdentification/cbc:ID", without_creditor=True),
            "UBL-SR-21": payee("cac:PartyLegalEntity/cbc:CompanyID"),
        },
    ),
    Context(
        paths="cac:PaymentMeans",
        checks={
            "UBL-SR-26": at_most(1, "cbc:PaymentID"),
            "UBL-SR-27": at_most(1, "cbc:PaymentMeansCode"),
            "UBL-SR-28": at_most(1, "cac:PaymentMandate/cbc:ID"),
        },
    ),
    Context(
        paths="cac:BillingReference",
        checks={
            "UBL-SR-06": at_most(1, "cac:InvoiceDocumentReference"),
            "UBL-SR-07": exists("cac:InvoiceDocumentReference/cbc:ID"),
        },
    ),
    Context(
        paths="cac:TaxRepresentativeParty",
        checks={
            "UBL-SR-22": at_most(1, "cac:PartyName/cbc:Name"),
            "UBL-SR-23": at_most(1, "cac:PartyTaxScheme/cbc:CompanyID"),
        },
    ),
    Context(paths="cac:TaxSubtotal", checks={"UBL-SR-32": at_most(1, "cac:TaxCategory/cbc:TaxExemptionReason")}),
)
