"""The only XML parser: what it refuses, and that it never opens anything."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gateway.security import safexml
from gateway.security.safexml import UnsafeXml, parse


def test_ordinary_xml_is_parsed() -> None:
    assert parse(b'<?xml version="1.0" encoding="UTF-8"?><a b="1">\xc3\xa5</a>').text == "å"


def test_an_external_entity_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("money")
    document = f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}">]><a>&e;</a>'.encode()
    with pytest.raises(UnsafeXml, match="DOCTYPE"):
        parse(document)


@pytest.mark.parametrize("unit", [b"<a/>", b"<a b='' c=''/>"])
def test_a_tree_that_would_fill_the_memory_is_not_built(monkeypatch: pytest.MonkeyPatch, unit: bytes) -> None:
    monkeypatch.setattr(safexml, "MAX_NODES", 1_000)
    parse(b"<r>" + unit * 300 + b"</r>")
    with pytest.raises(UnsafeXml, match="too many elements"):
        parse(b"<r>" + unit * 1_000 + b"</r>")


def test_three_million_elements_are_counted_before_a_tree_is_built() -> None:
    octets = b"<r>" + b"<a/>" * 3_000_000 + b"</r>"
    before = _resident()
    with pytest.raises(UnsafeXml, match="too many elements"):
        parse(octets, huge=True)
    assert _resident() - before < 16


def _resident() -> float:
    """MB of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" " * 5_000, b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("blanks", [1, 5_000])
@pytest.mark.parametrize("name", ["utf-7", "UTF7", "iso-2022-jp", "hz", "cp037", "shift_jis", "", "x" * 5_000])
def test_an_encoding_in_which_markup_cannot_be_counted_is_refused(before: bytes, blanks: int, name: str) -> None:
    """In UTF-7 the sign for an element can be written without the octet that is counted."""
    head = before + b'<?xml version="1.0"' + b" " * blanks + f'encoding="{name}"?>'.encode()
    with pytest.raises(UnsafeXml):
        parse(head + b"<x>" + b"+ADw-a/+AD4-" * 3 + b"</x>")


@pytest.mark.parametrize(
    "encoding", ["UTF-8", "UTF-16", "utf-16-le", "ISO-8859-1", "ISO-8859-15", "US-ASCII", "windows-1252"]
)
def test_the_usual_encodings_are_read(encoding: str) -> None:
    octets = f'<?xml version="1.0" encoding="{encoding}"?><a b="1">{"" if "ASCII" in encoding else "å"}</a>'.encode(
        encoding
    )
    assert parse(octets).get("b") == "1"


def test_an_entity_bomb_is_refused_at_once() -> None:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    document = f'<!DOCTYPE a [<!ENTITY l0 "x">{levels}]><a>&l11;</a>'.encode()
    started = time.process_time()
    with pytest.raises(UnsafeXml):
        parse(document)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "octets",
    [b"", b"   ", b"text", b"<a>", b"<a></b>", b"<a/><b/>", b"\x00<a/>", b"<a>\xff</a>", b"<a>" * 300 + b"</a>" * 300],
)
def test_what_is_not_well_formed_or_too_deep_is_refused_with_a_reason(octets: bytes) -> None:
    with pytest.raises(UnsafeXml) as caught:
        parse(octets)
    assert str(caught.value)


@pytest.mark.parametrize("octets", [b"<a><!-- x --></a>", b"<a><?x y?></a>", b"<!-- x --><a/>", b"<a/><?x y?>"])
def test_comments_and_instructions_are_refused_where_they_could_hide_text(octets: bytes) -> None:
    parse(octets)
    with pytest.raises(UnsafeXml):
        parse(octets, comments=False)


def test_a_large_text_is_read_only_where_it_was_asked_for() -> None:
    octets = b"<a>" + b"x" * 11_000_000 + b"</a>"
    with pytest.raises(UnsafeXml):
        parse(octets)
    assert len(parse(octets, huge=True).text or "") == 11_000_000


@pytest.mark.parametrize(
    "octets",
    [
        b"<s:a><b xmlns='x'/></s:a>",
        b"<a><s:b/><c xmlns='#y'/></a>",
        b"<a><b s:c='1'/><d xmlns='x'/></a>",
        b"<a:b:c xmlns:a='u:x'><d xmlns='x'/></a:b:c>",
        b"<a xmlns:xml='u:x'><b xmlns='y'/></a>",
    ],
)
def test_a_prefix_that_nobody_declared_is_refused_also_before_a_warning(octets: bytes) -> None:
    """A namespace that is no absolute address is a warning of libxml2; whatever came before it counts all the same."""
    with pytest.raises(UnsafeXml, match="Not well-formed"):
        parse(octets)
    assert parse(b"<a xmlns='x'><b xmlns='#y'/></a>").tag == "{x}a"
