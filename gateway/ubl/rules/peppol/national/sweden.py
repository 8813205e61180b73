"""Sweden (SE-R): for sellers whose address is in Sweden."""

from __future__ import annotations

import math
from typing import Final

from gateway.ubl.rules.checks import never, says
from gateway.ubl.rules.numbers import number
from gateway.ubl.rules.pack import Check, Condition, Context, Fault, Pattern
from gateway.ubl.rules.peppol.identifiers import identifier, organisationsnummer
from gateway.ubl.rules.peppol.parties import BUYER, COUNTRY, SELLER, vat_schemes
from gateway.ubl.rules.tree import Document, Node, Stopped, normal

RATES: Final = (25, 12, 6)
_F_TAX: Final = "GODKÄND FÖR F-SKATT"
_LEGAL: Final = "cac:PartyLegalEntity/cbc:CompanyID"


def _parties(document: Document, party: str) -> list[Node]:
    above, _, _ = party.partition("/")
    return [node for one in document.anywhere(above) for node in one.all("cac:Party")]


def _swedish(party: Node) -> bool:
    return says(party, COUNTRY, "SE")


def _swedish_vat(party: Node) -> bool:
    """In Sweden, with a Swedish VAT number."""
    return _swedish(party) and any([one.string("cbc:CompanyID")[:2] == "SE" for one in vat_schemes(party)])  # noqa: C419


def seller_swedish(document: Document) -> bool:
    """A seller's address is in Sweden."""
    return any(_swedish(party) for party in _parties(document, SELLER))


def seller_is_swedish(document: Document) -> bool:
    """The same as a fact."""
    return document.once(seller_swedish)


def buyer_swedish(document: Document) -> bool:
    """A buyer's address is in Sweden."""
    return any(_swedish(party) for party in _parties(document, BUYER))


def both_swedish(document: Document) -> bool:
    """A seller's and a buyer's address are in Sweden."""
    return document.once(seller_swedish) and buyer_swedish(document)


def seller_swedish_vat(document: Document) -> bool:
    """A seller in Sweden has a Swedish VAT number."""
    return document.once(seller_swedish) and any(_swedish_vat(party) for party in _parties(document, SELLER))


def has_swedish_vat(party: Node, document: Document) -> bool:
    """For SE-R-001 and SE-R-002."""
    return _swedish_vat(party)


def has_legal_identifier(entity: Node, document: Document) -> bool:
    """For SE-R-003, 004 and 013: a legal identifier of a seller in Sweden."""
    return entity.parent is not None and _swedish(entity.parent) and entity.has("cbc:CompanyID")


def is_other_registration(registration: Node, document: Document) -> bool:
    """For SE-R-005: the registration for another tax of a seller in Sweden who has a legal identifier."""
    scheme = registration.parent
    seller = scheme.parent if scheme is not None else None
    if scheme is None or seller is None or not (_swedish(seller) and seller.has(_LEGAL)):
        return False
    return normal(scheme.string("cac:TaxScheme/cbc:ID").upper()) != "VAT"


def is_standard_rate(category: Node, document: Document) -> bool:
    """For SE-R-006: a standard rate."""
    return says(category, "cbc:ID", "S")


def giro(branch: str) -> Condition:
    """For SE-R-007 to 010: the account of a credit transfer by this giro."""

    def when(account: Node, document: Document) -> bool:
        means = account.parent.parent if account.parent is not None else None
        if means is None or means.normal("cbc:PaymentMeansCode") != "30":
            return False
        return means.normal("cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID") == branch

    return when


def _vat_number(seller: Node) -> Node | None:
    numbers = [number for scheme in vat_schemes(seller) for number in scheme.all("cbc:CompanyID")]
    if len(numbers) > 1:
        raise Stopped(numbers[1], "several", "cbc:CompanyID")
    return numbers[0] if numbers else None


def vat_length(seller: Node, document: Document) -> Fault | None:
    """SE-R-001: a Swedish VAT number has 14 signs."""
    found = _vat_number(seller)
    return Fault(found, found.text) if found is not None and len(normal(found.text)) != 14 else None


def vat_digits(seller: Node, document: Document) -> Fault | None:
    """SE-R-002: after SE a Swedish VAT number has digits only."""
    found = _vat_number(seller)
    return Fault(found, found.text) if found is not None and math.isnan(number(found.text[2:14])) else None


def legal_digits(entity: Node, document: Document) -> Fault | None:
    """SE-R-003: an organisation number has digits only."""
    value = entity.string("cbc:CompanyID")
    return Fault(entity.all("cbc:CompanyID")[0], value) if math.isnan(number(value)) else None


def legal_length(entity: Node, document: Document) -> Fault | None:
    """SE-R-004: an organisation number has ten digits."""
    value = entity.normal("cbc:CompanyID")
    return Fault(entity.all("cbc:CompanyID")[0], value) if len(value) != 10 else None


def legal_check_digit(entity: Node, document: Document) -> Fault | None:
    """SE-R-013: the last digit of an organisation number is its check digit."""
    found = entity.one("cbc:CompanyID")
    return identifier(organisationsnummer)(found, document) if found is not None else None


def f_tax(registration: Node, document: Document) -> Fault | None:
    """SE-R-005: the other tax registration says “Godkänd för F-skatt”."""
    return None if normal(registration.text.upper()) == _F_TAX else Fault(registration, registration.text)


def swedish_rate(category: Node, document: Document) -> Fault | None:
    """SE-R-006: the standard rates are 25, 12 and 6 percent."""
    value = category.string("cbc:Percent")
    if number(value) in RATES:
        return None
    return Fault(category.all("cbc:Percent")[0] if category.has("cbc:Percent") else category, value)


def account_digits(account: Node, document: Document) -> Fault | None:
    """SE-R-007, SE-R-008: a giro number has digits only."""
    return Fault(account, account.text) if math.isnan(number(normal(account.text))) else None


def account_length(fewest: int, most: int) -> Check:
    """SE-R-009, SE-R-010: a giro number has so many digits."""

    def check(account: Node, document: Document) -> Fault | None:
        if fewest <= len(normal(account.text)) <= most:
            return None
        return Fault(account, account.text, {"fewest": fewest, "most": most})

    return check


def old_giro(means: Node, document: Document) -> bool:
    """For SE-R-011: payment means 50 and 56."""
    return says(means, "cbc:PaymentMeansCode", "50", "56")


def domestic_debit_transfer(means: Node, document: Document) -> bool:
    """For SE-R-012: payment means 31."""
    return says(means, "cbc:PaymentMeansCode", "31")


_ACCOUNT: Final = "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID"
PATTERN: Final[Pattern] = (
    Context(
        paths=SELLER,
        given=seller_is_swedish,
        when=has_swedish_vat,
        checks={"SE-R-001": vat_length, "SE-R-002": vat_digits},
    ),
    Context(
        paths=f"{SELLER}/cac:PartyLegalEntity",
        given=seller_is_swedish,
        when=has_legal_identifier,
        checks={"SE-R-003": legal_digits, "SE-R-004": legal_length, "SE-R-013": legal_check_digit},
    ),
    Context(
        paths=f"{SELLER}/cac:PartyTaxScheme/cbc:CompanyID",
        given=seller_is_swedish,
        when=is_other_registration,
        checks={"SE-R-005": f_tax},
    ),
    Context(
        paths="cac:TaxCategory | cac:ClassifiedTaxCategory",
        given=seller_swedish_vat,
        when=is_standard_rate,
        checks={"SE-R-006": swedish_rate},
    ),
    Context(
        paths=_ACCOUNT,
        given=seller_is_swedish,
        when=giro("SE:PLUSGIRO"),
        checks={"SE-R-007": account_digits, "SE-R-010": account_length(2, 8)},
    ),
    Context(
        paths=_ACCOUNT,
        given=seller_is_swedish,
        when=giro("SE:BANKGIRO"),
        checks={"SE-R-008": account_digits, "SE-R-009": account_length(7, 8)},
    ),
    Context(paths="cac:PaymentMeans", given=seller_is_swedish, when=old_giro, checks={"SE-R-011": never()}),
    Context(paths="cac:PaymentMeans", given=both_swedish, when=domestic_debit_transfer, checks={"SE-R-012": never()}),
)
