"""The readable page of a document: PDF/A-3 with the document itself inside, for mail, letter and API.

One template (``page.typ``) and what stands on it (``page_data.py``). The PDF is made by typst, which comes with the
extra ``pdf``; without system fonts and with the issue date as time stamp, so that the same document gives the same
octets. Takes 20 ms and more: call it off the event loop. Source: ISO 19005-3 (PDF/A-3b).
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lxml import etree

from gateway.errors import ChannelUnavailable
from gateway.model.document import Company, Facts
from gateway.ubl.invoice import facts_of, open_document
from gateway.ubl.names import MAX_DOCUMENT, find_all
from gateway.ubl.page_code import payment_code
from gateway.ubl.page_data import page_data
from gateway.ubl.page_words import Language

_FONTS: Final = "font_source_sans_pro"
"""A package with fonts of the extra ``pdf``; without it the page is set in typst's own Libertinus."""
_MISSING: Final = re.compile(r'the text `?"(.+?)"`? could not be displayed')
_ESCAPED: Final = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
"""How typst names a character that has no shape of its own."""
_TRIES: Final = 4
"""Each is a whole page made in vain: a second and 100 MB for 2,000 lines."""
_INSTEAD: Final = "□"
_FAR: Final = re.compile("[\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef\U00010000-\U0010ffff]")
"""Scripts that no font here has."""
_NOT_SURE: Final = re.compile(
    "[^\u0000-\u017f\u0391-\u03a1\u03a3-\u03c9\u0410-\u044f\u200b\u2013-\u201e\u2022\u2026\u20ac\u2212□]"
)
"""All but what every font here has."""
LAYOUT: Final[Mapping[str, object]] = {
    "window": {"x": 105, "y": 45, "width": 90, "height": 35},
    "address": {"x": 107, "y": 47, "width": 86, "height": 31},
    "return_line": {"x": 105, "y": 39.5, "width": 90, "height": 5},
    "cover": False,
    "code": False,
}
"""A C5 envelope with its window on the right. Millimetres from the upper left corner."""
_UNDATED: Final = date(2000, 1, 1)


def render(
    octets: bytes,
    *,
    root: etree._Element | None = None,
    facts: Facts | None = None,
    language: Language | None = None,
    limit: int = MAX_DOCUMENT,
    layout: Mapping[str, object] | None = None,
) -> bytes:
    """Make the PDF/A-3 page of an invoice or credit note, with ``octets`` attached unchanged.

    ``layout`` holds the boxes of an envelope in millimetres (``window``, ``address``, ``return_line``), ``code`` for a
    code to pay with, and ``cover`` for a first sheet without the lines, which stand on pages of the sender's own
    behind it; left out: a right window.
    ``root`` and ``facts`` save reading them again; ``language`` is chosen by :func:`language_of` when left out.
    Raises :class:`InvalidDocument` when it is no UBL invoice, :class:`ChannelUnavailable` without typst.
    """
    typst = _typst()
    root = open_document(octets, limit=limit) if root is None else root
    facts = facts_of(root) if facts is None else facts
    data = page_data(root, facts, language or language_of(facts, root))
    data["layout"] = {**LAYOUT, **(layout or {})}
    if data["layout"]["code"] and data["pay"]["owed"]:
        data["code"]["svg"] = payment_code(root, facts)
    document, is_text = _as_text(octets)
    data["attachment"] = {"name": _file_name(facts), "text": is_text}
    return _compile(typst, data, document, facts.issue_date or _UNDATED)


def language_of(facts: Facts, root: etree._Element | None = None) -> Language:
    """Swedish when the document's notes say so or both companies are Swedish, else English.

    A company whose country the document does not tell counts as Swedish when the other one is.
    """
    for note in find_all(root, "cbc:Note"):
        said = note.get("languageID", "").lower()[:2]
        if said in ("sv", "en"):
            return "sv" if said == "sv" else "en"
    countries = {_country(facts.seller), _country(facts.buyer)} - {""}
    return "sv" if countries == {"SE"} else "en"


def _country(company: Company) -> str:
    """The company's country, from its numbers where it has no address."""
    return company.country or ("SE" if company.legal_id_scheme == "0007" else company.vat_id[:2].upper())


def _compile(typst: ModuleType, data: dict[str, Any], document: str, issued: date) -> bytes:
    """Run the template; characters that no font has are replaced, since PDF/A must not show them as nothing."""
    data["replaced"] = False
    encoded = json.dumps(data, ensure_ascii=False)
    stamp = datetime.combine(issued, time(), UTC)
    for attempt in range(_TRIES + 1):
        try:
            made: bytes = typst.compile(
                _template(),
                font_paths=_fonts(),
                ignore_system_fonts=True,
                sys_inputs={"data": encoded, "document": document},
                pdf_standards="a-3b",
                timestamp=stamp,
            )
            return made
        except typst.TypstError as error:
            missing = _MISSING.search(error.message)
            if missing is None or attempt == _TRIES:
                raise
            data["replaced"] = True
            encoded = _without(json.dumps(data, ensure_ascii=False), missing[1], attempt)
            data = json.loads(encoded)
    raise AssertionError("the loop returns or raises")


def _without(encoded: str, missing: str, attempt: int) -> str:
    """Replace the characters that were named, with their blocks; at the last try everything that may be missing."""
    if attempt == _TRIES - 1:
        return _NOT_SURE.sub(_INSTEAD, encoded)
    if attempt == 0:
        encoded = _FAR.sub(_INSTEAD, encoded)
    named = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), missing)
    for block in {ord(character) & ~0x7F for character in named} - {0}:
        within = re.compile(f"[{chr(block)}-{chr(block | 0x7F)}]")
        encoded = within.sub(lambda found: _INSTEAD if _NOT_SURE.match(found[0]) else found[0], encoded)
    return encoded


def _as_text(octets: bytes) -> tuple[str, bool]:
    """The document as text for typst: UTF-8, or one character for each octet where it is not."""
    try:
        return octets.decode(), True
    except UnicodeDecodeError:
        return octets.decode("latin-1"), False


def _file_name(facts: Facts) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", facts.number)[:60].strip("-.")
    return f"{facts.kind.lower()}-{safe or 'document'}.xml"


@cache
def _template() -> bytes:
    return resources.files("gateway.ubl").joinpath("page.typ").read_bytes()


@cache
def _fonts() -> object:
    """The fonts, read once: a sixth of the time of a page."""
    return _typst().Fonts(include_system_fonts=False, font_paths=list(_font_paths()))


def _font_paths() -> tuple[str, ...]:
    spec = importlib.util.find_spec(_FONTS)
    places = (spec.submodule_search_locations or ()) if spec else ()
    return tuple(str(Path(place, "files")) for place in places)


def _typst() -> ModuleType:
    try:
        import typst
    except ImportError:
        raise ChannelUnavailable(
            "The readable page cannot be made: typst is not installed.",
            remedy="Run: pip install 'access-point-gateway[pdf]'",
        ) from None
    module: ModuleType = typst
    return module
