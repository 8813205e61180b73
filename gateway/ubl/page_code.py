"""The code that a banking app reads from the page: UsingQR for Swedish giro accounts, EPC069-12 for euro transfers.

Only where somebody is to pay and the receiving side is certain: an invoice with an amount above zero and exactly one
account. Sources: UsingQR 1 (usingqr.se); EPC069-12, version 002, character set UTF-8.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

from lxml import etree
from stdnum import iban

from gateway.model.document import Facts
from gateway.ubl.names import find, find_all, text

SIDE: Final = 35
"""Millimetres of a side: smaller ones are not read reliably from paper that was folded."""
_MOST: Final = 331
"""Octets of an EPC code."""
_DARK: Final = re.compile(rb"\0+")
_TRANSFERS: Final = frozenset({"30", "31", "42", "50", "56", "57", "58", "ZZZ", "1", ""})


def payment_code(root: etree._Element, facts: Facts) -> str:
    """The code as SVG; empty text where it belongs to no such page, or the extra ``pdf`` is not installed."""
    words = payment_words(root, facts)
    return _drawn(words) if words else ""


@lru_cache(maxsize=256)
def _drawn(words: str) -> str:
    """Drawn once for mail, letter and API."""
    return draw_code(words)


def draw_code(words: str) -> str:
    """A QR code as SVG, in runs of dark modules; the page adds the white around it. Empty text without zxing-cpp."""
    try:
        import zxingcpp
    except ImportError:
        return ""
    # UTF-8 without an ECI, which old banking apps do not know; "M" still reads with 15 % of the code spoilt.
    code = zxingcpp.create_barcode(words, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    image: Any = code.to_image(scale=1, add_quiet_zones=False)  # (it is a buffer, which its stubs do not say)
    height, width = image.shape
    octets, runs = bytes(image), list[str]()
    for y in range(height):
        for run in _DARK.finditer(octets, y * width, (y + 1) * width):
            runs.append(f"M{run.start() - y * width} {y}h{len(run[0])}v1h-{len(run[0])}z")
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><path d="{"".join(runs)}"/></svg>'


def payment_words(root: etree._Element, facts: Facts) -> str:
    """What the code says; empty where there is none."""
    if facts.kind != "Invoice" or facts.self_billed or facts.amount is None or facts.amount <= 0:
        return ""
    ways = {way for way in map(_way, find_all(root, "cac:PaymentMeans")) if way is not None}
    if len(ways) != 1:
        return ""
    kind, account, bic, reference = ways.pop()
    payee = text(root, "cac:PayeeParty/cac:PartyName/cbc:Name")
    name = (payee or facts.seller.shown_name)[:70]
    if kind in ("BG", "PG"):
        return _using_qr(facts, kind, account, reference, name) if facts.currency == "SEK" else ""
    if facts.currency == "EUR" and kind == "IBAN" and facts.amount < 1_000_000_000:
        lines = ("BCD", "002", "1", "SCT", bic, name, account, f"EUR{facts.amount:.2f}", "", "", reference[:140])
        words = "\n".join(lines if reference else lines[:8])
        return words if len(words.encode()) <= _MOST else ""
    if facts.currency == "SEK" and kind == "IBAN":
        return _using_qr(facts, kind, account, reference, name, bic)
    return ""


def _using_qr(facts: Facts, kind: str, account: str, reference: str, name: str, bic: str = "") -> str:
    words = {
        "uqr": 1,
        "tp": 1,
        "nme": name,
        "cid": facts.seller.legal_id[:20],
        "iref": (reference or facts.number)[:40],
        "idt": f"{facts.issue_date:%Y%m%d}" if facts.issue_date else "",
        "ddt": f"{facts.due_date:%Y%m%d}" if facts.due_date else "",
        "due": float(facts.amount or 0),
        "cur": facts.currency,
        "pt": kind,
        "acc": account,
        "bc": bic,
    }
    return json.dumps({key: value for key, value in words.items() if value != ""}, ensure_ascii=False)


def _way(means: etree._Element) -> tuple[str, str, str, str] | None:
    """One way to pay: kind, account, BIC, reference; None for what no code can carry."""
    account = find(means, "cac:PayeeFinancialAccount")
    number = re.sub(r"[\s-]", "", text(account, "cbc:ID")).upper()
    branch = text(account, "cac:FinancialInstitutionBranch/cbc:ID").upper()
    reference = " ".join(text(means, "cbc:PaymentID").split())
    if text(means, "cbc:PaymentMeansCode") not in _TRANSFERS or not number:
        return None
    if branch == "SE:BANKGIRO" and re.fullmatch(r"[0-9]{7,8}", number):
        return "BG", f"{number[:-4]}-{number[-4:]}", "", reference
    if branch in ("SE:PLUSGIRO", "SE:PLUSGIROT") and re.fullmatch(r"[0-9]{2,8}", number):
        return "PG", f"{number[:-1]}-{number[-1]}", "", reference
    if iban.is_valid(number):
        return "IBAN", number, branch if re.fullmatch(r"[A-Z0-9]{8}([A-Z0-9]{3})?", branch) else "", reference
    return "other", number, branch, reference
