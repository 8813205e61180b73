"""Every sentence of the gateway that a person may read has its Swedish, found by reading the sources and the pages."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.portal.reasons import in_swedish, read_reasons
from gateway.portal.words import knows
from tests.portal.conftest import Site
from tests.portal.pages import OPEN, PAGES

SOURCES = Path(__file__).parents[2] / "gateway"
NO_READER = re.compile(
    r"gateway/(?:store/(?:backup|restoring|moving|migrations|turns|whole|opening|postgres)|smp/(?:server|writing|zone|publisher)"
    r"|security/(?:authority|tls|keys)|as4/(?!msh|client)|sml/|upkeep|app|server|cli/|network/|config/|pki/|serving/|discovery"
    r"|registers|scanners|__main__|web/|portal/(?:oidc|provider)|judging/(?:official|expanding|pack|reach|reading|schematron)"
    r"|mailbox/|errors)"
)
"""What those say is read by the operator at a terminal, by a program (API) or by another operator's."""
NOT_SHOWN = {"ConfigurationError", "UnreadableRequest", "StateError", "LostLease", "InvalidMessage", "NotFound"}
"""Errors that become no reason: a page that is not there has its own words."""
SAYS_WHY = {"Event", "TimelineEntry", "Handover", "LetterStep", "Letter", "Submitted", "Message", "Unreachable",
            "Deferred", "Seen", "Answer", "Reach", "Checked", "Said", "Returned", "after", "replace"}  # fmt: skip
"""Calls whose ``reason``, ``text`` or ``en`` is a sentence about a document, a letter or a counterpart."""
WITH_REMEDY = {"Conflict", "InvalidDocument", "InvalidAddress"}
"""Refusals of what a person did: the page tells how to mend it too."""


@dataclass(frozen=True)
class Sentence:
    """A sentence as the source has it, ``{}`` for each value."""

    text: str
    place: str


def _errors() -> set[str]:
    tree = ast.parse((SOURCES / "errors.py").read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)} - NOT_SHOWN | {"CallFailed"}


def _texts(node: ast.expr, known: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (text for one in (body, orelse) for text in _texts(one, known, depth))
        case ast.BoolOp(values=values):
            yield from (text for one in values for text in _texts(one, known, depth))
        case ast.Name(id=name) if depth < 3:
            yield from (text for one in known.get(name, ()) for text in _texts(one, known, depth + 1))
        case _:
            return


def _given(body: list[ast.stmt] | ast.AST) -> dict[str, list[ast.expr]]:
    """What names stand for, where they are given a value."""
    found: dict[str, list[ast.expr]] = {}
    nodes = body if isinstance(body, list) else ast.walk(body)
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    for name, value in zip(target.elts, node.value.elts, strict=False):
                        if isinstance(name, ast.Name):
                            found.setdefault(name.id, []).append(value)
    return found


def sentences() -> list[Sentence]:
    """All that our sources say to people, each once."""
    errors, found = _errors(), dict[str, Sentence]()
    for file in sorted(SOURCES.rglob("*.py")):
        place = file.relative_to(SOURCES.parent).as_posix()
        if NO_READER.match(place):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
            known = _given(tree.body) | _given(function)
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                for one in _said(call, errors, place):
                    for text in _texts(one, known):
                        if re.search(r"[A-Za-z]{2}", text.replace("{}", "")):
                            found.setdefault(text, Sentence(text, f"{place}:{one.lineno}"))
    return list(found.values())


def _said(call: ast.Call, errors: set[str], place: str) -> Iterator[ast.expr]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name in errors:
        yield from call.args[1:2] if name == "PeerRefused" else call.args[:1]
    if name in ("Problem", "bad_request") and place.startswith("gateway/portal/"):
        yield from call.args[1:2]
    if name == "after":
        yield from call.args[1:2]
    for keyword in call.keywords:
        if (name in SAYS_WHY and keyword.arg in ("reason", "text", "en")) or (
            name in WITH_REMEDY and keyword.arg == "remedy"
        ):
            yield keyword.value


def _bare(template: str) -> str:
    return re.sub(r"\{\w+\}", "{}", template)


def test_every_sentence_that_our_sources_say_has_its_swedish() -> None:
    said = sentences()
    assert len(said) > 350, "the sources are read"
    known = {_bare(english) for english in read_reasons()}
    known |= {one[:1].swapcase() + one[1:] for one in known}
    missing = [f"{one.place}: {one.text}" for one in said if one.text not in known]
    assert not missing, "words/reasons has no Swedish for\n" + "\n".join(missing)


def test_both_sentences_have_the_same_values() -> None:
    for english, swedish in read_reasons().items():
        of = [sorted(re.findall(r"\{(\w+)\}", text)) for text in (english, swedish)]
        assert of[0] == of[1], english
        assert len(set(of[0])) == len(of[0]), english


def test_every_event_of_a_timeline_has_its_word() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py"))
    events = set(re.findall(r"(?:Event\(\s*name=|\bevent=)\"([A-Z][A-Za-z]+)\"", text))
    assert {"Sent", "Sending", "Acknowledged"} <= events
    assert not {one for one in events if not knows(f"event.{one}")}


def test_no_sentence_is_taken_for_another() -> None:
    for english, swedish in read_reasons().items():
        names = re.findall(r"\{(\w+)\}", english)
        values = {name: "e-mail" if name == "channel" else f"x{place}" for place, name in enumerate(names)}
        said = values | {name: "e-post" for name in names if name == "channel"}
        expected = re.sub(r"\{(\w+)\}", lambda slot, said=said: said[slot[1]], swedish)
        text = re.sub(r"\{(\w+)\}", lambda slot, values=values: values[slot[1]], english)
        assert in_swedish(text) == expected, english


@pytest.mark.parametrize(
    ("english", "swedish"),
    [
        (
            "E-mail because 0007:5567212047 is not registered: the SML zone sml.test says NXDOMAIN; "
            "no letter: the receiver's postal address has no city and no name",
            "E-post, för 0007:5567212047 är inte registrerad: SML-zonen sml.test säger NXDOMAIN; "
            "inte brev: mottagarens postadress saknar ort och namn",
        ),
        (
            "Not possible within 5 days. Last: the SMP smp.example:443 gave no usable answer: no answer within 5 s",
            "Det gick inte inom 5 dagar. Senast: SMP:n smp.example:443 gav inget användbart svar: inget svar inom 5 s",
        ),
        (
            "The e-mail came back: a@example.org: the address takes no mail: 5.1.1 No such user (says mx.example)",
            "E-posten kom tillbaka: a@example.org: adressen tar inte emot e-post: "
            "5.1.1 No such user (enligt mx.example)",
        ),
        (
            "No way is left: a@example.org: a mail came back on 2026-11-01 (550 gone); no letter: it is switched off",
            "Ingen väg återstår: a@example.org: ett mejl kom tillbaka 2026-11-01 (550 gone); "
            "inte brev: den vägen är avslagen",
        ),
        (
            "Our rules keep it from C4: not valid: 2 fatal of 3 findings, first BR-CO-10",
            "Våra regler håller den från ert system: inte giltig: 2 fel av 3 anmärkningar, först BR-CO-10",
        ),
        ("Put back to work by the receiver", "Återupptagen av the receiver"),
        ("550 5.1.1 User unknown in virtual mailbox table",) * 2,
        ("",) * 2,
        ("; ; : . , " * 900,) * 2,
    ],
)
def test_a_kept_sentence_is_taken_apart_and_said_in_swedish(english: str, swedish: str) -> None:
    assert in_swedish(english) == swedish


def test_a_hostile_sentence_costs_no_time() -> None:
    before = time.process_time()
    for text in ("a: " * 660, "; no letter: " * 150, "The e-mail came back: " * 90, "{x}; because " * 150):
        in_swedish(text[:2_000])
    assert time.process_time() - before < 2


class Swedish(HTMLParser):
    """What of a page is said in English: marked as such, or unmarked and full of English words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.depth = 0
        self.marked: list[str] = []
        self.unmarked: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            named = "code" in (values.get("class") or "").split() or tag == "code"
            self._open.append("code" if named else values.get("lang") or "")
        for name in ("title", "alt", "placeholder", "aria-label", "data-word", "content"):
            self._read(values.get(name) or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "en" in self._open:
            self.marked += [data.strip()] if data.strip() else []
        elif "code" not in self._open:
            self._read(data)

    def _read(self, text: str) -> None:
        for foreign in FOREIGN:
            text = text.replace(foreign, "")
        if ENGLISH & set(re.findall(r"[a-z']+", text.lower())):
            self.unmarked.append(text.strip())


VOID = {
    "area",
    "base",
    "br",
    "col",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
    "path",
    "rect",
    "circle",
    "line",
}
ENGLISH = frozenset(re.findall(r"[a-z']+", """
    the and was were with which cannot because your you this that from has have not are been it's its
    within valid receipt days waits sent delivered refused received unknown nothing letter mail
    receiver sender"""))  # fmt: skip


FOREIGN = ("English", "550 no such user", "5.1.1 mx.kund.example", "The receiver does not take this document type")
"""What others have said is shown as they said it: mail servers, access points; and each language has its own name."""


async def test_no_page_says_anything_in_english_to_who_reads_swedish(site: Site) -> None:
    visitor = await site.visitor("admin@exempel.example")
    for path in (*(page.at(site.documents) for page in PAGES), "/documents/none", "/statistics/basis?month=x", *OPEN):
        reader = Swedish()
        reader.feed((await visitor.get(path)).text)
        assert not reader.unmarked, (path, reader.unmarked)
        foreign = [text for text in reader.marked if text not in FOREIGN]
        assert not foreign, (path, foreign)
