"""The first pattern of EN 16931: where each business rule applies, in the order that decides.

The order matters only where two contexts fit the same element (a period on a line is no period of the document).
"""

from __future__ import annotations

from gateway.ubl.rules.checks import (
    all_of,
    attribute,
    date_order,
    exists,
    filled,
    fine,
    is_allowance,
    is_charge,
    two_decimals,
)
from gateway.ubl.rules.en16931 import calculation, conditions, vat
from gateway.ubl.rules.pack import Context, Pack, Pattern

_REASON = exists("cbc:AllowanceChargeReason", "cbc:AllowanceChargeReasonCode")
_COUNTRY = "cac:Country/cbc:IdentificationCode"
_SELLER, _BUYER = "cac:AccountingSupplierParty/cac:Party", "cac:AccountingCustomerParty/cac:Party"


def pattern(pack: Pack) -> Pattern:
    """The contexts of the pattern, with the code lists of this release."""
    return (
        Context(paths="cac:AdditionalDocumentReference", checks={"BR-52": filled("cbc:ID")}),
        Context(paths=f"{_BUYER}/cbc:EndpointID", checks={"BR-63": attribute("schemeID")}),
        Context(paths=f"{_BUYER}/cac:PostalAddress", checks={"BR-11": filled(_COUNTRY)}),
        Context(
            paths="cac:PaymentMeans/cac:CardAccount/cbc:PrimaryAccountNumberID",
            checks={"BR-51": conditions.card_number_short},
        ),
        Context(paths="cac:Delivery/cac:DeliveryLocation/cac:Address", checks={"BR-57": exists(_COUNTRY)}),
        Context(
            paths="/Invoice/cac:AllowanceCharge | /CreditNote/cac:AllowanceCharge",
            when=is_allowance,
            checks={
                "BR-31": exists("cbc:Amount"),
                "BR-32": conditions.vat_category_of_charge,
                "BR-33": _REASON,
                "BR-CO-05": fine,
                "BR-CO-21": _REASON,
                "BR-DEC-01": two_decimals("cbc:Amount"),
                "BR-DEC-02": two_decimals("cbc:BaseAmount"),
            },
        ),
        Context(
            paths="/Invoice/cac:AllowanceCharge | /CreditNote/cac:AllowanceCharge",
            when=is_charge,
            checks={
                "BR-36": exists("cbc:Amount"),
                "BR-37": conditions.vat_category_of_charge,
                "BR-38": _REASON,
                "BR-CO-06": fine,
                "BR-CO-22": _REASON,
                "BR-DEC-05": two_decimals("cbc:Amount"),
                "BR-DEC-06": two_decimals("cbc:BaseAmount"),
            },
        ),
        _TOTALS,
        Context(paths="/Invoice | /CreditNote", checks=_DOCUMENT | vat.invoice_rules()),
        _LINE,
        Context(
            paths="cac:InvoiceLine/cac:AllowanceCharge | cac:CreditNoteLine/cac:AllowanceCharge",
            when=is_allowance,
            checks={
                "BR-41": exists("cbc:Amount"),
                "BR-42": _REASON,
                "BR-CO-07": fine,
                "BR-CO-23": _REASON,
                "BR-DEC-24": two_decimals("cbc:Amount"),
                "BR-DEC-25": two_decimals("cbc:BaseAmount"),
            },
        ),
        Context(
            paths="cac:InvoiceLine/cac:AllowanceCharge | cac:CreditNoteLine/cac:AllowanceCharge",
            when=is_charge,
            checks={
                "BR-43": exists("cbc:Amount"),
                "BR-44": _REASON,
                "BR-CO-08": fine,
                "BR-CO-24": _REASON,
                "BR-DEC-27": two_decimals("cbc:Amount"),
                "BR-DEC-28": two_decimals("cbc:BaseAmount"),
            },
        ),
        Context(
            paths="cac:InvoiceLine/cac:InvoicePeriod | cac:CreditNoteLine/cac:InvoicePeriod",
            checks={"BR-30": date_order, "BR-CO-20": exists("cbc:StartDate", "cbc:EndDate")},
        ),
        Context(paths="cac:InvoicePeriod", checks={"BR-29": date_order, "BR-CO-19": conditions.period_code_alone}),
        Context(paths="cac:AdditionalItemProperty", checks={"BR-54": all_of("cbc:Name", "cbc:Value")}),
        Context(
            paths="cac:InvoiceLine/cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode"
            " | cac:CreditNoteLine/cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode",
            checks={"BR-65": attribute("listID")},
        ),
        Context(
            paths="cac:InvoiceLine/cac:Item/cac:StandardItemIdentification/cbc:ID"
            " | cac:CreditNoteLine/cac:Item/cac:StandardItemIdentification/cbc:ID",
            checks={"BR-64": attribute("schemeID")},
        ),
        Context(
            paths="/Invoice/cbc:Note | /CreditNote/cbc:Note",
            checks={"BR-CL-08": conditions.subject_of_note(pack.lists["UNTDID 4451"])},
        ),
        Context(paths="cac:PayeeParty", checks={"BR-17": conditions.payee_differs}),
        Context(
            paths="cac:PaymentMeans/cac:PayeeFinancialAccount",
            when=conditions.is_transfer_account,
            checks={"BR-50": filled("cbc:ID")},
        ),
        Context(
            paths="cac:PaymentMeans",
            checks={"BR-49": exists("cbc:PaymentMeansCode"), "BR-61": conditions.account_for_transfer},
        ),
        Context(paths="cac:BillingReference", checks={"BR-55": exists("cac:InvoiceDocumentReference/cbc:ID")}),
        Context(paths="cac:AccountingSupplierParty", checks={"BR-CO-26": conditions.seller_identified}),
        Context(paths=f"{_SELLER}/cbc:EndpointID", checks={"BR-62": attribute("schemeID")}),
        Context(paths=f"{_SELLER}/cac:PostalAddress", checks={"BR-09": filled(_COUNTRY)}),
        Context(
            paths="cac:TaxRepresentativeParty",
            checks={
                "BR-18": filled("cac:PartyName/cbc:Name"),
                "BR-19": exists("cac:PostalAddress"),
                "BR-56": conditions.representative_identified,
            },
        ),
        Context(paths="cac:TaxRepresentativeParty/cac:PostalAddress", checks={"BR-20": filled(_COUNTRY)}),
        Context(paths="/Invoice/cac:TaxTotal | /CreditNote/cac:TaxTotal", checks={"BR-CO-14": calculation.total_vat}),
        Context(
            paths="cac:TaxTotal/cac:TaxSubtotal",
            checks={
                "BR-45": exists("cbc:TaxableAmount"),
                "BR-46": exists("cbc:TaxAmount"),
                "BR-47": conditions.vat_category_of_breakdown,
                "BR-48": conditions.rate_of_breakdown,
                "BR-CO-17": calculation.vat_of_category,
                "BR-DEC-19": two_decimals("cbc:TaxableAmount"),
                "BR-DEC-20": two_decimals("cbc:TaxAmount"),
            },
        ),
        Context(
            paths="cac:PartyTaxScheme",
            when=conditions.is_vat_registration,
            checks={"BR-CO-09": conditions.vat_prefix(pack.lists["VAT country prefixes"])},
        ),
        *_CATEGORIES,
    )


_TOTALS = Context(
    paths="cac:LegalMonetaryTotal",
    checks={
        "BR-12": exists("cbc:LineExtensionAmount"),
        "BR-13": exists("cbc:TaxExclusiveAmount"),
        "BR-14": exists("cbc:TaxInclusiveAmount"),
        "BR-15": exists("cbc:PayableAmount"),
        "BR-CO-10": calculation.sum_of_lines,
        "BR-CO-11": calculation.sum_of_allowances,
        "BR-CO-12": calculation.sum_of_charges,
        "BR-CO-13": calculation.total_without_vat,
        "BR-CO-16": calculation.amount_due,
        "BR-DEC-09": two_decimals("cbc:LineExtensionAmount"),
        "BR-DEC-10": two_decimals("cbc:AllowanceTotalAmount"),
        "BR-DEC-11": two_decimals("cbc:ChargeTotalAmount"),
        "BR-DEC-12": two_decimals("cbc:TaxExclusiveAmount"),
        "BR-DEC-14": two_decimals("cbc:TaxInclusiveAmount"),
        "BR-DEC-16": two_decimals("cbc:PrepaidAmount"),
        "BR-DEC-17": two_decimals("cbc:PayableRoundingAmount"),
        "BR-DEC-18": two_decimals("cbc:PayableAmount"),
    },
)

_DOCUMENT = {
    "BR-01": filled("cbc:CustomizationID"),
    "BR-02": filled("cbc:ID"),
    "BR-03": filled("cbc:IssueDate"),
    "BR-04": filled("cbc:InvoiceTypeCode", "cbc:CreditNoteTypeCode"),
    "BR-05": filled("cbc:DocumentCurrencyCode"),
    "BR-06": filled(f"{_SELLER}/cac:PartyLegalEntity/cbc:RegistrationName"),
    "BR-07": filled(f"{_BUYER}/cac:PartyLegalEntity/cbc:RegistrationName"),
    "BR-08": exists(f"{_SELLER}/cac:PostalAddress"),
    "BR-10": exists(f"{_BUYER}/cac:PostalAddress"),
    "BR-16": exists("cac:InvoiceLine", "cac:CreditNoteLine"),
    "BR-53": conditions.vat_amount_in_tax_currency,
    "BR-CO-03": conditions.one_tax_point,
    "BR-CO-15": calculation.total_with_vat,
    "BR-CO-18": exists("cac:TaxTotal/cac:TaxSubtotal"),
    "BR-DEC-13": fine,  # BR-DEC-13 and 15 of the artefact compare with a child that an amount never has
    "BR-DEC-15": fine,
}

_LINE = Context(
    paths="cac:InvoiceLine | cac:CreditNoteLine",
    checks={
        "BR-21": filled("cbc:ID"),
        "BR-22": exists("cbc:InvoicedQuantity", "cbc:CreditedQuantity"),
        "BR-23": conditions.unit_of_quantity,
        "BR-24": exists("cbc:LineExtensionAmount"),
        "BR-25": filled("cac:Item/cbc:Name"),
        "BR-26": exists("cac:Price/cbc:PriceAmount"),
        "BR-27": conditions.price_not_negative,
        "BR-28": conditions.gross_price_not_negative,
        "BR-CO-04": conditions.vat_category_of_line,
        "BR-DEC-23": two_decimals("cbc:LineExtensionAmount"),
    },
)

_CATEGORIES = (
    Context(
        paths="/*/cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory",
        choose=vat.category_of,
        cases=vat.breakdown_rules(),
    ),
    Context(
        paths="cac:AllowanceCharge/cac:TaxCategory",
        when=lambda node, document: node.parent is not None and is_allowance(node.parent, document),
        choose=vat.category_of,
        cases=vat.rate_rules("06"),
    ),
    Context(
        paths="cac:AllowanceCharge/cac:TaxCategory",
        when=lambda node, document: node.parent is not None and is_charge(node.parent, document),
        choose=vat.category_of,
        cases=vat.rate_rules("07"),
    ),
    Context(
        paths="cac:InvoiceLine/cac:Item/cac:ClassifiedTaxCategory"
        " | cac:CreditNoteLine/cac:Item/cac:ClassifiedTaxCategory",
        choose=vat.category_of,
        cases=vat.rate_rules("05"),
    ),
)
