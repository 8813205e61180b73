"""Findings in words: what is wrong, what is expected with the computed figure, how to mend it. Our own sentences.

The words stand in ``words/LANGUAGE.toml``: a sentence for a rule, or what the rule is about for a general sentence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gateway.model.document import Finding, Severity
from gateway.ubl.names import short_name
from gateway.ubl.rules.en16931.vat_categories import VAT_CATEGORIES
from gateway.ubl.rules.numbers import NotANumber, decimal_of
from gateway.ubl.rules.pack import Fault
from gateway.ubl.rules.tree import Node, Stopped

LANGUAGES: Final = ("en", "sv")
_MAX_VALUE: Final = 200
# Signs that no XML holds, until they become words.
_ABSENT, _UNKNOWN = "\x00", "\x01"
_EMPTY: Final = re.compile(f"\\A[“”]{_ABSENT}”")
_IS_ABSENT: Final = re.compile(f"\\b(?:is|är(?: det)?) [“”]{_ABSENT}”")
_GAP: Final = re.compile(f"[“”]?{_ABSENT}”?")
_RATES: Final = {"S": "positive", "L": "not_negative", "M": "not_negative", "O": "none"}
_UNTAXED: Final = frozenset({"Z", "E", "AE", "K", "G", "O"})


def finding(rule: str, severity: Severity, fault: Fault, language: str) -> Finding:
    """The finding of one fault, in one of :data:`LANGUAGES`."""
    node = fault.node
    return Finding(
        rule=rule,
        severity=severity,
        location=node.xpath,
        message=sentence(rule, fault, language),
        value=fault.value[:_MAX_VALUE],
    )


def stopped(error: Stopped, language: str, pack: str) -> Finding:
    """The finding of a rule set that ended with an error."""
    words = _words(language)
    reason = words["stopped"][error.reason].format(value=_shown(error.value))
    message = words["kinds"]["stopped"].format(reason=reason, rule=error.rule, pack=pack)
    return Finding(rule=error.rule, location=error.node.xpath, message=message, value=error.value[:_MAX_VALUE])


def sentence(rule: str, fault: Fault, language: str) -> str:
    """The sentence for a fault."""
    words = _words(language)
    slots = _Slots(_slots(rule, fault, words, language))
    return _with_gaps(_template(rule, fault, words).format_map(slots), words["gaps"])


def _template(rule: str, fault: Fault, words: Mapping[str, Any]) -> str:
    if fault.kind in words["special"]:
        return str(words["special"][fault.kind])
    general = fault.kind in words["kinds"]
    if rule in words["rules"] and not (general and rule in words["what"]):
        return str(words["rules"][rule])
    if general:
        return str(words["kinds"][fault.kind])
    return str(words["vat"][_vat_key(rule, fault)])


def _vat_key(rule: str, fault: Fault) -> str:
    """Which of the VAT sentences: the rule's number, and the variant of the category."""
    number, code = rule[-2:], VAT_CATEGORIES.get(rule.split("-")[1], "")
    if number == "01" and "count" not in fault.words:
        return "01-by-use"
    if number == "09" and code in _UNTAXED:
        return "09-none"
    if number == "10":
        return "10-needed" if code in _UNTAXED and code != "Z" else "10-none"
    return number


def _slots(rule: str, fault: Fault, words: Mapping[str, Any], language: str) -> dict[str, str]:
    shown = {name: _figure(value, language) for name, value in fault.words.items()}
    if "expected" in fault.words and fault.words["expected"] is None:
        shown["expected"] = _UNKNOWN
    element = fault.words.get("element")
    joined = {"en": " or ", "sv": " eller "}[language]
    names = joined.join(str(path) for path in element) if isinstance(element, tuple) else fault.node.name
    code = VAT_CATEGORIES.get(rule.split("-")[1], "") if rule.startswith("BR-") else ""
    attribute = str(fault.words.get("attribute", ""))
    return {
        **shown,
        "name": _name(fault.node),
        "element": names,
        "value": _amount(fault, language) or _ABSENT,
        "what": words["what"].get(rule, names),
        "where": f"{_name(fault.node)}/@{attribute}" if attribute else _name(fault.node),
        "category": words["categories"].get(code, code),
        "parties": words["parties"].get({"G": "seller_vat", "AE": "AE", "K": "K", "O": "O"}.get(code, "seller"), ""),
        **({"rate": words["rates"][_RATES.get(code, "zero")]} if rule[-2:] in ("05", "06", "07") else {}),
    }


class _Slots(dict[str, str]):
    """What a sentence asks for and the fault does not know is not there."""

    def __missing__(self, key: str) -> str:
        return _UNKNOWN if key == "expected" else _ABSENT


def _with_gaps(text: str, words: Mapping[str, str]) -> str:
    """The sentence with its gaps in words: what is not given, and what cannot be computed because of it."""
    if _ABSENT not in text and _UNKNOWN not in text:
        return text
    text = _EMPTY.sub(words["empty"], text)
    text = _IS_ABSENT.sub(words["is absent"], text)
    return _GAP.sub(f"({words['absent']})", text).replace(_UNKNOWN, f"({words['unknown']})")


def _figure(value: object, language: str) -> str:
    """A number as people write it: ``1,250.50`` or ``1 250,50``."""
    if value is None:
        return _ABSENT
    if not isinstance(value, Decimal):
        return _shown(str(value))
    text = format(value, ",f") if -40 < value.adjusted() < 40 else str(value)
    whole, _, cents = text.partition(".")
    cents = cents.rstrip("0").ljust(2, "0")
    text = f"{whole}.{cents}"
    return text if language == "en" else text.replace(",", " ").replace(".", ",")


def _amount(fault: Fault, language: str) -> str:
    """The value as written; as a figure where it stands beside a computed one."""
    if isinstance(fault.words.get("expected"), Decimal):
        try:
            return _figure(decimal_of(fault.value), language)
        except NotANumber:
            pass
    return _shown(fault.value)


def _shown(text: str) -> str:
    """A value of the document inside a sentence."""
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def _name(node: Node) -> str:
    return node.name if not node.name.startswith("{") else short_name(node.name)


@cache
def _words(language: str) -> Mapping[str, Any]:
    place = files("gateway.ubl.rules") / "words" / f"{language}.toml"
    return tomllib.loads(place.read_text("utf-8"))
