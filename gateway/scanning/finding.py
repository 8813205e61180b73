"""From words on a page to candidates for each field: by labels, by the form of numbers, by what is beneath. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from gateway.model.scan import Candidate, Place, Word
from gateway.scanning import checks

_MOST_LINES: Final = 1_500
_MOST_WORDS: Final = 8_000
_TITLE: Final = 4
"""Words of a line that may be a title."""
_WORDS_OF_LINE: Final = 120
"""No honest line has more; the work for one grows with their square."""
_MOST: Final = 40
"""Candidates of one field."""

# A point stands for letters that optical reading loses (å, ä, ö).
_LABELS: Final[dict[str, re.Pattern[str]]] = {
    name: re.compile(text, re.IGNORECASE)
    for name, text in {
        "number": r"(?:faktura|kreditnota|kreditfaktura)[ -]?(?:nummer|nr|no)\b\.?|invoice (?:no|number|nr)\b\.?"
        r"|credit note (?:no|number)\b\.?|laskun? ?(?:numero|nro)\b",
        "issue_date": r"(?:faktura|kreditnota)[ -]?dat(?:um|o)\b|invoice date|date of issue"
        r"|laskun? ?p.iv.(?:ys|m..r.)?\b",
        "due_date": r"f.rfall(?:odatum|odag|er)\b|due date|er.p.iv.\b|forfall(?:sdato)?\b|betalas senast"
        r"|sista betalningsdag",
        "account": r"bankgiro(?:nummer|nr)?\b|\bbg(?:nr)?\b\.?|plusgiro(?:nummer|nr)?\b|\bpg(?:nr)?\b\.?|\biban\b",
        "reference": r"\bocr(?:[ -]?(?:nummer|nr|referens))?\b\.?|betalningsreferens\b|payment reference\b|\bkid\b"
        r"|viite(?:numero)?\b",
        "net": r"netto(?:belopp)?\b|(?:summa |belopp |total )?(?:exkl|excl|ekskl|ex)\.? ?(?:moms|vat|mva)\b|subtotal\b"
        r"|delsumma\b|net amount\b|veroton\b",
        "vat": r"\bmoms(?:belopp)?\b(?! ?reg)|\bvat(?: amount)?\b(?!\.? ?(?:no|reg|id))|\bmva\b|\balv\b",
        "total": r"(?:summa )?att betala\b|(?:total ?)?amount due\b|totalt(?:belopp)?\b|totalsumma\b|total\b"
        r"|.? betale\b|maksettava\b|yhteens.\b|inkl\.? ?moms\b|to pay\b",
        "rounding": r".resutj.mning\b|.resavrundning\b|avrundning\b|rounding\b",
        "buyer_reference": r"(?:er|your|deres) ref(?:erens|erence|eranse)?\b\.?",
        "supplier": r"org(?:anisations)?\.?[ -]?(?:nr|nummer|no)\b\.?|momsreg\w*\.?[ -]?(?:nr|nummer)?\b\.?"
        r"|vat ?(?:no|reg\w*)\b\.?|y-tunnus\b|cvr\b",
    }.items()
}
_DATE: Final = re.compile(
    r"(?<![\d-])(?:20\d\d ?[-./] ?\d\d? ?[-./] ?\d\d?|\d\d? ?[-./] ?\d\d? ?[-./] ?20\d\d|20\d{6}"
    r"|\d\d?\.? [A-Za-zåäöÅÄÖ]{3,12} 20\d\d)(?![\d-])"
)
_AMOUNT: Final = re.compile(
    r"(?<![\d.,-])-?(?:\d{1,3}(?:[ .\u00a0]\d{3})+,\d{2}|\d{1,3}(?:,\d{3})+\.\d{2}|\d+[.,]\d{2})-?(?![\d.,])"
)
_ORG: Final = re.compile(r"(?<![\d-])(?:16)?\d{6} ?[-\u2013] ?\d{4}(?![\d-])")
"""With its hyphen: ten digits alone may as well be a payment reference."""
_ORG_BARE: Final = re.compile(r"(?<![\d-])(?:16)?\d{10}(?![\d-])")
_SE_VAT: Final = re.compile(r"\bSE ?\d{6}-?\d{4} ?01\b", re.IGNORECASE)
_NO_ORG: Final = re.compile(r"(?<!\d)\d{3} ?\d{3} ?\d{3}(?: ?MVA)?(?!\d)")
_FI_ORG: Final = re.compile(r"\bFI ?\d{8}\b|(?<!\d)\d{7}-\d(?!\d)")
_DK_ORG: Final = re.compile(r"\bDK ?\d{8}\b", re.IGNORECASE)
_BG: Final = re.compile(r"(?<!\d)\d{3,4} ?[-\u2013] ?\d{4}(?!\d)")
_PG: Final = re.compile(r"(?<![\d-])\d{1,3}(?: ?\d{2,3}){0,3} ?[-\u2013] ?\d(?![\d-])")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_REFERENCE: Final = re.compile(r"\bRF\d\d[ A-Z0-9]{1,26}\b|(?<!\d)\d(?: ?\d){3,24}(?!\d)")
_NUMBER: Final = re.compile(r"(?<![\w.,-])[A-Z]{0,6}[-/]?\d[\dA-Z]*(?:[-/]\d[\dA-Z]*)*(?![\w])")
_SLIP: Final = re.compile(r"(?<!\d)(\d{2,25}) ?# ?(\d{1,8}) (\d{2}) ?(\d) ?> ?(\d{7,8}) ?# ?41 ?#")
_TERMS: Final = re.compile(r"(?<!\d)(\d{1,3}) ?(?:dagar|dgr|days|dager|dage|pv|p.iv..)\b", re.IGNORECASE)
_COMPANY: Final = re.compile(
    r"[A-ZÅÄÖÆØÉ][\wÅÄÖåäöéÆØæø&.' -]{1,60}? (?:AB|Aktiebolag|AS|ASA|A/S|ApS|Oy|Oyj|HB|KB|GmbH)\b(?! ?[:\d])"
)
_CREDIT: Final = re.compile(r"kredit(?:faktura|nota)|credit note|hyvityslasku", re.IGNORECASE)
_INVOICE: Final = re.compile(r"faktura|invoice|lasku\b|rechnung|kreditnota|credit note", re.IGNORECASE)
_OTHER: Final = re.compile(
    r"p.minnelse|inkasso|r.ntefaktura|kravbrev|betalningsp.minnelse|\breminder\b|pro ?forma|offert\b|orderbekr.ftelse"
    r"|f.ljesedel|\bkvitto\b|kontoutdrag|\bavtal\b",
    re.IGNORECASE,
)
_CURRENCY: Final = re.compile(r"\b(SEK|NOK|DKK|EUR|USD|GBP)\b")


@dataclass(frozen=True, slots=True)
class Line:
    """Words that stand beside each other, with a place for each letter of the joined text."""

    words: tuple[Word, ...]
    text: str
    starts: tuple[int, ...]

    def place(self, start: int, end: int) -> Place:
        """Where these letters stand."""
        hit = [
            word for word, at in zip(self.words, self.starts, strict=True) if at < end and at + len(word.text) > start
        ] or list(self.words)
        left, top = min(word.left for word in hit), min(word.top for word in hit)
        right, bottom = max(word.right for word in hit), max(word.bottom for word in hit)
        return Place(page=hit[0].page, left=left, top=top, width=right - left, height=bottom - top)

    def confidence(self, start: int, end: int) -> float:
        """The least of the words that these letters are of."""
        ends = zip(self.words, self.starts, strict=True)
        return min((w.confidence for w, at in ends if at < end and at + len(w.text) > start), default=0.0)

    @property
    def bottom(self) -> float:
        return max(word.bottom for word in self.words)

    @property
    def top(self) -> float:
        return min(word.top for word in self.words)


@dataclass(slots=True)
class Found:
    """What was found by one reader on all pages."""

    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    terms: set[int] = field(default_factory=set)
    """Days that invoices are to be paid in."""
    roundings: set[str] = field(default_factory=set)
    organisations: set[str] = field(default_factory=set)
    numbers_by_page: dict[int, set[str]] = field(default_factory=dict)
    text: str = ""
    is_invoice: bool = False
    other: str = ""
    """A word by which it is another kind of document."""

    def add(self, name: str, candidate: Candidate) -> None:
        """Note a candidate, once for each value; the surer place stays."""
        known = self.candidates.setdefault(name, [])
        for place, one in enumerate(known):
            if one.value == candidate.value:
                if candidate.confidence > one.confidence:
                    known[place] = candidate
                return
        if len(known) < _MOST:
            known.append(candidate)


def lines_of(words: Iterable[Word]) -> list[Line]:
    """Words joined to lines from top to bottom; a wide gap becomes two spaces."""
    rows: list[list[Word]] = []
    for word in sorted(list(words)[:_MOST_WORDS], key=lambda one: (one.page, (one.top + one.bottom) / 2)):
        middle = (word.top + word.bottom) / 2
        if rows and rows[-1][-1].page == word.page:
            last = rows[-1]
            near = last[-8:]
            centre = sum((one.top + one.bottom) / 2 for one in near) / len(near)
            if len(last) < _WORDS_OF_LINE and abs(centre - middle) <= max(
                0.004, 0.45 * min(word.bottom - word.top, last[0].bottom - last[0].top)
            ):
                last.append(word)
                continue
        rows.append([word])
    return [_line(sorted(row, key=lambda one: one.left)) for row in rows[:_MOST_LINES]]


def _line(words: Sequence[Word]) -> Line:
    text, starts = "", []
    for place, word in enumerate(words):
        if place:
            gap = word.left - words[place - 1].right
            # the page is higher than wide: a share of the height is less of the width
            text += " " if gap < 1.0 * (word.bottom - word.top) else "  "
        starts.append(len(text))
        text += word.text
    return Line(tuple(words), text, tuple(starts))


def find(words: Sequence[Word], witness: str) -> Found:
    """Every candidate, witnessed by this reader."""
    lines = lines_of(words)
    found = Found(text="\n".join(line.text for line in lines)[:200_000])
    found.is_invoice = _INVOICE.search(found.text) is not None
    if match := _OTHER.search(found.text[:4_000]):
        found.other = match[0]
    for number, line in enumerate(lines):
        _by_label(lines, number, witness, found)
        _by_form(line, witness, found)
    for match in _TERMS.finditer(found.text):
        found.terms.add(int(match[1]))
    _kind(found, lines, witness)
    return found


def _kind(found: Found, lines: Sequence[Line], witness: str) -> None:
    """Invoice or credit note, by the words of title and labels; small print that names the other decides nothing."""
    if not found.is_invoice:
        return
    credit = _CREDIT.search(found.text) is not None
    wanted = _CREDIT if credit else _INVOICE
    hits = [(line, match) for line in lines if (match := wanted.search(line.text))]
    if not hits:
        return
    titles = [hit for hit in hits if len(hit[0].words) <= _TITLE]
    line, match = titles[0] if titles else hits[0]
    one = _candidate("credit" if credit else "invoice", line, match.span(), witness)
    if credit and not titles:
        one = replace(one, witnesses=())
    elif len(hits) > 1:
        one = replace(one, witnesses=(witness, "said twice"), confidence=1.0)
    found.add("kind", one)


def _candidate(value: str, line: Line, span: tuple[int, int], witness: str) -> Candidate:
    start, end = span
    return Candidate(
        value=value,
        shown=line.text[start:end][:80],
        witnesses=(witness,),
        place=line.place(start, end),
        confidence=line.confidence(start, end),
    )


def _values(name: str, line: Line, start: int, end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Values of the field's form between two places of a line."""
    for pattern, read in _FORMS[name]:
        for match in pattern.finditer(line.text, start, end):
            if (value := read(match[0])) is not None:
                yield value, match.span()


def _by_label(lines: Sequence[Line], number: int, witness: str, found: Found) -> None:
    line = lines[number]
    labels = sorted(
        (match.start(), match.end(), name) for name, pattern in _LABELS.items() for match in pattern.finditer(line.text)
    )
    for place, (start, end, name) in enumerate(labels):
        # Up to the next label; but "Moms 25 % på netto" is one label.
        stop = next((later[0] for later in labels[place + 1 :] if later[0] >= end), len(line.text))
        hits = [(value, span, line) for value, span in _values(name, line, end, stop)]
        if not hits:
            hits = list(_beneath(lines, number, start, end, name))
        if name in ("number", "issue_date", "due_date", "buyer_reference"):
            hits = hits[:1]
        for value, span, where in hits:
            if name == "rounding":
                if len(found.roundings) < _MOST and abs(Decimal(value)) < 1:
                    found.roundings.add(value)
                continue
            if name == "number":
                found.numbers_by_page.setdefault(line.words[0].page, set()).add(value)
            found.add(name, _candidate(value, where, span, witness))


def _beneath(
    lines: Sequence[Line], number: int, start: int, end: int, name: str
) -> Iterator[tuple[str, tuple[int, int], Line]]:
    """Values in the next lines below the label, in its column."""
    line = lines[number]
    label = line.place(start, end)
    left, right = label.left - 0.02, label.left + max(label.width, 0.05) + 0.06
    for below in lines[number + 1 : number + 4]:
        if below.words[0].page != label.page or below.top - line.bottom > 2.2 * max(label.height, 0.008):
            return
        some = False
        for value, span in _values(name, below, 0, len(below.text)):
            at = below.place(*span)
            if left <= at.left + at.width and at.left <= right:
                some = True
                yield value, span, below
        if some:
            return


def _by_form(line: Line, witness: str, found: Found) -> None:
    """What is known by its form wherever it stands."""
    for pattern, read in _SUPPLIERS:
        for match in pattern.finditer(line.text):
            if value := read(match[0]):
                found.organisations.add(value)
                found.add("supplier", _candidate(value, line, match.span(), witness))
    for match in _IBAN.finditer(line.text):
        if value := checks.iban(match[0]):
            found.add("account", _candidate(f"IBAN:{value}", line, match.span(), witness))
    for match in _CURRENCY.finditer(line.text):
        found.add("currency", _candidate(match[1], line, match.span(), witness))
    for match in _COMPANY.finditer(line.text):
        found.add("supplier_name", _candidate(" ".join(match[0].split()), line, match.span(), witness))
    for match in _SLIP.finditer(line.text):
        _slip(match, line, witness, found)


def _slip(match: re.Match[str], line: Line, witness: str, found: Found) -> None:
    """The line of a Swedish payment slip: reference, crowns, öre, check digit, bankgiro (Bankgirot, OCR line)."""
    crowns, ore, check = match[2], match[3], match[4]
    reference, account = checks.ocr_reference(match[1]), checks.bankgiro(match[5])
    if not (reference and account and checks.luhn(crowns + ore + check)):
        return
    both = (witness, "payment slip")
    for name, value in (
        ("reference", reference),
        ("account", f"BG:{account}"),
        ("total", f"{int(crowns)}.{ore}"),
    ):
        place = line.place(*match.span())
        candidate = Candidate(value=value, shown=match[0][:80], witnesses=both, place=place, confidence=1.0)
        known = found.candidates.setdefault(name, [])
        known[:] = [one for one in known if one.value != value]
        known.insert(0, candidate)


def _date(text: str) -> str | None:
    found = checks.day(re.sub(r" ?([-./]) ?", r"\1", text))
    return found.isoformat() if found else None


def _amount(text: str) -> str | None:
    found = checks.amount(text)
    return None if found is None else f"{found:.2f}"


def _prefixed(prefix: str, read: Callable[[str], str | None]) -> Callable[[str], str | None]:
    def give(text: str) -> str | None:
        value = read(text)
        return f"{prefix}{value}" if value else None

    return give


def _reference(text: str) -> str | None:
    return checks.rf_reference(text) or checks.ocr_reference(text) or checks.finnish_reference(text) or checks.kid(text)


def _number(text: str) -> str | None:
    return text if 1 <= len(text) <= 30 and any(c.isdigit() for c in text) and checks.day(text) is None else None


def _person(text: str) -> str | None:
    plain = " ".join(text.split())
    return plain if 2 <= len(plain) <= 60 else None


_SUPPLIERS: Final = (
    (_SE_VAT, _prefixed("SE", checks.swedish_vat)),
    (_ORG, _prefixed("SE", checks.organisation)),
    (_NO_ORG, _prefixed("NO", lambda text: checks.norwegian(text) if "MVA" in text.upper() else None)),
    (_FI_ORG, _prefixed("FI", checks.finnish)),
    (_DK_ORG, _prefixed("DK", checks.danish)),
)
_FORMS: Final[dict[str, tuple[tuple[re.Pattern[str], Callable[[str], str | None]], ...]]] = {
    "number": ((_NUMBER, _number),),
    "issue_date": ((_DATE, _date),),
    "due_date": ((_DATE, _date),),
    "account": (
        (_IBAN, _prefixed("IBAN:", checks.iban)),
        (_BG, _prefixed("BG:", checks.bankgiro)),
        (_PG, _prefixed("PG:", checks.plusgiro)),
    ),
    "reference": ((_REFERENCE, _reference),),
    "net": ((_AMOUNT, _amount),),
    "vat": ((_AMOUNT, _amount),),
    "total": ((_AMOUNT, _amount),),
    "rounding": ((_AMOUNT, _amount),),
    "supplier": ((_ORG_BARE, _prefixed("SE", checks.organisation)),),
    "buyer_reference": ((re.compile(r"[A-ZÅÄÖ0-9][\wÅÄÖåäö.-]*(?: [\wÅÄÖåäö.-]+){0,3}"), _person),),
}
