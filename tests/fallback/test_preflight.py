"""The preflight: what it says in millimetres, and that an independent reader of the same PDF sees it alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from channel_parts import make_page

from benchmarks.letters import compare, killed
from gateway.fallback import _envelope
from gateway.fallback._preflight import inspect

LINES = ("Exempel AB", "Storgatan 1", "111 22 Stockholm")
RIGHT = _envelope.shipped("se-h2-c5")


def said(page: bytes, envelope: _envelope.Envelope = RIGHT, lines: tuple[str, ...] = LINES) -> list[str]:
    return [f"{fault.rule}: {fault.text}" for fault in inspect(page, envelope, lines, most=100)[1]]


def test_a_good_letter_has_no_fault_and_another_envelope_says_how_far_it_is_out() -> None:
    assert said(make_page()) == []
    [first, *_] = said(make_page(), _envelope.shipped("de-din5008b-c6-5"))
    assert first.startswith("address: the address line “Exempel AB” is not inside the window's address box: move it ")
    assert "mm left" in first and "mm down" in first


def test_what_else_stands_in_the_window_is_named_with_the_shortest_way_out() -> None:
    more = "#place(top + left, dx: 95mm, dy: 53mm)[Hemligt]"
    [fault] = said(make_page(more=more))
    assert fault.startswith("window: “Hemligt” at 115/72 mm can be seen in the window: move it ")
    assert fault.endswith("mm down")


def test_an_address_that_is_not_there_is_missed() -> None:
    [fault] = said(make_page(address=LINES[:2]))
    assert fault == "address: the address line “111 22 Stockholm” does not stand on the first page as it should"


def test_text_that_cannot_be_seen_is_found() -> None:
    import io

    import pypdf
    from pypdf.generic import DecodedStreamObject, NameObject

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_page()))
    page = writer.pages[0]
    font = next(iter(page["/Resources"]["/Font"]))
    hidden = DecodedStreamObject()
    hidden.set_data(f"BT 3 Tr {font} 12 Tf 100 300 Td <0001> Tj ET".encode())
    page[NameObject("/Contents")] = pypdf.generic.ArrayObject([page.raw_get("/Contents"), writer._add_object(hidden)])
    octets = io.BytesIO()
    writer.write(octets)
    assert any(fault.startswith("hidden: page 1 has text that cannot be seen") for fault in said(octets.getvalue()))


def test_too_many_sheets_are_told_with_the_envelope_s_number() -> None:
    assert said(make_page(17)) == ["sheets: 9 sheets; the envelope takes 8"]


@pytest.mark.parametrize("name", _envelope.known())
def test_every_envelope_is_whole(name: str) -> None:
    envelope = _envelope.shipped(name)
    assert envelope.window.holds(envelope.address) and envelope.source
    price = envelope.price(pages=2, sheets=1, colour=False, postage=envelope.default_postage)
    assert price is not None and price > 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ('{"window": 1}', "window of the envelope"),
        ('{"colur": 1}', "unknown key colur"),
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ("{}", "missing"),
    ],
)
def test_a_profile_that_cannot_be_used_says_why(tmp_path: Path, change: str, text: str) -> None:
    (tmp_path / "mine.json").write_text(change)
    with pytest.raises(ValueError, match=text):
        _envelope.load("mine.json", "SE", tmp_path)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_pdftotext_sees_the_same_in_each_of_some_letters() -> None:
    same, verdicts, differ = compare(25)
    assert same == 25, differ
    assert sum(number for verdict, number in verdicts.items() if verdict.endswith(": good")) >= 5
    assert all(not verdict.startswith("good: ") or verdict == "good: good" for verdict in verdicts)
    assert len(verdicts) >= 3


def test_a_batch_killed_at_random_loses_no_letter_and_prints_none_twice() -> None:
    assert killed(60, 2, seed=3) == (2, 0, 0)
