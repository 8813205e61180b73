"""Norway (NO-R): for sellers in Norway."""

from __future__ import annotations

import re
from typing import Final

from gateway.ubl.rules.pack import Context, Fault, Pattern
from gateway.ubl.rules.peppol.identifiers import mod11
from gateway.ubl.rules.peppol.parties import SELLER, supplier_country, tax_schemes
from gateway.ubl.rules.tree import Document, Node, Stopped, normal

_REGISTERED: Final = "Foretaksregisteret"
_NUMBER: Final = re.compile(r"[0-9]{9}MVA")


def applies(document: Document) -> bool:
    """The seller is in Norway."""
    return document.once(supplier_country) == "NO"


def registered(seller: Node, document: Document) -> Fault | None:
    """NO-R-002: most sellers must state that they stand in Foretaksregisteret."""
    found = [number for scheme in tax_schemes(seller, "TAX") for number in scheme.all("cbc:CompanyID")]
    if len(found) > 1:
        raise Stopped(found[1], "several", "cbc:CompanyID")
    if found and normal(found[0].text) == _REGISTERED:
        return None
    return Fault(found[0] if found else seller, found[0].text if found else "", {"expected": _REGISTERED})


def vat_number(seller: Node, document: Document) -> Fault | None:
    """NO-R-001: a Norwegian VAT number is NO, an organisation number with its check digit, and MVA."""
    schemes = tax_schemes(seller, "VAT")
    numbers = [scheme.string("cbc:CompanyID") for scheme in schemes]
    if not any(value[:2] == "NO" for value in numbers):
        return None
    if len(numbers) > 1:
        raise Stopped(schemes[1], "several", "cbc:CompanyID")
    if _NUMBER.fullmatch(numbers[0][2:]) and mod11(numbers[0][2:11]):
        return None
    return Fault(schemes[0].all("cbc:CompanyID")[0], numbers[0])


PATTERN: Final[Pattern] = (
    Context(paths=SELLER, given=applies, checks={"NO-R-002": registered, "NO-R-001": vat_number}),
)
