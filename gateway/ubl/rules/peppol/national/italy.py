"""Italy (IT-R): for sellers in Italy."""

from __future__ import annotations

from typing import Final

from gateway.ubl.rules.checks import exists
from gateway.ubl.rules.pack import Context, Fault, Pattern
from gateway.ubl.rules.peppol.identifiers import shaped
from gateway.ubl.rules.peppol.parties import SELLER, supplier_country
from gateway.ubl.rules.tree import Document, Node

_CODICE_FISCALE: Final = shaped(r"[A-Z0-9]{11,16}")


def applies(document: Document) -> bool:
    """The seller is in Italy."""
    return document.once(supplier_country) == "IT"


def other_registration(scheme: Node, document: Document) -> bool:
    """This is a registration for another tax than VAT."""
    return scheme.normal("cac:TaxScheme/cbc:ID") != "VAT"


def codice_fiscale(scheme: Node, document: Document) -> Fault | None:
    """IT-R-001: the tax registration has 11 to 16 capitals and digits."""
    value = scheme.normal("cbc:CompanyID")
    return None if _CODICE_FISCALE(value) else Fault(scheme, value)


PATTERN: Final[Pattern] = (
    Context(
        paths=f"{SELLER}/cac:PartyTaxScheme",
        given=applies,
        when=other_registration,
        checks={"IT-R-001": codice_fiscale},
    ),
    Context(
        paths=SELLER,
        given=applies,
        checks={
            "IT-R-002": exists("cac:PostalAddress/cbc:StreetName"),
            "IT-R-003": exists("cac:PostalAddress/cbc:CityName"),
            "IT-R-004": exists("cac:PostalAddress/cbc:PostalZone"),
        },
    ),
)
