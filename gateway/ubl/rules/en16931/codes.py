"""The third pattern of EN 16931: values that must come from a code list (BR-CL). The lists are data of the pack."""

from __future__ import annotations

from gateway.ubl.rules.checks import code, has_attribute, is_allowance, is_charge, says
from gateway.ubl.rules.pack import Check, CodeList, Context, Fault, Pack, Pattern
from gateway.ubl.rules.tree import Document, Node

AMOUNTS = " | ".join(
    f"cbc:{name}"
    for name in (
        "Amount",
        "BaseAmount",
        "PriceAmount",
        "TaxAmount",
        "TaxableAmount",
        "LineExtensionAmount",
        "TaxExclusiveAmount",
        "TaxInclusiveAmount",
        "AllowanceTotalAmount",
        "ChargeTotalAmount",
        "PrepaidAmount",
        "PayableRoundingAmount",
        "PayableAmount",
    )
)


def party_scheme(schemes: CodeList) -> Check:
    """BR-CL-10: the scheme of a party's identifier is of ISO 6523, or SEPA for a seller or payee."""
    listed = code(schemes, "schemeID")

    def check(number: Node, document: Document) -> Fault | None:
        fault = listed(number, document)
        if fault is None or fault.value.strip(" \t\r\n") != "SEPA":
            return fault
        above = number.parent
        while above is not None:
            if above.name in ("cac:AccountingSupplierParty", "cac:PayeeParty"):
                return None
            above = above.parent
        return fault

    return check


def media_type(types: CodeList) -> Check:
    """BR-CL-24: the type of an attachment is one that every receiver can open, written exactly so."""

    def check(attachment: Node, document: Document) -> Fault | None:
        written = attachment.attributes.get("mimeCode", "")
        words = {"list": types.name, "attribute": "mimeCode"}
        return None if written in types.codes else Fault(attachment, written, words, "code")

    return check


def refers_to_object(number: Node, document: Document) -> bool:
    """The reference is one to an invoiced object (type 130), and its identifier has a scheme."""
    return (
        "schemeID" in number.attributes
        and number.parent is not None
        and says(number.parent, "cbc:DocumentTypeCode", "130")
    )


def pattern(pack: Pack) -> Pattern:
    """The contexts of the pattern, with the code lists of this release."""
    lists = pack.lists
    currency, country, scheme = lists["ISO 4217"], lists["ISO 3166-1"], lists["ISO 6523 ICD"]
    return (
        Context(paths="cbc:InvoiceTypeCode", checks={"BR-CL-01": code(lists["UNTDID 1001 invoice"])}),
        Context(paths="cbc:CreditNoteTypeCode", checks={"BR-CL-01": code(lists["UNTDID 1001 credit note"])}),
        Context(paths=AMOUNTS, checks={"BR-CL-03": code(currency, "currencyID")}),
        Context(paths="cbc:DocumentCurrencyCode", checks={"BR-CL-04": code(currency)}),
        Context(paths="cbc:TaxCurrencyCode", checks={"BR-CL-05": code(currency)}),
        Context(paths="cac:InvoicePeriod/cbc:DescriptionCode", checks={"BR-CL-06": code(lists["UNTDID 2005"])}),
        Context(
            paths="cac:AdditionalDocumentReference/cbc:ID | cac:DocumentReference/cbc:ID",
            when=refers_to_object,
            checks={"BR-CL-07": code(lists["UNTDID 1153"], "schemeID")},
        ),
        Context(
            paths="cac:PartyIdentification/cbc:ID",
            when=has_attribute("schemeID"),
            checks={"BR-CL-10": party_scheme(scheme)},
        ),
        Context(
            paths="cac:PartyLegalEntity/cbc:CompanyID",
            when=has_attribute("schemeID"),
            checks={"BR-CL-11": code(scheme, "schemeID")},
        ),
        Context(
            paths="cac:CommodityClassification/cbc:ItemClassificationCode",
            when=has_attribute("listID"),
            checks={"BR-CL-13": code(lists["UNTDID 7143"], "listID")},
        ),
        Context(paths="cac:Country/cbc:IdentificationCode", checks={"BR-CL-14": code(country)}),
        Context(paths="cac:OriginCountry/cbc:IdentificationCode", checks={"BR-CL-15": code(country)}),
        Context(paths="cac:PaymentMeans/cbc:PaymentMeansCode", checks={"BR-CL-16": code(lists["UNTDID 4461"])}),
        Context(paths="cac:TaxCategory/cbc:ID", checks={"BR-CL-17": code(lists["UNTDID 5305"])}),
        Context(paths="cac:ClassifiedTaxCategory/cbc:ID", checks={"BR-CL-18": code(lists["UNTDID 5305"])}),
        Context(
            paths="cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            when=lambda node, document: node.parent is not None and is_allowance(node.parent, document),
            checks={"BR-CL-19": code(lists["UNTDID 5189"])},
        ),
        Context(
            paths="cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            when=lambda node, document: node.parent is not None and is_charge(node.parent, document),
            checks={"BR-CL-20": code(lists["UNTDID 7161"])},
        ),
        Context(
            paths="cac:StandardItemIdentification/cbc:ID",
            when=has_attribute("schemeID"),
            checks={"BR-CL-21": code(scheme, "schemeID")},
        ),
        Context(paths="cbc:TaxExemptionReasonCode", checks={"BR-CL-22": code(lists["VATEX"], upper=True)}),
        Context(
            paths="cbc:InvoicedQuantity | cbc:BaseQuantity | cbc:CreditedQuantity",
            when=has_attribute("unitCode"),
            checks={"BR-CL-23": code(lists["UN/ECE Rec 20 and 21"], "unitCode")},
        ),
        Context(
            paths="cbc:EmbeddedDocumentBinaryObject",
            when=has_attribute("mimeCode"),
            checks={"BR-CL-24": media_type(lists["MIME"])},
        ),
        Context(
            paths="cbc:EndpointID", when=has_attribute("schemeID"), checks={"BR-CL-25": code(lists["EAS"], "schemeID")}
        ),
        Context(
            paths="cac:DeliveryLocation/cbc:ID",
            when=has_attribute("schemeID"),
            checks={"BR-CL-26": code(scheme, "schemeID")},
        ),
    )
