"""Findings in words: both languages say something about every rule, with the same figures."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from importlib.resources import files

import pytest

from gateway.model.document import Finding
from gateway.security import safexml
from gateway.ubl.rules import svrl
from gateway.ubl.rules.judge import Rulebook
from gateway.ubl.rules.pack import load, releases
from gateway.ubl.rules.sentences import LANGUAGES, _figure
from tests.ubl.ubl_parts import changed, example


def _words(language: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((files("gateway.ubl.rules") / "words" / f"{language}.toml").read_text("utf-8"))


def test_both_languages_have_the_same_sentences_with_the_same_figures() -> None:
    english, swedish = _words("en"), _words("sv")
    shape = {
        (part, key): set(re.findall(r"{\w+}", text)) for part, rows in english.items() for key, text in rows.items()
    }
    assert shape == {
        (part, key): set(re.findall(r"{\w+}", text)) for part, rows in swedish.items() for key, text in rows.items()
    }


def test_no_sentence_speaks_of_a_rule_that_no_pack_has() -> None:
    known = {rule for release in releases() for rule in load(*release).rules}
    words = _words("en")
    assert set(words["rules"]) | set(words["what"]) <= known


@pytest.mark.parametrize(("language", "shown"), [("en", "1,250.50"), ("sv", "1 250,50")])
def test_a_figure_is_written_as_people_write_it(language: str, shown: str) -> None:
    assert _figure(Decimal("1250.5"), language) == shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_what_is_wrong_and_what_to_do(language: str) -> None:
    document = changed(example("network"), ("19662.20<", "19662.70<"))
    book = Rulebook(language=language)
    messages = {f.rule: f.message for f in book.verdict(document, safexml.parse(document)).findings}
    sums, remedy = {
        "en": ("6 lines sum to 19,662.20, the total says 19,662.70.", "Correct LineExtensionAmount (BT-106)"),
        "sv": ("6 rader summerar till 19 662,20, totalen säger 19 662,70.", "Rätta LineExtensionAmount (BT-106)"),
    }[language]
    assert messages["BR-CO-10"].startswith(f"{sums} {remedy}")


def test_a_report_for_tools_names_rule_place_and_severity() -> None:
    finding = Finding(rule="BR-02", location="/Invoice/cbc:ID", message="a < b")
    report = safexml.parse(svrl.write([finding], "x.xml"))
    failed = report.find(f"{{{svrl.SVRL}}}failed-assert")
    assert failed is not None
    assert (failed.get("id"), failed.get("flag"), failed.get("location")) == ("BR-02", "fatal", "/*:Invoice/cbc:ID")
    assert failed.findtext(f"{{{svrl.SVRL}}}text") == "a < b"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "− paid (not given) + rounding 0.16 =",
                "its rate (BT-152) is not given; write 0.",
                "An empty value is no",
            ),
        ),
        (
            "sv",
            ("− betalt (saknas) + avrundning 0,16 =", "skattesatsen (BT-152) saknas; skriv 0.", "Ett tomt värde är"),
        ),
    ],
)
def test_what_is_not_given_is_said_so(language: str, words: tuple[str, ...]) -> None:
    whole = example("network")
    told = [
        finding.message
        for octets in (
            whole.replace(b">24651.00<", b">24652.00<"),
            re.sub(rb"<cbc:ID>S</cbc:ID>\s*<cbc:Percent>25</cbc:Percent>", b"<cbc:ID>Z</cbc:ID>", whole),
            whole.replace(b">5567987606</cbc:EndpointID>", b"></cbc:EndpointID>"),
        )
        for finding in Rulebook(language=language).verdict(octets, safexml.parse(octets)).findings
    ]
    for sentence in words:
        assert any(sentence in message for message in told), told
    assert not any(sign in message for message in told for sign in "\x00\x01")
