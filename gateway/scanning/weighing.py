"""Which of the values that were read are believed: two witnesses that do not depend on each other, and none against.

Readers are witnesses (``code``, ``text``, ``ocr``, ``second reading``), and so is what the values say of each other:
check digits, sums, terms of payment, what is known of the supplier. Whoever is in doubt asks a person; pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Final

from gateway.model.scan import FIELDS, Candidate, Code, Field, Supplier
from gateway.scanning import checks, codes
from gateway.scanning.finding import Found

LEAST_CONFIDENCE: Final = 0.55
"""Of an optical reader; what it is less sure of is shown to a person and witnesses nothing."""
SURE: Final = 0.80
"""For fields without check digit or sum: both readings must be so sure."""
_CHECKED: Final = ("supplier", "account", "reference")
_BARE: Final = ("number", "issue_date", "due_date", "buyer_reference", "supplier_name")
"""Nothing in such a value tells whether it was read rightly."""
_MOST_SUMS: Final = 60_000
_NEAR: Final = 0.03
READERS: Final = ("code", "text", "ocr", "second reading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The fields with their witnesses."""

    fields: dict[str, Field]
    contradictions: tuple[str, ...] = ()
    """Fields for which two things were said that each have two witnesses."""

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Fields for which something was read and nothing is believed, and needed ones for which nothing was."""
        return tuple(name for name, one in self.fields.items() if not one.accepted and one.candidates)


class _Scales:
    """Candidates of every field, by value, while witnesses are collected."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, Candidate]] = {name: {} for name in FIELDS}

    def put(self, name: str, candidate: Candidate) -> None:
        """Put a reader's candidate down; the same value by another reader is another witness."""
        known = self.of[name].get(candidate.value)
        if known is None:
            self.of[name][candidate.value] = candidate
            return
        both = tuple(dict.fromkeys((*known.witnesses, *candidate.witnesses)))
        surer = (
            candidate if candidate.place and (known.place is None or candidate.confidence > known.confidence) else known
        )
        self.of[name][candidate.value] = replace(surer, witnesses=both)

    def witness(self, name: str, value: str, *witnesses: str) -> None:
        """Something more speaks for this value."""
        if (known := self.of[name].get(value)) is not None:
            self.put(name, replace(known, witnesses=witnesses))


def weigh(
    found: Sequence[Found],
    seen: Iterable[Code],
    *,
    own: Collection[str] = (),
    suppliers: Sequence[Supplier] = (),
) -> Weighed:
    """Weigh what readers found, the surest first. ``own``: numbers and names of the account itself."""
    scales = _Scales()
    in_codes = [one for one in (codes.read(code.text) for code in seen) if one]
    for values in in_codes:
        _put_code(scales, values)
    for reader in found:
        for name, candidates in reader.candidates.items():
            if name not in scales.of:
                continue
            for one in candidates:
                if one.confidence < LEAST_CONFIDENCE or (name in _BARE and one.confidence < SURE):
                    one = replace(one, witnesses=())
                if one.value not in own:
                    scales.put(name, one)
    for name in _CHECKED:
        for value in list(scales.of[name]):
            scales.witness(name, value, "check digit")
    for value in list(scales.of["reference"]):
        if checks.has_length_digit(value):
            scales.witness("reference", value, "length digit")
    supplier = _known(scales, suppliers)
    _money(scales, found, in_codes)
    _references(scales, in_codes)
    _dates(scales, {days for reader in found for days in reader.terms})
    _number(scales)
    _currency(scales)
    if supplier is not None:
        _history(scales, supplier, any("text" in c.witnesses for c in scales.of["total"].values()))
    return _decide(scales)


def _put_code(scales: _Scales, values: dict[str, str]) -> None:
    """What a code says: its error correction is its second witness, but not for money and where it goes."""
    for name, value in values.items():
        money = name in ("total", "vat", "account")
        scales.put(name, Candidate(value=value, shown=value, witnesses=("code",) if money else ("code", "code check")))
    if "total" in values and "vat" in values:
        net = Decimal(values["total"]) - Decimal(values["vat"])
        scales.put("net", Candidate(value=f"{net:.2f}", shown=f"{net:.2f}", witnesses=("code",)))


def _known(scales: _Scales, suppliers: Sequence[Supplier]) -> Supplier | None:
    """The supplier that we know among those whose number stands there, if it is one."""
    hits = [one for one in suppliers if one.id in scales.of["supplier"]]
    if len(hits) == 1:
        scales.witness("supplier", hits[0].id, "history")
        return hits[0]
    return None


def _money(scales: _Scales, found: Sequence[Found], in_codes: Sequence[dict[str, str]]) -> None:
    """Net, VAT and total that fit each other; of several that fit, none is believed by that."""
    nets, vats, totals = ([Decimal(value) for value in scales.of[name]] for name in ("net", "vat", "total"))
    roundings = {Decimal(0), *(value for reader in found for value in map(Decimal, reader.roundings) if abs(value) < 1)}
    for values in in_codes:
        # A code without VAT of its own: the printed VAT may fit the total that the code says.
        if "total" in values and "vat" not in values:
            nets += [Decimal(values["total"]) - vat for vat in vats]
    nets = list(dict.fromkeys([*nets, *(t - v for t, v in product(totals[:12], vats[:12]))]))
    if len(nets) * len(vats) * len(totals) > _MOST_SUMS:
        return
    fits = [
        (net, vat, total)
        for net, vat, total in product(nets, vats, totals)
        if total > 0 and net > 0 and vat >= 0 and total - net - vat in roundings
    ]
    exact = [one for one in fits if checks.rate_of(one[0], one[1]) is not None]
    read = [one for one in exact or fits if f"{one[0]:.2f}" in scales.of["net"]] or exact
    if len(read) == 1:
        chosen = read[0]
    else:
        # Totals contain each other (net of a part): the greatest, if the others are parts of it.
        read.sort(key=lambda one: one[2], reverse=True)
        if len(read) < 2 or read[0][2] == read[1][2]:
            return
        chosen = read[0]
    rate = checks.rate_of(chosen[0], chosen[1])
    witnesses = ("sum",) if rate is None else ("sum", "rate")
    for name, value in zip(("net", "vat", "total"), chosen, strict=True):
        if f"{value:.2f}" not in scales.of[name]:
            scales.put(name, Candidate(value=f"{value:.2f}", shown=f"{value:.2f}", witnesses=("difference",)))
        scales.witness(name, f"{value:.2f}", *witnesses)


def _dates(scales: _Scales, terms: Collection[int]) -> None:
    """Invoice date and due date that are as far apart as the terms say."""
    pairs = [
        (first, last)
        for first, last in product(scales.of["issue_date"], scales.of["due_date"])
        if any(checks.terms_fit(date.fromisoformat(first), date.fromisoformat(last), days) for days in terms)
    ]
    if len(pairs) == 1 and pairs[0][0] != pairs[0][1]:
        scales.witness("issue_date", pairs[0][0], "terms")
        scales.witness("due_date", pairs[0][1], "terms")


def _references(scales: _Scales, in_codes: Sequence[dict[str, str]]) -> None:
    """What a code calls the invoice may be what is to be said when it is paid: then the code proves no number."""
    for value in {values["number"] for values in in_codes if "number" in values}:
        known = scales.of["number"][value]
        read = not {"code", "code check"}.issuperset(known.witnesses)
        if value in scales.of["reference"] and not read:
            scales.of["number"][value] = replace(known, witnesses=("code",))


def _number(scales: _Scales) -> None:
    """The invoice number within the payment reference, which has a check digit."""
    for number, reference in product(list(scales.of["number"]), list(scales.of["reference"])):
        digits = "".join(filter(str.isdigit, number)).lstrip("0")
        if len(digits) >= 4 and any(reference.lstrip("0")[:-more] == digits for more in (1, 2, 3)):
            scales.witness("number", number, "reference")


def _currency(scales: _Scales) -> None:
    """The currency that account and country go with, where nothing printed says otherwise."""
    printed = scales.of["currency"]
    accounts = {value.partition(":")[0] for value in scales.of["account"]}
    countries = {value[:2] for value in scales.of["supplier"]}
    expected = {"SE": "SEK", "NO": "NOK", "DK": "DKK", "FI": "EUR"}
    likely = {expected[country] for country in countries if country in expected}
    if accounts and accounts <= {"BG", "PG"}:
        likely = {"SEK"}
    if len(likely) != 1:
        return
    currency = likely.pop()
    if not printed:
        scales.put("currency", Candidate(value=currency, witnesses=("country",)))
        if accounts and accounts <= {"BG", "PG"}:
            scales.witness("currency", currency, "account")
    scales.witness("currency", currency, "country")


def _history(scales: _Scales, supplier: Supplier, exact: bool) -> None:
    """What earlier documents of this supplier say: its account and name; in exact text also where a field stands."""
    for account in supplier.accounts:
        scales.witness("account", account, "history")
    if supplier.name:
        scales.of["supplier_name"].clear()
        scales.put("supplier_name", Candidate(value=supplier.name, witnesses=("history", "supplier")))
    if not exact:
        return
    for name, (left, top) in supplier.anchors.items():
        near = [
            one.value
            for one in scales.of.get(name, {}).values()
            if one.place and abs(one.place.left - left) < _NEAR and abs(one.place.top - top) < _NEAR
        ]
        if len(near) == 1:
            scales.witness(name, near[0], "place")


def _readers(candidate: Candidate) -> int:
    return sum(1 for one in candidate.witnesses if one in READERS)


def _decide(scales: _Scales) -> Weighed:
    fields: dict[str, Field] = {}
    contradictions = []
    for name in FIELDS:
        ranked = sorted(
            scales.of[name].values(), key=lambda one: (len(one.witnesses), _readers(one), one.confidence), reverse=True
        )
        if not ranked:
            fields[name] = Field(name=name)
            continue
        best, others = ranked[0], ranked[1:]
        strong = [one for one in others if _believed(name, one)]
        accepted = _believed(name, best) and not strong
        if _believed(name, best) and strong:
            if name in ("supplier", "supplier_name", "account", "currency"):
                accepted = _clearly(best, strong)
            if not accepted:
                contradictions.append(name)
        fields[name] = Field(name=name, value=best.value, accepted=accepted, candidates=tuple(ranked[:8]))
    return Weighed(fields=fields, contradictions=tuple(contradictions))


def _believed(name: str, candidate: Candidate) -> bool:
    """Two witnesses; money needs a sum or a second reader, since its digits have no check of their own."""
    witnesses = set(candidate.witnesses)
    if name in ("net", "vat", "total"):
        return len(witnesses - {"difference"}) >= 2 and ("sum" in witnesses or "payment slip" in witnesses)
    return len(witnesses) >= 2


def _clearly(best: Candidate, others: Sequence[Candidate]) -> bool:
    """Several accounts may stand on an invoice; the one that code or history names is meant."""
    named, printed = {"code", "history", "payment slip"}, {"text", "ocr", "second reading"}
    if not named & set(best.witnesses) or any(named & set(one.witnesses) for one in others):
        return False
    # A code that says what is printed nowhere, beside something else that is printed: pasted over?
    return bool(printed & set(best.witnesses))
