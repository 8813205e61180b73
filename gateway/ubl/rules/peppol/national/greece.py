"""Greece (GR-R, GR-S): for sellers in Greece, some only when the buyer is there too.

The number of a Greek invoice is six parts with ``|`` between them: tax number, date, branch, type, series, number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.ubl.rules.checks import says
from gateway.ubl.rules.numbers import number
from gateway.ubl.rules.pack import Check, CodeList, Context, Fault, Pack, Pattern
from gateway.ubl.rules.peppol.identifiers import greek_tin
from gateway.ubl.rules.peppol.parties import (
    BUYER,
    COUNTRY,
    SELLER,
    customer_country,
    own_supplier_country,
    supplier_country,
    tax_schemes,
    vat_schemes,
)
from gateway.ubl.rules.tree import Document, Node, Stopped, normal

_GREEK: Final = ("GR", "EL")
_VAT_SCHEME: Final = "9933"
_MARK: Final = "##M.AR.K##"
_URL: Final = "##INVOICE|URL##"
_DATE: Final = re.compile(r"(0?[1-9]|[12][0-9]|3[01])[-\\/ ]?(0?[1-9]|1[0-2])[-\\/ ]?(19|20)[0-9]{2}")
_INTEGER: Final = re.compile(r"[ \t\r\n]*[+-]?[0-9]+[ \t\r\n]*")
_ADDITIONAL: Final = "cac:AdditionalDocumentReference"


def seller_greek(document: Document) -> bool:
    """The seller is in Greece."""
    return document.once(supplier_country) in _GREEK


def own_seller_greek(document: Document) -> bool:
    """The seller itself is in Greece, whoever represents it."""
    return document.once(own_supplier_country) in _GREEK


def both_greek(document: Document) -> bool:
    """Seller and buyer are in Greece."""
    return seller_greek(document) and document.once(customer_country) in _GREEK


def in_greece(document: Document) -> bool:
    """The seller is in Greece, by its tax number and by its address."""
    return seller_greek(document) and says(document.root, f"{SELLER}/{COUNTRY}", "GR")


def is_mark(number_: Node, document: Document) -> bool:
    """For GR-R-004-2: the reference to the mark of myDATA."""
    above = number_.parent
    return above is not None and says(above, "cbc:DocumentDescription", _MARK)


def is_url(reference: Node, document: Document) -> bool:
    """For GR-R-008-3: the reference to the invoice at the provider."""
    return says(reference, "cbc:DocumentDescription", _URL)


def _parts(value: str, divider: str) -> list[str]:
    return value.split(divider) if value else []


def part(place: int, test: Callable[[str, Document], bool]) -> Check:
    """One of the six parts of the invoice number (counted from 1) passes the test; a missing one is empty."""

    def check(node: Node, document: Document) -> Fault | None:
        parts = _parts(node.text, "|")
        value = parts[place - 1] if len(parts) >= place else ""
        try:
            return None if test(value, document) else Fault(node, node.text, {"part": value})
        except ValueError:
            raise Stopped(node, "number", value) from None

    return check


def six_parts(node: Node, document: Document) -> Fault | None:
    """GR-R-001-1: the invoice number has six parts."""
    count = len(_parts(node.text, "|"))
    return None if count == 6 else Fault(node, node.text, {"count": count})


def _is_seller(value: str, document: Document) -> bool:
    """GR-R-001-2: the tax number of the seller or of its representative."""
    if len(normal(value)) != 9 or not greek_tin(value):
        return False
    paths = (f"{SELLER}/cac:PartyTaxScheme", "cac:TaxRepresentativeParty/cac:PartyTaxScheme")
    found = [one.string("cbc:CompanyID") for path in paths for one in vat_schemes(document.root, path)]
    return any(one[2:11] == value for one in found)


def _is_issue_date(value: str, document: Document) -> bool:
    """GR-R-001-3: the issue date, day first."""
    if not normal(value) or not _DATE.match(value):
        return False
    year, month, day = (*_parts(document.root.string("cbc:IssueDate"), "-"), "", "", "")[:3]
    said = (*_parts(value, "/"), "", "", "")[:3]
    return said == (day, month, year) and all(said)


def _is_branch(value: str, document: Document) -> bool:
    """GR-R-001-4: the number of the branch, 0 or more."""
    if not normal(value) or number(value) != number(value):
        return False
    if not _INTEGER.fullmatch(value):
        raise ValueError(value)
    return int(value) >= 0


def _is_type(types: CodeList) -> Callable[[str, Document], bool]:
    """GR-R-001-5: a type of document in Greek accounts."""
    return lambda value, document: bool(normal(value)) and value in types.codes


def _is_there(value: str, document: Document) -> bool:
    """GR-R-001-6, GR-R-001-7: series and number."""
    return bool(value)


def party_name(party: Node, document: Document) -> Fault | None:
    """GR-R-002, GR-R-005: seller and buyer have a name (PartyName)."""
    return None if party.string("cac:PartyName/cbc:Name") else Fault(party)


def one_greek_number(party: Node, document: Document) -> Fault | None:
    """GR-S-011, GR-R-006: the party has one VAT number, EL and a valid tax number."""
    found = [one for scheme in tax_schemes(party, "VAT") for one in scheme.all("cbc:CompanyID")]
    if len(found) == 1 and _greek_number(found[0].text):
        return None
    return Fault(found[0] if found else party, found[0].text if found else "", {"count": len(found)})


def _greek_number(value: str) -> bool:
    return value[:2] == "EL" and greek_tin(value[2:])


def greek_number(node: Node, document: Document) -> Fault | None:
    """GR-R-003: a VAT number is EL and a valid tax number."""
    return None if _greek_number(node.text) else Fault(node, node.text)


def is_vat_number(node: Node, document: Document) -> bool:
    """For GR-R-003: a VAT number."""
    above = node.parent
    return above is not None and above.normal("cac:TaxScheme/cbc:ID") == "VAT"


def greek_address(endpoint: Node, document: Document) -> Fault | None:
    """GR-R-009, GR-R-010: the electronic address is a tax number (scheme 9933)."""
    if endpoint.attributes.get("schemeID") == _VAT_SCHEME and greek_tin(endpoint.text):
        return None
    return Fault(endpoint, endpoint.text, {"expected": _VAT_SCHEME})


def references(text: str, *counts: int) -> Check:
    """GR-R-004-1, GR-S-008-1, GR-R-008-2: so many references have this description."""

    def check(invoice: Node, document: Document) -> Fault | None:
        count = sum(says(row, "cbc:DocumentDescription", text) for row in invoice.all(_ADDITIONAL))
        return None if count in counts else Fault(invoice, words={"count": count, "expected": text})

    return check


def mark_is_number(node: Node, document: Document) -> Fault | None:
    """GR-R-004-2: the mark is a positive whole number."""
    return None if re.match(r"[1-9]", node.text) else Fault(node, node.text)


def url_given(reference: Node, document: Document) -> Fault | None:
    """GR-R-008-3: the reference to the invoice at the provider has its address."""
    return None if reference.normal("cac:Attachment/cac:ExternalReference/cbc:URI") else Fault(reference)


def patterns(pack: Pack) -> tuple[Pattern, ...]:
    """The two Greek patterns, with the document types of this release; nothing where it has no Greek rules."""
    types = pack.lists.get("Greek document types")
    if types is None:
        return ()
    sellers: Pattern = (
        Context(
            paths="/Invoice/cbc:ID | /CreditNote/cbc:ID",
            given=seller_greek,
            checks={
                "GR-R-001-1": six_parts,
                "GR-R-001-2": part(1, _is_seller),
                "GR-R-001-3": part(2, _is_issue_date),
                "GR-R-001-4": part(3, _is_branch),
                "GR-R-001-5": part(4, _is_type(types)),
                "GR-R-001-6": part(5, _is_there),
                "GR-R-001-7": part(6, _is_there),
            },
        ),
        Context(paths=SELLER, given=seller_greek, checks={"GR-R-002": party_name, "GR-S-011": one_greek_number}),
        Context(
            paths=f"{SELLER}/cac:PartyTaxScheme/cbc:CompanyID",
            given=seller_greek,
            when=is_vat_number,
            checks={"GR-R-003": greek_number},
        ),
        Context(
            paths="/Invoice | /CreditNote",
            given=in_greece,
            checks={
                "GR-R-004-1": references(_MARK, 1),
                "GR-S-008-1": references(_URL, 1),
                "GR-R-008-2": references(_URL, 0, 1),
            },
        ),
        Context(paths=f"{_ADDITIONAL}/cbc:ID", given=in_greece, when=is_mark, checks={"GR-R-004-2": mark_is_number}),
        Context(paths=_ADDITIONAL, given=seller_greek, when=is_url, checks={"GR-R-008-3": url_given}),
        Context(paths=BUYER, given=seller_greek, checks={"GR-R-005": party_name}),
        Context(paths=f"{SELLER}/cbc:EndpointID", given=own_seller_greek, checks={"GR-R-009": greek_address}),
    )
    buyers: Pattern = (
        Context(paths=BUYER, given=both_greek, checks={"GR-R-006": one_greek_number}),
        Context(paths=f"{BUYER}/cbc:EndpointID", given=both_greek, checks={"GR-R-010": greek_address}),
    )
    return sellers, buyers
