"""How a document wants to be paid, in rows for the readable page.

Source: Peppol BIS Billing 3.0 (BG-16 to BG-19), UNTDID 4461; Swedish giro accounts by SE:BANKGIRO and SE:PLUSGIRO
in the branch identifier (SE-R-007 to SE-R-010).
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree
from stdnum import luhn

from gateway.model.document import Facts
from gateway.ubl.names import find, find_all, text
from gateway.ubl.page_words import METHODS, WORDS, Language, pick

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_MAX: Final = 6


def payment_block(root: etree._Element, facts: Facts, language: Language) -> list[list[list[str]]]:
    """One list of (label, value) rows for each way to pay, at most six; what is equal is said once."""
    payee = text(root, "cac:PayeeParty/cac:PartyName/cbc:Name")
    blocks: list[list[list[str]]] = []
    for node in find_all(root, "cac:PaymentMeans")[:_MAX]:
        rows = _means(node, facts, language)
        if rows and rows not in blocks:
            blocks.append(rows)
    if payee:
        blocks.insert(0, [[pick(WORDS["payee"], language), payee[:200]]])
    return blocks


def _means(node: etree._Element, facts: Facts, language: Language) -> list[list[str]]:
    def word(key: str) -> str:
        return pick(WORDS[key], language)

    code = find(node, "cbc:PaymentMeansCode")
    method = METHODS.get(text(code))
    account = find(node, "cac:PayeeFinancialAccount")
    label, shown = _account(account, word("account"))
    branch = text(account, "cac:FinancialInstitutionBranch/cbc:ID")
    reference = text(node, "cbc:PaymentID")
    domestic = label in ("Bankgiro", "Plusgiro") or facts.seller.country == "SE"
    ocr = domestic and re.fullmatch(r"[0-9]{2,25}", reference) is not None and luhn.is_valid(reference)
    mandate = find(node, "cac:PaymentMandate")
    card = text(node, "cac:CardAccount/cbc:PrimaryAccountNumberID")
    rows = (
        (word("method"), pick(method, language) if method else ""),
        (label, shown),
        ("BIC", branch if not branch.upper().startswith("SE:") else ""),
        (word("account_name"), text(account, "cbc:Name")),
        (word("ocr" if ocr else "payment_id"), reference),
        (word("mandate"), text(mandate, "cbc:ID")),
        (word("debited"), _grouped(text(mandate, "cac:PayerFinancialAccount/cbc:ID"))),
        (word("card"), card),
    )
    return [[name, value[:140]] for name, value in rows if value]


def _account(account: etree._Element | None, plain: str) -> tuple[str, str]:
    """An account's label and its number as people write it."""
    number = text(account, "cbc:ID")
    branch = text(account, "cac:FinancialInstitutionBranch/cbc:ID").upper()
    digits = re.sub(r"[\s-]", "", number)
    if branch == "SE:BANKGIRO":
        known = re.fullmatch(r"([0-9]{3,4})([0-9]{4})", digits)
        return "Bankgiro", f"{known[1]}-{known[2]}" if known else number
    if branch in ("SE:PLUSGIRO", "SE:PLUSGIROT"):
        return "Plusgiro", _plusgiro(digits) if digits.isascii() and digits.isdigit() else number
    if _IBAN.fullmatch(digits.upper()):
        return "IBAN", _grouped(digits.upper())
    return plain, number


def _plusgiro(digits: str) -> str:
    """``123456-7`` in pairs from the right: 12 34 56-7."""
    body = digits[:-1]
    head = len(body) % 2
    pairs = [body[:head]] if head else []
    pairs += [body[start : start + 2] for start in range(head, len(body), 2)]
    return f"{' '.join(pairs)}-{digits[-1:]}"


def _grouped(number: str) -> str:
    """An IBAN in groups of four; anything else as it is."""
    bare = re.sub(r"\s", "", number)
    if not _IBAN.fullmatch(bare):
        return number
    return " ".join(bare[start : start + 4] for start in range(0, len(bare), 4))
