"""How an invoice wants to be paid, for the text of a mail. Source: BIS Billing 3.0, BG-16 and BG-17, SE rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.security.safexml import UnsafeXml, parse

_COMMON: Final = {
    "a": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "b": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
_MOST: Final = 4
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_DIRECT_DEBIT: Final = frozenset({"49", "59"})
_PAID_BY_CARD: Final = frozenset({"48", "54", "55"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One way to pay."""

    kind: str
    """``bankgiro``, ``plusgiro``, ``iban``, ``account``, ``direct-debit`` or ``card``."""
    account: str = ""
    """As people write it: ``5050-1055``, ``SE35 5000 …``; empty for direct debit and card."""
    bic: str = ""
    reference: str = ""


def read_payments(document: bytes) -> tuple[Payment, ...]:
    """The ways to pay that a UBL document names, at most four; none when it names none."""
    try:
        root = parse(document, huge=True)
    except UnsafeXml:
        return ()
    found: dict[Payment, None] = {}
    for means in root.iterfind("a:PaymentMeans", _COMMON):
        payment = _read(means)
        if payment:
            found[payment] = None
        if len(found) == _MOST:
            break
    return tuple(found)


def _read(means: etree._Element) -> Payment | None:
    def text(path: str) -> str:
        value = " ".join((means.findtext(path, "", _COMMON) or "").split())
        return "".join(c for c in value if c.isprintable())[:60]

    code, reference = text("b:PaymentMeansCode"), text("b:PaymentID")
    if code in _DIRECT_DEBIT:
        return Payment(kind="direct-debit", reference=reference)
    if code in _PAID_BY_CARD:
        return Payment(kind="card")
    account = text("a:PayeeFinancialAccount/b:ID")
    branch = text("a:PayeeFinancialAccount/a:FinancialInstitutionBranch/b:ID").upper()
    if not account:
        return None
    bare = re.sub(r"[\s-]", "", account)
    if branch == "SE:BANKGIRO" and re.fullmatch(r"[0-9]{7,8}", bare):
        return Payment(kind="bankgiro", account=f"{bare[:-4]}-{bare[-4:]}", reference=reference)
    if branch == "SE:PLUSGIRO" and re.fullmatch(r"[0-9]{2,8}", bare):
        return Payment(kind="plusgiro", account=f"{bare[:-1]}-{bare[-1]}", reference=reference)
    if _IBAN.fullmatch(bare.upper()):
        groups = re.findall(".{1,4}", bare.upper())
        return Payment(kind="iban", account=" ".join(groups), bic=branch, reference=reference)
    return Payment(kind="account", account=account, bic=branch, reference=reference)
