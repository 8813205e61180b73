"""The words and number forms of the readable page, in Swedish and English.

Source of codes: UN/ECE Recommendation 20 (units), UNTDID 1001 (document), 4461 (payment), 5305 (VAT category).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, Literal

from gateway.ubl.names import decimal

Language = Literal["sv", "en"]
NO_BREAK: Final = "\u00a0"

WORDS: Final[dict[str, tuple[str, str]]] = {
    "invoice": ("Faktura", "Invoice"),
    "credit_note": ("Kreditfaktura", "Credit note"),
    "number": ("Fakturanummer", "Invoice number"),
    "credit_number": ("Kreditfakturanr", "Credit note number"),
    "issue_date": ("Fakturadatum", "Invoice date"),
    "credit_date": ("Datum", "Date"),
    "due_date": ("Förfallodatum", "Due date"),
    "delivery_date": ("Leveransdatum", "Delivery date"),
    "tax_point": ("Momsdatum", "Tax point date"),
    "period": ("Period", "Period"),
    "customer": ("Kundnummer", "Customer number"),
    "your_reference": ("Er referens", "Your reference"),
    "our_reference": ("Vår referens", "Our reference"),
    "your_org": ("Ert org.nr", "Your company no."),
    "your_vat": ("Ert momsreg.nr", "Your VAT no."),
    "order": ("Ert ordernummer", "Your order"),
    "sales_order": ("Vårt ordernummer", "Our order"),
    "contract": ("Avtal", "Contract"),
    "project": ("Projekt", "Project"),
    "cost": ("Kontering", "Accounting cost"),
    "despatch": ("Följesedel", "Despatch advice"),
    "receipt": ("Mottagningskvitto", "Receiving advice"),
    "tender": ("Upphandling", "Tender"),
    "object": ("Objekt", "Invoiced object"),
    "preceding": ("Avser faktura", "Concerns invoice"),
    "delivery_to": ("Leveransadress", "Delivered to"),
    "attention": ("Att:", "Attn:"),
    "representative": ("Skatteombud", "Tax representative"),
    "item_id": ("Art.nr", "Item no."),
    "description": ("Benämning", "Description"),
    "quantity": ("Antal", "Quantity"),
    "price": ("À-pris", "Unit price"),
    "discount": ("Rabatt", "Discount"),
    "vat": ("Moms", "VAT"),
    "amount": ("Belopp", "Amount"),
    "per": ("per", "per"),
    "allowance": ("Rabatt", "Discount"),
    "charge": ("Avgift", "Charge"),
    "of": ("av", "of"),
    "gross_price": ("ordinarie pris", "list price"),
    "adjustments": ("Rabatter och avgifter", "Discounts and charges"),
    "vat_rate": ("Momsspecifikation", "VAT specification"),
    "taxable": ("Underlag", "Taxable amount"),
    "vat_in": ("Moms i", "VAT in"),
    "net_lines": ("Summa rader", "Sum of lines"),
    "allowances": ("Rabatter", "Discounts"),
    "charges": ("Avgifter", "Charges"),
    "net": ("Summa exkl. moms", "Total excl. VAT"),
    "vat_total": ("Moms", "VAT"),
    "gross": ("Summa inkl. moms", "Total incl. VAT"),
    "prepaid": ("Redan betalt", "Already paid"),
    "rounding": ("Öresavrundning", "Rounding"),
    "to_pay": ("Att betala", "Amount to pay"),
    "credited": ("Er till godo", "In your favour"),
    "nothing": ("Inget att betala", "Nothing to pay"),
    "terms": ("Betalningsvillkor", "Payment terms"),
    "notes": ("Upplysningar", "Notes"),
    "attachments": ("Bilagor", "Attachments"),
    "cover": (
        "Fakturan följer på nästa sida, så som avsändaren har gjort den.",
        "The invoice follows on the next page, as its sender has made it.",
    ),
    "scan_to_pay": ("Betala med bankappen", "Scan to pay"),
    "payee": ("Betalning till", "Payment to"),
    "payment_id": ("Betalningsreferens", "Payment reference"),
    "ocr": ("OCR-nummer", "OCR reference"),
    "account": ("Konto", "Account"),
    "account_name": ("Kontoinnehavare", "Account holder"),
    "method": ("Betalningssätt", "Payment method"),
    "mandate": ("Medgivande", "Mandate"),
    "debited": ("Dras från", "Debited from"),
    "card": ("Kort", "Card"),
    "org": ("Org.nr", "Company no."),
    "vat_no": ("Momsreg.nr", "VAT no."),
    "seat": ("Säte", "Registered office"),
    "page": ("Sida", "Page"),
    "page_of": ("av", "of"),
    "order_line": ("Orderrad", "Order line"),
    "replaced": (
        "Tecken som inte kan skrivas ut visas som □; de står i det bifogade dokumentet.",
        "Characters that cannot be printed are shown as □; the attached document has them.",
    ),
    "shortened": ("… (hela texten står i det bifogade dokumentet)", "… (the whole text is in the attached document)"),
    "embedded": ("Fakturan som data enligt UBL 2.1", "The invoice as data in UBL 2.1"),
}

TITLES: Final[dict[str, tuple[str, str]]] = {
    "261": ("Självfakturerad kreditfaktura", "Self-billed credit note"),
    "326": ("Delfaktura", "Partial invoice"),
    "383": ("Debetnota", "Debit note"),
    "384": ("Rättad faktura", "Corrected invoice"),
    "386": ("Förskottsfaktura", "Prepayment invoice"),
    "389": ("Självfaktura", "Self-billed invoice"),
    "751": ("Fakturainformation", "Invoice information"),
    "875": ("Delfaktura", "Partial invoice"),
    "877": ("Slutfaktura", "Final invoice"),
}

METHODS: Final[dict[str, tuple[str, str]]] = {
    "10": ("Kontant", "Cash"),
    "20": ("Check", "Cheque"),
    "48": ("Betalkort", "Payment card"),
    "49": ("Autogiro", "Direct debit"),
    "54": ("Kreditkort", "Credit card"),
    "55": ("Betalkort", "Debit card"),
    "57": ("Stående överföring", "Standing agreement"),
    "59": ("SEPA-autogiro", "SEPA direct debit"),
    "97": ("Kvittning", "Clearing between partners"),
}
"""Ways of paying that a transfer's account does not tell already."""

CATEGORIES: Final[dict[str, tuple[str, str]]] = {
    "S": ("Moms", "VAT"),
    "Z": ("Nollskattesats", "Zero rated"),
    "E": ("Undantaget från moms", "Exempt from VAT"),
    "AE": ("Omvänd betalningsskyldighet", "Reverse charge"),
    "K": ("Gemenskapsintern leverans", "Intra-Community supply"),
    "G": ("Export utanför EU", "Export outside the EU"),
    "O": ("Omfattas inte av moms", "Not subject to VAT"),
    "L": ("IGIC", "IGIC"),
    "M": ("IPSI", "IPSI"),
    "B": ("Delad betalning", "Split payment"),
}

UNITS: Final[dict[str, tuple[str, str]]] = {
    "1I": ("fast pris", "fixed rate"), "2N": ("dB", "dB"), "4L": ("MB", "MB"), "ACT": ("aktivitet", "activity"),
    "ANN": ("år", "years"), "BLL": ("fat", "barrels"), "BX": ("låda", "boxes"), "C62": ("st", "pcs"),
    "CLT": ("cl", "cl"), "CMK": ("cm²", "cm²"), "CMT": ("cm", "cm"), "CS": ("kartong", "cases"),
    "CT": ("kartong", "cartons"), "DAY": ("dagar", "days"), "DLT": ("dl", "dl"), "DMQ": ("dm³", "dm³"),
    "DZN": ("dussin", "dozen"), "E34": ("GB", "GB"), "E48": ("tjänst", "service units"),
    "E49": ("arbetsdagar", "working days"), "E50": ("redovisningsenhet", "accounting units"),
    "E51": ("jobb", "jobs"), "E54": ("resa", "trips"), "EA": ("st", "pcs"), "GRM": ("g", "g"),
    "H87": ("st", "pcs"), "HAR": ("ha", "ha"), "HEA": ("styck", "head"), "HMT": ("hm", "hm"),
    "HUR": ("tim", "hours"), "IE": ("personer", "persons"), "KGM": ("kg", "kg"), "KMT": ("km", "km"),
    "KTM": ("km", "km"), "KWH": ("kWh", "kWh"), "KWT": ("kW", "kW"), "LH": ("arbetstim", "labour hours"),
    "LM": ("löpmeter", "linear metres"), "LO": ("parti", "lots"), "LS": ("fast belopp", "lump sum"),
    "LTR": ("l", "l"), "MAW": ("MW", "MW"), "MGM": ("mg", "mg"), "MIN": ("min", "min"), "MLT": ("ml", "ml"),
    "MMT": ("mm", "mm"), "MON": ("mån", "months"), "MTK": ("m²", "m²"), "MTQ": ("m³", "m³"), "MTR": ("m", "m"),
    "MWH": ("MWh", "MWh"), "NAR": ("st", "pcs"), "NMP": ("förp", "packs"), "NPR": ("par", "pairs"),
    "OZA": ("fl oz", "fl oz"), "P1": ("%", "%"), "PCE": ("st", "pcs"), "PF": ("pall", "pallets"),
    "PK": ("förp", "packs"), "PR": ("par", "pairs"), "QAN": ("kvartal", "quarters"), "RO": ("rulle", "rolls"),
    "SEC": ("s", "s"), "SET": ("set", "sets"), "ST": ("ark", "sheets"), "TNE": ("ton", "tonnes"),
    "WEE": ("veckor", "weeks"), "X4B": ("kanna", "cans"), "XBG": ("påse", "bags"), "XBO": ("flaska", "bottles"),
    "XBX": ("låda", "boxes"), "XCR": ("back", "crates"), "XCS": ("kartong", "cases"),
    "XCT": ("kartong", "cartons"), "XPA": ("paket", "packets"), "XPK": ("förp", "packs"), "XPP": ("st", "pcs"),
    "XPX": ("pall", "pallets"), "XRO": ("rulle", "rolls"), "XSA": ("säck", "sacks"), "XTU": ("tub", "tubes"),
    "ZZ": ("", ""),

}  # fmt: skip
"""Names for the last line of a foreign address; the Universal Postal Union wants English or French there."""


def pick(pair: tuple[str, str], language: Language) -> str:
    """The word in this language."""
    return pair[0] if language == "sv" else pair[1]


def number(value: str | Decimal, language: Language, *, least: int = 0) -> str:
    """A number with grouped thousands, every decimal that the document has, and at least so many.

    Nothing is rounded; only zeros are cut. What is no number comes back as it is.
    """
    exact = value if isinstance(value, Decimal) else decimal(value.strip())
    if exact is None:
        return str(value)
    whole, _, fraction = f"{abs(exact):f}".partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    grouped = f"{int(whole):,}"
    if language == "sv":
        grouped = grouped.replace(",", NO_BREAK)
    sign = "−" if exact < 0 else ""
    return sign + grouped + ((("," if language == "sv" else ".") + fraction) if fraction else "")


def percent(value: str, language: Language) -> str:
    """``25 %`` in Swedish, ``25%`` in English; empty when there is none."""
    if not value:
        return ""
    return number(value, language) + (f"{NO_BREAK}%" if language == "sv" else "%")


def shown_date(value: date | None) -> str:
    """The date as ISO 8601 writes it, usual in both languages here."""
    return value.isoformat() if value else ""


def unit(code: str, language: Language) -> str:
    """The unit in words, or its code where it is not a common one."""
    known = UNITS.get(code)
    return pick(known, language) if known else code
