"""Whether the pages of a PDF show convincingly something else than the document that it is attached to. Pure.

What the pages do not show is no difference, and a page that is not plainly this invoice says nothing: most attachments
are time sheets, terms and drawings. Two witnesses are needed: for an account that it is shown and its check digits, for
a total that it is labelled and that it fits the page's other sums, or that the document's own total stands nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from lxml import etree

from gateway.model.scan import Candidate, Code
from gateway.scanning import checks, codes, embedded
from gateway.scanning.finding import Found
from gateway.scanning.weighing import Weighed
from gateway.security import safexml

COMPARED: Final = ("number", "total", "account")
_GAP: Final = r"[ .,'’\u00a0\u2009\u202f]?"
_LONG: Final = 4
"""Signs that a number has at least which is recognised without a label."""
_TOTALS: Final = ("PayableAmount", "TaxInclusiveAmount", "DuePayableAmount", "GrandTotalAmount")
_MOST_TEXTS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What the document says."""

    values: Mapping[str, str]
    """By the names of ``model/scan.py``."""
    accounts: frozenset[str]
    """To which it may be paid, as we write them."""
    totals: frozenset[str]
    """What is to be paid, and what would be if nothing were paid already."""
    amounts: frozenset[str]
    """All that stand in it."""
    texts: frozenset[str]
    """Everything short that stands in it, letters and digits only: other numbers that it names are no contradiction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One fact of which document and page say different things."""

    name: str
    said: str
    """By the document."""
    shown: Candidate
    """By the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One attached PDF beside its document."""

    pages: int = 0
    differences: tuple[Difference, ...] = ()
    crops: dict[str, bytes] = field(default_factory=dict)
    """Of each difference whose place was drawn, a PNG of it."""


def read_document(xml: bytes) -> Stated | None:
    """What an invoice or credit note says, in UBL or CII; None for anything else."""
    values = embedded.read(xml)
    if values is None:
        return None
    root = safexml.parse(xml, huge=True)
    accounts: set[str] = set()
    totals: set[str] = set()
    amounts: set[str] = set()
    texts: set[str] = set()
    for count, element in enumerate(root.iter(etree.Element)):
        if count > _MOST_TEXTS:
            return None
        name, text = etree.QName(element).localname, (element.text or "").strip()
        if not text or len(text) > 200 or name.endswith("BinaryObject"):
            continue
        texts.add(_plain(text))
        if name in ("ID", "IBANID", "ProprietaryID") and (holder := _holder(element)) is not None:
            accounts.add(embedded.account_of(text, holder.findtext("{*}FinancialInstitutionBranch/{*}ID") or ""))
        elif name.endswith("Amount") and (amount := _amount(text)) is not None:
            amounts.add(amount)
            if name in _TOTALS:
                totals.add(amount)
    return Stated(
        values=values,
        accounts=frozenset(accounts),
        totals=frozenset(totals),
        amounts=frozenset(amounts),
        texts=frozenset(texts),
    )


def _holder(element: etree._Element) -> etree._Element | None:
    """The account that this is the number of."""
    parent = element.getparent()
    name = "" if parent is None else etree.QName(parent).localname
    return parent if name in ("PayeeFinancialAccount", "PayeePartyCreditorFinancialAccount") else None


def _amount(text: str) -> str | None:
    found = checks.amount(text if "." in text else f"{text}.00")
    return None if found is None else f"{abs(found):.2f}"


def differences(stated: Stated, found: Found, seen: Sequence[Code], weighed: Weighed) -> tuple[Difference, ...]:
    """What the pages show otherwise. ``found`` and ``weighed`` are of their text, ``seen`` of the codes on them."""
    if not found.is_invoice:
        return ()
    coded = [values for code in seen if (values := codes.read(code.text))]
    page = _Page(found, coded, weighed)
    this = page.names(stated.values["number"])
    same_supplier = stated.values.get("supplier", "") in found.organisations
    total = _total(stated, page) if this or (same_supplier and page.shows(stated.values["total"])) else None
    account = _account(stated, page) if this or (same_supplier and page.shows(stated.values["total"])) else None
    number = None if this or not same_supplier else _number(stated, page)
    return tuple(one for one in (number, total, account) if one is not None)


@dataclass(frozen=True, slots=True)
class _Page:
    """All pages of the file, to be asked."""

    found: Found
    coded: Sequence[Mapping[str, str]]
    weighed: Weighed

    def labelled(self, name: str) -> list[Candidate]:
        """What is shown as that, in words or in a code, the best first."""
        said = list(self.found.candidates.get(name, ()))
        known = {one.value for one in said}
        in_codes = dict.fromkeys(values[name] for values in self.coded if name in values)
        return said + [
            Candidate(value=value, shown=value, witnesses=("code", "code check"))
            for value in in_codes
            if value not in known
        ]

    def names(self, number: str) -> bool:
        """Whether it bears this invoice number: labelled as one, or long enough to be no chance."""
        wanted = _plain(number)
        if wanted in {_plain(one.value) for one in self.labelled("number")}:
            return True
        return len(wanted) >= _LONG and re.search(_spaced(number), self.found.text, re.IGNORECASE) is not None

    def shows(self, amount: str) -> bool:
        """Whether this amount stands anywhere, however it is written."""
        value = Decimal(amount)
        whole, _, cents = f"{abs(value):.2f}".partition(".")
        ending = rf"[.,:]{cents}"
        if cents == "00":
            ending = rf"(?:{ending}|[.,:] ?[-–])" if len(whole) < _LONG else rf"(?:{ending}|[.,:] ?[-–]|(?![.,:]\d))"
        return re.search(rf"(?<!\d){_GAP.join(whole)}{ending}(?!\d)", self.found.text) is not None

    def bears(self, digits: str) -> bool:
        """Whether these digits or letters stand anywhere, with or without gaps."""
        return bool(digits) and re.search(_spaced(digits), self.found.text, re.IGNORECASE) is not None


def _total(stated: Stated, page: _Page) -> Difference | None:
    """Another total: labelled, of this document nowhere, and fitting the page's sums or its own total nowhere."""
    said = stated.values["total"]
    own = stated.totals | {said}
    shown = [one for one in page.labelled("total") if one.value not in stated.amounts | own]
    if not shown or any(page.shows(one) for one in own):
        return None
    weighed = page.weighed.fields.get("total")
    if weighed and weighed.accepted and weighed.best and weighed.value not in stated.amounts | own:
        return Difference(name="total", said=said, shown=weighed.best)
    is_bill = any(page.labelled(name) for name in ("account", "reference", "due_date"))
    labelled = _plain(stated.values["number"]) in {_plain(one.value) for one in page.labelled("number")}
    if not (is_bill and labelled):
        return None
    best = max(shown, key=lambda one: Decimal(one.value))
    return Difference(name="total", said=said, shown=best)


def _account(stated: Stated, page: _Page) -> Difference | None:
    """Another account of the same kind; one that the document names anywhere (the buyer's own, say) is none."""
    shown = page.labelled("account")
    if not stated.accounts or any(page.bears(one.partition(":")[2]) for one in stated.accounts):
        return None
    if stated.accounts & {one.value for one in shown}:
        return None
    kinds = {one.partition(":")[0] for one in stated.accounts}
    others = [
        one
        for one in shown
        if one.value.partition(":")[0] in kinds and _plain(one.value.partition(":")[2]) not in stated.texts
    ]
    if not others:
        return None
    said = stated.values.get("account") or sorted(stated.accounts)[0]
    return Difference(name="account", said=said, shown=others[0])


def _number(stated: Stated, page: _Page) -> Difference | None:
    """Another number: with two witnesses of its own, or labelled on a page on which total and account agree.

    One that the document names (the invoice that it credits, say), or that is longer or shorter by a prefix, is none.
    """
    said = stated.values["number"]
    weighed = page.weighed.fields.get("number")
    shown = weighed.best if weighed and weighed.accepted else None
    if shown is None:
        labelled = page.labelled("number")
        agrees = page.shows(stated.values["total"]) and any(
            page.bears(one.partition(":")[2]) for one in (*stated.accounts, f":{stated.values.get('reference', '')}")
        )
        shown = labelled[0] if labelled and agrees else None
    if shown is None or _plain(shown.value) in stated.texts or page.bears(said):
        return None
    one, other = (re.sub(r"\D", "", text).lstrip("0") for text in (said, shown.value))
    if one.endswith(other) or other.endswith(one):
        return None
    return Difference(name="number", said=said, shown=shown)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper()


def _spaced(text: str) -> str:
    """A pattern of these letters and digits with or without something between them, and nothing of the kind around."""
    return r"(?<![^\W_])" + r"[\W_]?".join(map(re.escape, _plain(text))) + r"(?![^\W_])"
