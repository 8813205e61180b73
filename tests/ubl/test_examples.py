"""Our own sample invoices are consistent: sums, VAT, check digits."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from lxml import etree
from stdnum import luhn

from gateway.security import safexml
from gateway.ubl import invoice
from gateway.ubl.names import find_all, text
from tests.ubl.ubl_parts import example

NAMES = ("network", "email", "letter", "export")


def _amount(node: etree._Element, path: str) -> Decimal:
    return Decimal(text(node, path) or "0")


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _adjusted(node: etree._Element) -> Decimal:
    signs = {"true": 1, "false": -1}
    return sum(
        (
            signs[text(part, "cbc:ChargeIndicator")] * _amount(part, "cbc:Amount")
            for part in find_all(node, "cac:AllowanceCharge")
        ),
        Decimal(0),
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_amounts_add_up(name: str) -> None:
    root = safexml.parse(example(name))
    lines = find_all(root, "cac:InvoiceLine")
    for line in lines:
        value = _cents(_amount(line, "cbc:InvoicedQuantity") * _amount(line, "cac:Price/cbc:PriceAmount")) + _adjusted(
            line
        )
        assert value == _amount(line, "cbc:LineExtensionAmount")
    total = "cac:LegalMonetaryTotal/cbc:"
    net = sum((_amount(line, "cbc:LineExtensionAmount") for line in lines), Decimal(0))
    assert net == _amount(root, total + "LineExtensionAmount")
    net += _adjusted(root)
    assert net == _amount(root, total + "TaxExclusiveAmount")
    parts = find_all(root, "cac:TaxTotal/cac:TaxSubtotal")
    for part in parts:
        rate = _amount(part, "cac:TaxCategory/cbc:Percent")
        assert _cents(_amount(part, "cbc:TaxableAmount") * rate / 100) == _amount(part, "cbc:TaxAmount")
    assert sum((_amount(part, "cbc:TaxableAmount") for part in parts), Decimal(0)) == net
    tax = sum((_amount(part, "cbc:TaxAmount") for part in parts), Decimal(0))
    assert tax == _amount(root, "cac:TaxTotal/cbc:TaxAmount")
    assert net + tax == _amount(root, total + "TaxInclusiveAmount")
    assert net + tax + _amount(root, total + "PayableRoundingAmount") == _amount(root, total + "PayableAmount")


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_have_right_check_digits(name: str) -> None:
    root = safexml.parse(example(name))
    facts = invoice.read(example(name))
    for company in (facts.seller, facts.buyer):
        if company.legal_id_scheme == "0007":
            assert luhn.is_valid(company.legal_id)
            assert company.vat_id == f"SE{company.legal_id}01"
    for means in find_all(root, "cac:PaymentMeans"):
        if text(means, "cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID") == "SE:BANKGIRO":
            assert luhn.is_valid(text(means, "cac:PayeeFinancialAccount/cbc:ID"))
            assert luhn.is_valid(text(means, "cbc:PaymentID"))


def test_each_example_needs_its_own_way() -> None:
    network, email, letter = (invoice.read(example(name)).buyer for name in ("network", "email", "letter"))
    assert network.endpoint is not None and not network.email
    assert email.email and email.legal_id
    assert letter.endpoint is None and not letter.email and letter.legal_id and letter.address.deliverable
