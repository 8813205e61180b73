"""What machine-readable codes on invoices say: UsingQR, the EPC code, the Finnish bank barcode.

A code's error correction has checked its octets already; here it is checked whether it is a payment code at all and
what it says of the invoice. Pure; anything that is not such a code gives None. Sources: UsingQR specification (JSON),
EPC069-12 (lines from ``BCD``), Bank Bar Code Guide of Finance Finland (54 digits).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.scanning import checks

MOST: Final = 4_000
"""Characters; a QR code holds at most 4,296."""
_KINDS: Final = {1: "invoice", 2: "credit"}


def read(text: str) -> dict[str, str] | None:
    """The fields that a code gives, by the names of ``model/scan.py``; None when it is another code."""
    if len(text) > MOST:
        return None
    stripped = text.strip()
    if stripped.startswith("{"):
        return _using_qr(stripped)
    if stripped.startswith("BCD"):
        return _epc(stripped)
    if re.fullmatch(r"[45][0-9]{53}", stripped):
        return _bank_barcode(stripped)
    return None


def _using_qr(text: str) -> dict[str, str] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "uqr" not in value:
        return None
    table: Mapping[str, Any] = value
    fields: dict[str, str] = {}
    kind = table.get("tp")
    if isinstance(kind, int) and not isinstance(kind, bool) and kind in _KINDS:
        fields["kind"] = _KINDS[kind]
    country = _text(table, "cc", 2).upper() or "SE"
    if number := _organisation(country, _text(table, "cid", 20)):
        fields["supplier"] = number
    if name := _text(table, "nme", 100):
        fields["supplier_name"] = name
    if reference := _text(table, "iref", 60):
        fields["number"] = reference  # a payment reference of its own has no place in this code
    for key, name in (("idt", "issue_date"), ("ddt", "due_date")):
        if found := checks.day(_text(table, key, 10)):
            fields[name] = found.isoformat()
    total, vat = _amount(table.get("due")), _amount(table.get("vat"))
    if total is not None:
        if fields.get("kind") == "credit":
            total, vat = abs(total), None if vat is None else abs(vat)
        fields["total"] = f"{total:.2f}"
        if vat is not None:
            fields["vat"] = f"{vat:.2f}"
    fields["currency"] = _text(table, "cur", 3).upper() or {"NO": "NOK", "DK": "DKK", "FI": "EUR"}.get(country, "SEK")
    if account := _account(_text(table, "pt", 5).upper(), _text(table, "acc", 40)):
        fields["account"] = account
    return fields if "total" in fields else None


def _organisation(country: str, text: str) -> str | None:
    plain = text.upper()
    if country == "SE":
        number = checks.organisation(plain) or checks.swedish_vat(plain)
    else:
        known = {"NO": checks.norwegian, "FI": checks.finnish, "DK": checks.danish}.get(country)
        number = known(plain) if known else None
    return f"{country}{number}" if number else None


def _account(kind: str, text: str) -> str | None:
    if kind == "BG":
        number = checks.bankgiro(text)
    elif kind == "PG":
        number = checks.plusgiro(text)
    elif kind == "IBAN":
        number = checks.iban(text)
    else:
        return None
    return f"{kind}:{number}" if number else None


def _epc(text: str) -> dict[str, str] | None:
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) < 8 or lines[0] != "BCD" or lines[1] not in ("001", "002") or lines[3] != "SCT":
        return None
    lines += [""] * (12 - len(lines))
    account = checks.iban(lines[6])
    match = re.fullmatch(r"EUR([0-9]{1,9}(?:\.[0-9]{1,2})?)", lines[7])
    if account is None or match is None:
        return None
    fields = {"account": f"IBAN:{account}", "currency": "EUR", "total": f"{Decimal(match[1]):.2f}"}
    if lines[5]:
        fields["supplier_name"] = lines[5][:70]
    if reference := checks.rf_reference(lines[9]):
        fields["reference"] = reference
    return fields


def _bank_barcode(digits: str) -> dict[str, str] | None:
    """Version 4: account 16, euro 6, cent 2, 000, reference 20, due date 6; version 5: … RF reference 23, due date."""
    account = checks.iban(f"FI{digits[1:17]}")
    if account is None:
        return None
    fields = {"account": f"IBAN:{account}", "currency": "EUR"}
    total = Decimal(f"{digits[17:23]}.{digits[23:25]}")
    if total:
        fields["total"] = f"{total:.2f}"
    if digits[0] == "4":
        reference = checks.finnish_reference(digits[28:48])
    else:
        reference = checks.rf_reference(f"RF{digits[25:27]}{digits[27:48].lstrip('0')}")
    if reference:
        fields["reference"] = reference
    if digits[48:] != "000000":
        try:
            fields["due_date"] = date(2000 + int(digits[48:50]), int(digits[50:52]), int(digits[52:54])).isoformat()
        except ValueError:
            return None
    return fields


def _text(table: Mapping[str, Any], key: str, longest: int) -> str:
    value = table.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        return ""
    return value.strip()


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value).replace(",", "."))
    except InvalidOperation:
        return None
    if not found.is_finite() or abs(found) > checks.MOST or found != found.quantize(Decimal("0.01")):
        return None
    return found
