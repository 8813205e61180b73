"""Invoices with something wrong in them, made from right ones: for comparing two judges, not for testing one."""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from lxml import etree

from gateway.security import safexml

_LARGEST: Final = 40_000
_COUNTRIES: Final = ("SE", "NO", "DK", "DE", "IT", "GR", "EL", "IS", "NL", "FR", "XX", "se", " SE")
_CATEGORIES: Final = ("S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B", "VAT", "GST", "vat", " S ", "a long one", "")
_SCHEMES: Final = (
    *("0088", "0192", "0184", "0096", "0198", "0208", "0201", "0210", "9907", "0211", "0007", "0151", "0106", "0190"),
    *("9944", "0217", "SEPA", "EM", "0196", "9933", ""),
)
_IDENTIFIERS: Final = (
    *("NL123456789B01", "IT12345678901", "12345678", "987654325", "5567212047", "DK12345678", "7300010000001"),
    *("0123456749", "51824753556", "abc123", "1" * 20, "RSSMRA85T10A562S", "IT+1234567890"),
)
_TEXTS: Final = (
    *(
        "",
        "  ",
        "#AAA#x",
        "2024-01-01Z",
        "2023-13-01",
        "30",
        "58",
        "49",
        "59",
        "50",
        "93",
        "31",
        "42",
        "9",
        "380",
        "381",
    ),
    *("384", "326", "130", "true", "false", "1", "0", "##M.AR.K##", "EINDAGI", "ZZZ"),
)


class Mutator:
    """Makes mutants of the given documents; the same seed makes the same ones."""

    def __init__(self, documents: list[bytes], seed: int) -> None:
        self._random = random.Random(seed)
        self._trees = [safexml.parse(octets) for octets in documents if len(octets) < _LARGEST]
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._donors: dict[str, list[etree._Element]] = defaultdict(list)
        for tree in self._trees:
            for element in tree.iter(etree.Element):
                self._donors[element.tag].append(element)
                if not len(element) and element.text:
                    self._texts[element.tag].append(element.text)
        self._tags = sorted(self._donors)

    def mutant(self) -> bytes:
        """One document with one to five changes; not always valid by its schema, always well-formed."""
        chance = self._random
        tree = copy.deepcopy(chance.choice(self._trees))
        for _ in range(chance.choice((1, 1, 2, 3, 5))):
            change = chance.choices(
                (self._remove, self._double, self._other_text, self._amount, self._category, self._country,
                 self._identifier, self._odd_text, self._comment, self._transplant),
                (13, 12, 20, 15, 8, 6, 6, 6, 4, 10),
            )[0]  # fmt: skip
            change(tree, chance.choice(list(tree.iter(etree.Element))))
        return etree.tostring(tree)

    def _remove(self, tree: etree._Element, element: etree._Element) -> None:
        above = element.getparent()
        if above is not None:
            above.remove(element)

    def _double(self, tree: etree._Element, element: etree._Element) -> None:
        if element.getparent() is not None:
            element.addnext(copy.deepcopy(element))

    def _other_text(self, tree: etree._Element, element: etree._Element) -> None:
        if not len(element) and self._texts[element.tag]:
            element.text = self._random.choice(self._texts[element.tag])

    def _odd_text(self, tree: etree._Element, element: etree._Element) -> None:
        if not len(element):
            text = element.text or ""
            element.text = self._random.choice((*_TEXTS, f"{text} ", f" {text}", f"{text}        "))

    def _amount(self, tree: etree._Element, element: etree._Element) -> None:
        amount = self._one(tree, lambda tag: tag.endswith(("Amount", "Percent", "Quantity", "Numeric")))
        if amount is None:
            return
        try:
            value = float(amount.text or "")
        except ValueError:
            return
        ways = (f"{value + 0.01:.2f}", f"{value + 1:.2f}", f"{value - 1:.2f}", f"{-value:.2f}", f"{value:.3f}", "0",
                "-0.00", f"  {amount.text} ", f"+{value:.2f}", f"{value * 1.5:.2f}", f"{value + 0.5:.1f}", "12.", ".5",
                f"{value + 0.995:.4f}", f"{value + 0.99:.2f}", "9" * 30)  # fmt: skip
        amount.text = self._random.choice(ways)

    def _category(self, tree: etree._Element, element: etree._Element) -> None:
        found = self._one(tree, lambda tag: tag.endswith("}ID"), inside=("TaxCategory", "TaxScheme"))
        if found is not None:
            found.text = self._random.choice(_CATEGORIES)

    def _country(self, tree: etree._Element, element: etree._Element) -> None:
        country = self._random.choice(_COUNTRIES)
        for code in tree.iter("{*}IdentificationCode"):
            if self._random.random() < 0.8:
                code.text = country

    def _identifier(self, tree: etree._Element, element: etree._Element) -> None:
        found = [one for one in tree.iter(etree.Element) if one.get("schemeID") is not None]
        if found:
            one = self._random.choice(found)
            one.set("schemeID", self._random.choice(_SCHEMES))
            one.text = self._random.choice((one.text or "", *_IDENTIFIERS))

    def _comment(self, tree: etree._Element, element: etree._Element) -> None:
        if not len(element) and element.text:
            comment = etree.Comment("divides the text")
            comment.tail = self._random.choice(("", "x", " "))
            element.append(comment)

    def _transplant(self, tree: etree._Element, element: etree._Element) -> None:
        """An element of another document instead of, or beside, one of the same name."""
        donor = copy.deepcopy(self._random.choice(self._donors[self._random.choice(self._tags)]))
        same = [one for one in tree.iter(donor.tag) if one.getparent() is not None]
        if not same:
            return
        place = self._random.choice(same)
        if self._random.random() < 0.6:
            place.addnext(donor)
            self._remove(tree, place)
        else:
            place.addnext(donor)

    def _one(
        self, tree: etree._Element, fits: Callable[[str], bool], inside: tuple[str, ...] = ("",)
    ) -> etree._Element | None:
        found = [
            one
            for one in tree.iter(etree.Element)
            if fits(one.tag) and (above := one.getparent()) is not None and str(above.tag).endswith(inside)
        ]
        return self._random.choice(found) if found else None
