"""Whose national rules apply: the countries of seller and buyer, each as the artefacts find it.

A value that cannot be found raises :class:`Stopped`; in the condition of a context that means "does not apply", so a
seller with two VAT numbers falls under no rules of Norway, Italy or Greece.
"""

from __future__ import annotations

from gateway.ubl.rules.tree import Document, Node, Stopped, normal

SELLER = "cac:AccountingSupplierParty/cac:Party"
BUYER = "cac:AccountingCustomerParty/cac:Party"
COUNTRY = "cac:PostalAddress/cac:Country/cbc:IdentificationCode"


def vat_schemes(party: Node, path: str = "cac:PartyTaxScheme") -> list[Node]:
    """The tax registrations whose scheme is written exactly VAT."""
    return [one for one in party.all(path) if any(kind.text == "VAT" for kind in one.all("cac:TaxScheme/cbc:ID"))]


def tax_schemes(party: Node, kind: str) -> list[Node]:
    """The tax registrations of a scheme, blanks around it ignored."""
    return [one for one in party.all("cac:PartyTaxScheme") if one.normal("cac:TaxScheme/cbc:ID") == kind]


def supplier_country(document: Document) -> str:
    """The country of the seller: of its VAT number, else of its representative's, else of its address, else XX."""
    return _country(document, (f"{SELLER}/cac:PartyTaxScheme", "cac:TaxRepresentativeParty/cac:PartyTaxScheme"), SELLER)


def own_supplier_country(document: Document) -> str:
    """As :func:`supplier_country`, but a tax representative does not count."""
    return _country(document, (f"{SELLER}/cac:PartyTaxScheme",), SELLER)


def customer_country(document: Document) -> str:
    """The country of the buyer: of its VAT number, else of its address, else XX."""
    return _country(document, (f"{BUYER}/cac:PartyTaxScheme",), BUYER)


def _country(document: Document, registrations: tuple[str, ...], party: str) -> str:
    root = document.root
    for path in registrations:
        found = vat_schemes(root, path)
        prefixes = [one.string("cbc:CompanyID")[:2] for one in found]
        if len(prefixes) > 1:
            raise Stopped(found[1], "several", "cbc:CompanyID")
        if prefixes and prefixes[0]:
            return normal(prefixes[0]).upper()
    if root.has(f"{party}/{COUNTRY}"):
        return root.normal(f"{party}/{COUNTRY}").upper()
    return "XX"


def address_country(document: Document, party: str) -> str:
    """The country of a party's address, in capitals."""
    return document.root.normal(f"{party}/{COUNTRY}").upper()


def written_country(document: Document, party: str) -> str:
    """The country of a party's address, exactly as written."""
    return document.root.string(f"{party}/{COUNTRY}")


def both_german(document: Document) -> bool:
    """Seller and buyer are in Germany."""
    return _supplier_german(document) and address_country(document, BUYER) == "DE"


def _supplier_german(document: Document) -> bool:
    return address_country(document, SELLER) == "DE"


def scheme_ids(node: Node, path: str) -> str:
    """``normalize-space`` of the only ``schemeID`` at a path. Two raise :class:`Stopped`."""
    found = [one for one in node.all(path) if "schemeID" in one.attributes]
    if len(found) > 1:
        raise Stopped(found[1], "several", path)
    return normal(found[0].attributes["schemeID"]) if found else ""
