"""An invoice or credit note before it is written: what a business system says, and the sums that follow from it.

Sums are never asked for and always computed, so that they agree: of a line, of each VAT rate, of the whole. Amounts are
decimals of two places, rounded half away from zero. Source: EN 16931-1 (business terms BT and rules BR-CO-10 to -17).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cached_property
from typing import Final, Literal

from gateway.model.document import PostalAddress
from gateway.model.identifiers import ParticipantId

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal("0.00")
VAT_CATEGORIES: Final = ("S", "Z", "E", "AE", "K", "G", "O", "L", "M")
"""UNCL 5305 as EN 16931 takes it; only S, L and M have a rate above zero, O has none at all."""
RATED: Final = ("S", "L", "M")


MOST: Final = Decimal(10) ** 15
"""No amount of a bill reaches it."""
_EXACT: Final = Context(prec=100)
"""What is multiplied is rounded once, to cents: two numbers of 23 digits have 46."""


def cents(value: Decimal) -> Decimal:
    """Rounded to two places, half away from zero."""
    return value.quantize(CENT, ROUND_HALF_UP, _EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vat:
    """VAT of a line, an allowance or a charge (BG-30)."""

    category: str = "S"
    rate: Decimal | None = None
    """Per cent; None for category O."""
    reason: str = ""
    reason_code: str = ""
    """Why there is none (BT-120, BT-121): a text, and a code such as ``VATEX-EU-AE``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """An allowance, or a charge: an amount without VAT, and why (BG-20, BG-21, BG-27, BG-28)."""

    charge: bool
    amount: Decimal
    reason: str
    reason_code: str = ""
    vat: Vat | None = None
    """On a document, None on a line, which has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was delivered (BG-25)."""

    id: str
    name: str
    quantity: Decimal
    unit: str
    """UN/ECE recommendation 20, such as ``C62`` (one) or ``HUR`` (hour)."""
    price: Decimal
    """Net price of ``price_quantity`` units (BT-146)."""
    price_quantity: Decimal = Decimal(1)
    vat: Vat
    description: str = ""
    note: str = ""
    sellers_id: str = ""
    buyers_id: str = ""
    standard_id: tuple[str, str] | None = None
    """Scheme and value, such as ``("0160", GTIN)``."""
    order_line: str = ""
    cost_centre: str = ""
    period: tuple[date | None, date | None] | None = None
    adjustments: tuple[Adjustment, ...] = ()

    @property
    def net(self) -> Decimal:
        """The line's amount without VAT (BT-131)."""
        whole = _EXACT.divide(_EXACT.multiply(self.quantity, self.price), self.price_quantity)
        return _EXACT.add(cents(whole), _added(self.adjustments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """Seller, or buyer (BG-4, BG-7)."""

    name: str
    """The legal name (BT-27, BT-44)."""
    participant: ParticipantId | None = None
    trading_name: str = ""
    legal_id: str = ""
    legal_id_scheme: str = ""
    legal_form: str = ""
    vat_number: str = ""
    tax_number: str = ""
    """Tax registration other than VAT; in Sweden the words ``Godkänd för F-skatt``."""
    identifiers: tuple[tuple[str, str], ...] = ()
    address: PostalAddress
    contact: str = ""
    telephone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to pay (BG-17)."""

    number: str
    bank: str = ""
    """A BIC, or ``SE:BANKGIRO``, ``SE:PLUSGIRO``."""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with it (BG-24), or a link to one."""

    id: str
    description: str = ""
    file_name: str = ""
    media_type: str = ""
    octets: bytes = b""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxSum:
    """What one rate comes to (BG-23)."""

    vat: Vat
    taxable: Decimal
    tax: Decimal


@dataclass(frozen=True, kw_only=True)
class Bill:
    """The whole. ``kind`` says which of the two documents it becomes."""

    kind: Literal["invoice", "credit_note"] = "invoice"
    number: str
    issue_date: date
    due_date: date | None = None
    tax_point: date | None = None
    currency: str
    note: str = ""
    buyer_reference: str = ""
    order_reference: str = ""
    sales_order: str = ""
    contract_reference: str = ""
    project_reference: str = ""
    cost_centre: str = ""
    preceding: tuple[tuple[str, date | None], ...] = ()
    """Numbers and dates of invoices that it is about (BG-3)."""
    period: tuple[date | None, date | None] | None = None
    seller: Trader
    buyer: Trader
    delivered: date | None = None
    delivery_address: PostalAddress | None = None
    payment_means: str = "30"
    """UNCL 4461; 30 is a credit transfer."""
    payment_reference: str = ""
    payment_terms: str = ""
    accounts: tuple[Account, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    prepaid: Decimal = ZERO
    rounding: Decimal = ZERO
    lines: tuple[Line, ...]
    attachments: tuple[Attachment, ...] = field(default=())

    @cached_property
    def line_total(self) -> Decimal:
        """Sum of the lines (BT-106)."""
        return sum((line.net for line in self.lines), ZERO)

    @cached_property
    def allowances(self) -> Decimal:
        """Sum of the allowances of the document (BT-107)."""
        return sum((one.amount for one in self.adjustments if not one.charge), ZERO)

    @cached_property
    def charges(self) -> Decimal:
        """Sum of the charges of the document (BT-108)."""
        return sum((one.amount for one in self.adjustments if one.charge), ZERO)

    @cached_property
    def net(self) -> Decimal:
        """Total without VAT (BT-109)."""
        return self.line_total - self.allowances + self.charges

    @cached_property
    def taxes(self) -> tuple[TaxSum, ...]:
        """What each category and rate comes to, in the order in which they were met (BG-23)."""
        sums: dict[tuple[str, Decimal | None], Decimal] = {}
        first: dict[tuple[str, Decimal | None], Vat] = {}
        for vat, amount in self._taxed():
            key = (vat.category, vat.rate)
            sums[key] = sums.get(key, ZERO) + amount
            known = first.setdefault(key, vat)
            if not (known.reason or known.reason_code):
                first[key] = vat
        return tuple(
            TaxSum(vat=first[key], taxable=taxable, tax=cents(_EXACT.multiply(taxable, (key[1] or ZERO) / 100)))
            for key, taxable in sums.items()
        )

    @cached_property
    def tax(self) -> Decimal:
        """VAT in all (BT-110)."""
        return sum((one.tax for one in self.taxes), ZERO)

    @cached_property
    def gross(self) -> Decimal:
        """Total with VAT (BT-112)."""
        return self.net + self.tax

    @cached_property
    def payable(self) -> Decimal:
        """What is to be paid (BT-115)."""
        return self.gross - self.prepaid + self.rounding

    def _taxed(self) -> Iterable[tuple[Vat, Decimal]]:
        for line in self.lines:
            yield line.vat, line.net
        for one in self.adjustments:
            if one.vat is not None:
                yield one.vat, one.amount if one.charge else -one.amount


def _added(adjustments: Iterable[Adjustment]) -> Decimal:
    return sum((one.amount if one.charge else -one.amount for one in adjustments), ZERO)
