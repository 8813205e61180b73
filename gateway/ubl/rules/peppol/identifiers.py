"""Formats and check digits of identifiers (PEPPOL-COMMON-R040 to R057), as the Peppol artefacts compute them.

Some of these are laxer than the schemes' owners: a GLN of any length passes when its check digit fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from gateway.ubl.rules.numbers import number
from gateway.ubl.rules.pack import Check, Fault
from gateway.ubl.rules.tree import Document, Node, Stopped, normal

_DIGITS: Final = re.compile(r"[0-9]+")
_INTEGER: Final = re.compile(r"[ \t\r\n]*[+-]?[0-9]+[ \t\r\n]*")
_LETTERS: Final = re.compile(r"[A-Za-z]*")
_ABN_WEIGHTS: Final = (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)


def gln(value: str) -> bool:
    """The last digit is the check digit with weights 3 and 1 (GS1)."""
    if not _DIGITS.fullmatch(value):
        return False
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(value[:-1])))
    return (10 - total % 10) % 10 == int(value[-1])


def mod11(value: str) -> bool:
    """The last digit is the check digit with weights 2 to 7 (Norwegian organisation numbers)."""
    if not _DIGITS.fullmatch(value) or int(value) == 0:
        return False
    total = sum(int(digit) * (place % 6 + 2) for place, digit in enumerate(reversed(value[:-1])))
    return (11 - total % 11) % 11 == int(value[-1])


def norwegian(value: str) -> bool:
    """PEPPOL-COMMON-R041."""
    return bool(re.fullmatch(r"[0-9]{9}", value)) and mod11(value)


def danish_cvr(value: str) -> bool:
    """PEPPOL-COMMON-R042: eight digits, with or without DK before them."""
    return danish_vat(value) or bool(re.fullmatch(r"[0-9]{8}", value))


def danish_p_number(value: str) -> bool:
    """PEPPOL-COMMON-R052: ten digits."""
    return bool(re.fullmatch(r"[0-9]{10}", value))


def danish_vat(value: str) -> bool:
    """PEPPOL-COMMON-R053: DK and eight digits."""
    return bool(re.fullmatch(r"DK[0-9]{8}", value))


def belgian(value: str) -> bool:
    """PEPPOL-COMMON-R043: ten digits, the last two are 97 minus the rest modulo 97."""
    return bool(re.fullmatch(r"[0-9]{10}", value)) and int(value[8:]) == 97 - int(value[:8]) % 97


def codice_ipa(value: str) -> bool:
    """PEPPOL-COMMON-R044: six letters or digits."""
    return bool(re.fullmatch(r"[A-Za-z0-9]{6}", value))


def codice_fiscale(value: str) -> bool:
    """PEPPOL-COMMON-R045, R046: eleven digits, or sixteen signs of which nine have a fixed kind."""
    if len(value) == 11:
        return bool(_INTEGER.fullmatch(value))
    if len(value) != 16:
        return False
    letters = all(_LETTERS.fullmatch(part) for part in (value[:6], value[8], value[15]))
    return letters and all(_INTEGER.fullmatch(part) for part in (value[6:8], value[9:11], value[14]))


def partita_iva(value: str) -> bool:
    """PEPPOL-COMMON-R047: after IT eleven digits with a Luhn check digit; other countries pass."""
    if value[:2] not in ("IT", "it"):
        return True
    digits = value[2:]
    if len(digits) != 11 or not _INTEGER.fullmatch(digits):
        return False
    if not digits.isdigit():
        raise ValueError(value)  # a sign or blank: the artefact asks for the number of it
    return luhn_sum(digits) % 10 == 0


def luhn_sum(digits: str) -> int:
    """The digits added up, every second one doubled and its own digits added."""
    return sum(map(int, digits[::2])) + sum(map(int, digits[1::2].translate(_DOUBLED)))


_DOUBLED: Final = str.maketrans("0123456789", "0246813579")


def swedish(value: str) -> bool:
    """PEPPOL-COMMON-R049: an organisation number, ten digits with a Luhn check digit."""
    return len(value) == 10 and number(value) == number(value) and organisationsnummer(value)


def organisationsnummer(value: str) -> bool:
    """The tenth digit is the Luhn check digit of the nine before it; what follows is not looked at."""
    if not value.isdecimal():
        return False
    if not value.isascii():
        raise ValueError(value)  # digits of another script: the artefact finds no number in them
    return len(value) >= 10 and (10 - luhn_sum("0" + value[:9]) % 10) % 10 == int(value[9])


def australian(value: str) -> bool:
    """PEPPOL-COMMON-R050: an ABN, eleven digits whose weighted sum is divisible by 89."""
    if not re.fullmatch(r"[0-9]{11}", value):
        return False
    digits = [int(digit) for digit in value]
    digits[0] -= 1
    return sum(digit * weight for digit, weight in zip(digits, _ABN_WEIGHTS, strict=True)) % 89 == 0


def greek_tin(value: str) -> bool:
    """The ninth digit of a Greek tax number (ΑΦΜ) fits the eight before it; what follows is not looked at."""
    if not re.match(r"[0-9]{9}", value):
        return False
    total = sum(int(digit) << (8 - place) for place, digit in enumerate(value[:8]))
    return total % 11 % 10 == int(value[8])


def shaped(pattern: str) -> Callable[[str], bool]:
    """The value has this form."""
    form = re.compile(pattern)
    return lambda value: bool(form.fullmatch(value))


def identifier(valid: Callable[[str], bool], *, as_written: bool = False) -> Check:
    """The element's text, trimmed unless ``as_written``, is a valid identifier."""

    def check(node: Node, document: Document) -> Fault | None:
        value = node.text if as_written else normal(node.text)
        try:
            return None if valid(value) else Fault(node, node.text, {"scheme": node.attributes.get("schemeID", "")})
        except ValueError:
            raise Stopped(node, "number", node.text) from None

    return check


def scheme(node: Node, document: Document) -> str | None:
    """The scheme of an identifier, as written. Chooses the case."""
    return node.attributes.get("schemeID")


def dutch_vat(node: Node, document: Document) -> bool:
    """The element is a VAT number that begins with NL."""
    above = node.parent if normal(node.text).startswith("NL") else None
    return above is not None and above.normal("cac:TaxScheme/cbc:ID") == "VAT"


NL_VAT: Final = identifier(shaped(r"NL[0-9]{9}B[0-9]{2}"))

SCHEMES: Final[Mapping[str, Mapping[str, Check]]] = {
    "0088": {"PEPPOL-COMMON-R040": identifier(gln)},
    "0192": {"PEPPOL-COMMON-R041": identifier(norwegian)},
    "0184": {"PEPPOL-COMMON-R042": identifier(danish_cvr, as_written=True)},
    "0096": {"PEPPOL-COMMON-R052": identifier(danish_p_number, as_written=True)},
    "0198": {"PEPPOL-COMMON-R053": identifier(danish_vat, as_written=True)},
    "0208": {"PEPPOL-COMMON-R043": identifier(belgian)},
    "0201": {"PEPPOL-COMMON-R044": identifier(codice_ipa)},
    "0210": {"PEPPOL-COMMON-R045": identifier(codice_fiscale)},
    "0211": {"PEPPOL-COMMON-R047": identifier(partita_iva)},
    "0007": {"PEPPOL-COMMON-R049": identifier(swedish)},
    "0151": {"PEPPOL-COMMON-R050": identifier(australian)},
    "0106": {"PEPPOL-COMMON-R054": identifier(shaped(r"[0-9]{8}"))},
    "0190": {"PEPPOL-COMMON-R055": identifier(shaped(r"[0-9]{20}"))},
    "9944": {"PEPPOL-COMMON-R056-1": NL_VAT},
}
ADDRESS_SCHEMES: Final = {**SCHEMES, "9907": {"PEPPOL-COMMON-R046": identifier(codice_fiscale)}}
LATE_SCHEMES: Final[Mapping[str, Mapping[str, Check]]] = {
    "0217": {"PEPPOL-COMMON-R057": identifier(shaped(r"[0-9]{12}"))}
}
"""Looked at after the Dutch VAT numbers, as in the artefact."""
OF_ADDRESSES: Final = frozenset(
    rule for cases in (ADDRESS_SCHEMES, LATE_SCHEMES) for rules in cases.values() for rule in rules
)
"""The rules of form and check digits that an electronic address (``cbc:EndpointID``) can break."""
