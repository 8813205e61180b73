"""The JSON invoice model as a schema; ``gateway/ubl/bill_json.py`` reads it, docs/json-invoice.md explains it."""

from __future__ import annotations

from typing import Final

from gateway.model.bill import VAT_CATEGORIES
from gateway.ubl.bill_json import MEDIA, MOST_EACH, MOST_LINES, MOST_PARTS, UNIT
from gateway.web.openapi.shapes import TEXT, Schema, asked, either, many, word

_DAY: Final[Schema] = {"type": "string", "format": "date"}
_AMOUNT: Final[Schema] = {
    "type": ["string", "number"],
    "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,8})?$",
    "description": "1250.5 or “1250.50”",
}


def _few(item: Schema, most: int) -> Schema:
    return {**many(item), "maxItems": most}


_NUMBERED: Final = asked("value", scheme={**TEXT, "pattern": "^[0-9]{4}$"}, value=TEXT)
_PERIOD: Final = asked(**{"from": _DAY}, to=_DAY)
_VAT: Final = asked(category=word(VAT_CATEGORIES), rate=_AMOUNT, reason=TEXT, reason_code=TEXT)
_ADDRESS: Final = asked(
    "country",
    name=TEXT,
    street=TEXT,
    additional=TEXT,
    extra_line=TEXT,
    postal_code=TEXT,
    city=TEXT,
    region=TEXT,
    country={**TEXT, "pattern": "^[A-Z]{2}$"},
)
_TRADER: Final = asked(
    "name",
    "address",
    participant=TEXT,
    name=TEXT,
    trading_name=TEXT,
    legal_id=_NUMBERED,
    legal_form=TEXT,
    vat_number=TEXT,
    tax_number=TEXT,
    identifiers=_few(_NUMBERED, MOST_PARTS),
    address=_ADDRESS,
    contact=asked(name=TEXT, telephone=TEXT, email=TEXT),
)


def _adjustment(**more: Schema) -> Schema:
    kind = word(("allowance", "charge"))
    return asked("amount", "reason", *more, kind=kind, amount=_AMOUNT, reason=TEXT, reason_code=TEXT, **more)


_LINE: Final = asked(
    "name",
    "price",
    "vat",
    id=TEXT,
    name=TEXT,
    quantity=_AMOUNT,
    unit={**TEXT, "pattern": f"^{UNIT.pattern}$"},
    price=_AMOUNT,
    price_quantity=_AMOUNT,
    vat=_VAT,
    description=TEXT,
    note=TEXT,
    sellers_id=TEXT,
    buyers_id=TEXT,
    standard_id=_NUMBERED,
    order_line=TEXT,
    cost_centre=TEXT,
    period=_PERIOD,
    adjustments=_few(_adjustment(), MOST_EACH),
)

_FILE: Final = asked(
    "content", "file_name", id=TEXT, description=TEXT, file_name=TEXT, media_type=word(MEDIA), content=TEXT
)
_LINK: Final = asked("link", id=TEXT, description=TEXT, link={**TEXT, "pattern": "^https?://"})
BILL: Final = asked(
    "number",
    "issue_date",
    "currency",
    "seller",
    "buyer",
    "lines",
    type=word(("invoice", "credit_note")),
    number=TEXT,
    issue_date=_DAY,
    due_date=_DAY,
    tax_point_date=_DAY,
    currency={**TEXT, "pattern": "^[A-Z]{3}$"},
    note=TEXT,
    buyer_reference=TEXT,
    order=asked(number=TEXT, sales_number=TEXT),
    contract_reference=TEXT,
    project_reference=TEXT,
    cost_centre=TEXT,
    preceding=_few(asked("number", number=TEXT, date=_DAY), MOST_EACH),
    period=_PERIOD,
    seller=_TRADER,
    buyer=_TRADER,
    delivery=asked(date=_DAY, address=_ADDRESS),
    payment=asked(
        means=TEXT,
        reference=TEXT,
        terms=TEXT,
        accounts=_few(asked("number", number=TEXT, bank=TEXT, name=TEXT), MOST_PARTS),
    ),
    lines={**many(_LINE), "minItems": 1, "maxItems": MOST_LINES},
    adjustments=_few(_adjustment(vat=_VAT), MOST_EACH),
    prepaid=_AMOUNT,
    rounding=_AMOUNT,
    attachments=_few(either(_FILE, _LINK), MOST_EACH),
    payable=_AMOUNT,
)
