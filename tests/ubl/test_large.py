"""What is too large for memory: the same answers as in memory, in a memory that stays small."""

from __future__ import annotations

import base64
import itertools
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import InvalidDocument, InvalidMessage
from gateway.files.spool import write_all
from gateway.model.document import Envelope
from gateway.security import safexml, streamxml
from gateway.security.safexml import UnsafeXml
from gateway.security.streamxml import MAX_MARKUP
from gateway.ubl import invoice, large, sbdh, schema, submission

LIMIT = 10**9


def walk(octets: Iterable[bytes]) -> None:
    reader = streamxml.Walk()
    for piece in octets:
        reader.feed(piece)
    reader.close()


def chunks(octets: bytes, size: int = 4096) -> Iterator[bytes]:
    return (octets[at : at + size] for at in range(0, len(octets), size))


def test_every_invoice_of_the_corpus_has_the_same_facts_and_verdict(corpus: Path, tmp_path: Path) -> None:
    checked = refused = 0
    for path in sorted(corpus.rglob("*.xml")):
        octets = path.read_bytes()
        file = write_all(tmp_path / f"{checked}", [octets])

        def new_file(name: str, number: int = checked) -> Path:
            return tmp_path / f"{number}.{name}"

        try:
            expected = submission.read_submission(octets).facts
        except InvalidDocument:
            expected = None
            refused += 1
        try:
            found = large.read_submission(file, new_file, limit=LIMIT).facts
        except InvalidDocument:
            found = None
        assert found == expected, path
        checked += 1
    assert checked > 100 and refused > 3


def test_spoiled_invoices_have_the_same_verdict(network: bytes, tmp_path: Path) -> None:
    chance = random.Random(5)
    number = 0
    for number in range(150):
        spoiled = safexml.parse(network)
        nodes = list(spoiled.iter(etree.Element))[1:]
        node = chance.choice(nodes)
        change = chance.randrange(4)
        if change == 0:
            node.getparent().remove(node)
        elif change == 1:
            node.text = chance.choice(["", "x", "2026-13-45", "1.0.0", "å" * 200])
        elif change == 2:
            node.getparent().append(node)
        else:
            node.set("schemeID", chance.choice(["0007", "9999", "EM", ""]))
        octets = etree.tostring(spoiled)
        file = write_all(tmp_path / f"{number}", [octets])
        outcomes: list[object] = []
        for read in (
            lambda: submission.read_submission(octets).facts,  # noqa: B023
            lambda: large.read_submission(file, lambda n: tmp_path / n, limit=LIMIT).facts,  # noqa: B023
        ):
            try:
                outcomes.append(read())
            except InvalidDocument as error:
                outcomes.append({finding.rule for finding in error.findings})
        assert outcomes[0] == outcomes[1], octets
    assert number == 149


def test_wrapping_is_the_same_octets(network: bytes, envelope: Envelope, tmp_path: Path) -> None:
    for number, document in enumerate((network, b"\xef\xbb\xbf" + network, network + b"\n\n", network[55:])):
        file = write_all(tmp_path / f"{number}", [document])
        assert b"".join(large.wrap(file, envelope)) == sbdh.wrap(document, envelope)


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "windows-1252"])
def test_other_encodings_are_written_in_utf_8(
    network: bytes, envelope: Envelope, tmp_path: Path, encoding: str
) -> None:
    text = network.decode().replace('encoding="UTF-8"', f'encoding="{encoding}"', 1)
    file = write_all(tmp_path / "body", [text.encode(encoding)])
    found = large.read_submission(file, lambda name: tmp_path / name, limit=LIMIT)
    assert found.facts == invoice.read(network)
    wrapped = b"".join(large.wrap(found.document, envelope))
    assert sbdh.unwrap(wrapped).document == sbdh.unwrap(sbdh.wrap(network, envelope)).document


def test_strange_encodings_are_refused(network: bytes, tmp_path: Path) -> None:
    text = network.replace(b'encoding="UTF-8"', b'encoding="UTF-7"', 1)
    with pytest.raises(InvalidDocument, match="must be in UTF-8"):
        large.read_submission(write_all(tmp_path / "body", [text]), lambda name: tmp_path / name, limit=LIMIT)


# --- what is left out of the check ------------------------------------------------------------------------------------


@given(st.integers(0, 400_000), st.sampled_from(["", "=", "!", "\n", "=x", "A"]), st.integers(0, 80), st.integers(0, 3))
def test_thinned_base64_is_valid_exactly_where_the_whole_is(length: int, end: str, width: int, odd: int) -> None:
    digits = base64.b64encode(random.Random(length).randbytes(length)).decode()
    digits = digits[: len(digits) - odd] + end
    if width > 20:
        line_end = "&#13;\n" if width % 2 else "\n"
        digits = line_end.join(digits[at : at + width] for at in range(0, len(digits), width))
    whole = f"<a>{digits}</a>".encode()
    thinned = b"".join(streamxml.thin(chunks(whole, 64 * 1024)))
    assert _is_base64(whole) == _is_base64(thinned)
    assert whole.count(b"\n") == thinned.count(b"\n")
    assert len(thinned) < 300_000 + whole.count(b"\n")


_BASE64 = etree.XMLSchema(
    etree.XML(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:base64Binary"/>'
        "</xs:schema>"
    )
)


def _is_base64(octets: bytes) -> bool:
    return bool(_BASE64.validate(safexml.parse(octets, huge=True)))


def test_nothing_but_long_base64_is_left_out(network: bytes) -> None:
    for octets in (network, b"<a>" + b"word " * 100_000 + b"</a>", b"<a>" + b"<b>QUJD</b>" * 50_000 + b"</a>"):
        assert b"".join(streamxml.thin(chunks(octets, 64 * 1024))).startswith(octets[:60_000])
    plain = b"<a>" + "åäö ".encode() * 100_000 + b"</a>"
    assert b"".join(streamxml.thin(chunks(plain, 64 * 1024))) == plain


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ([b"<a><!-- ", *[b"x" * 65536] * 40, b" --></a>"], "A tag, comment or the like"),
        ([b'<a b="', *[b"x" * 65536] * 40, b'"/>'], "A tag, comment or the like"),
        ([b"<a " + b" " * 65000, *[b" " * 65536] * 40, b"/>"], "A tag, comment or the like"),
        ([b"<a>" * 300], "nested"),
        ([b"<a>", *[b"<b/>" * 10_000] * (MAX_MARKUP // 10_000 + 1)], "too many elements"),
        ([b"<!DOCTYPE a><a/>"], "DOCTYPE"),
        ([b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'], "DOCTYPE"),
        ([b"<a>&x;</a>"], "undefined entity"),
        ([b"<a><x:b/></a>"], "unbound prefix"),
        ([b"<a>\xff</a>"], "invalid token"),
        ([b"<a></b>"], "mismatched tag"),
        ([b"<a>"], "no element found"),
        ([b""], "nothing in it"),
        (["<a/>".encode("utf-16")], "UTF-8"),
        ([b'<?xml version="1.0" encoding="latin-9"?><a/>'], "UTF-8"),
    ],
)
def test_what_is_not_read(octets: list[bytes], why: str) -> None:
    with pytest.raises(UnsafeXml, match=why):
        walk(octets)


@pytest.mark.parametrize(
    "octets", [b"<a><x:b/></a>", b'<a x:y=""/>', b'<a xmlns:p="u" xmlns:q="u" p:y="" q:y=""/>', b"<a>"]
)
def test_the_second_parser_is_as_strict_as_that_of_trees(octets: bytes) -> None:
    check = streamxml.Check()
    with pytest.raises(UnsafeXml, match="Not well-formed"):
        check.feed(octets)
        check.close()


def test_a_document_may_not_hide_its_end_from_one_of_the_parsers(envelope: Envelope, tmp_path: Path) -> None:
    for inner in (b"<A xmlns='urn:a'/></StandardBusinessDocument><x/>", b"<A xmlns='urn:a'><![CDATA[</A>]]>"):
        octets = sbdh.write_head(envelope) + inner + b"</StandardBusinessDocument>"
        with pytest.raises(InvalidMessage):
            large.unwrap(write_all(tmp_path / os.urandom(4).hex(), [octets]), tmp_path / "document", limit=LIMIT)


def test_the_header_must_be_at_the_beginning(envelope: Envelope, tmp_path: Path) -> None:
    head = sbdh.write_head(envelope).replace(b"<HeaderVersion>", b" " * large.MAX_HEAD + b"<HeaderVersion>")
    octets = head + b"<A xmlns='urn:a'/></StandardBusinessDocument>"
    with pytest.raises(InvalidMessage, match="have more than 1048576 octets"):
        large.unwrap(write_all(tmp_path / "envelope", [octets]), tmp_path / "document", limit=LIMIT)


def lines_of(network: bytes, count: int) -> Iterator[bytes]:
    """The invoice with its first line very often."""
    start, end = network.index(b"<cac:InvoiceLine>"), network.index(b"</cac:InvoiceLine>") + len(b"</cac:InvoiceLine>")
    yield network[:start]
    yield from itertools.repeat(network[start:end], count)
    yield network[end:]


def test_many_lines_are_read_in_little_memory(network: bytes, tmp_path: Path) -> None:
    file = write_all(tmp_path / "body", lines_of(network, 20_000))
    assert file.size > 15_000_000
    schema.load()
    before = _resident()
    found = large.read_submission(file, lambda name: tmp_path / name, limit=LIMIT)
    assert found.facts == invoice.read(network)
    assert _resident() - before < 24


def test_a_mistake_in_the_last_of_many_lines_is_found(network: bytes, tmp_path: Path) -> None:
    octets = b"".join(lines_of(network, 3_000)).replace(b"</Invoice>", b"<cbc:ID>no</cbc:ID></Invoice>")
    with pytest.raises(InvalidDocument) as refusal:
        large.read_submission(write_all(tmp_path / "body", [octets]), lambda name: tmp_path / name, limit=LIMIT)
    (finding,) = refusal.value.findings
    assert finding.rule == "XSD" and "not allowed here" in finding.message


def test_too_much_outside_the_lines_is_refused(network: bytes, tmp_path: Path) -> None:
    notes = b"<cbc:Note>n</cbc:Note>" * (streamxml.MAX_NODES * 2)
    octets = network.replace(b"<cbc:Note>", notes + b"<cbc:Note>", 1)
    with pytest.raises(InvalidDocument, match="elements and attributes beside its lines"):
        large.read_submission(write_all(tmp_path / "nodes", [octets]), lambda name: tmp_path / name, limit=LIMIT)
    octets = network.replace(b"<cbc:Note>", b"<cbc:Note>" + "å ".encode() * 600_000, 1)
    with pytest.raises(InvalidDocument, match="is not Base64"):
        large.read_submission(write_all(tmp_path / "text", [octets]), lambda name: tmp_path / name, limit=LIMIT)


def _resident() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError


@pytest.mark.parametrize("encoding", ["iso-8859-12", "iso-8859-99", "windows-1259"])
def test_an_encoding_that_does_not_exist_is_a_fault_of_the_sender(tmp_path: Path, encoding: str) -> None:
    file = write_all(tmp_path / "file", [f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode()])
    with pytest.raises(InvalidMessage, match="not in"):
        large.unwrap(file, tmp_path / "document", limit=LIMIT)
    with pytest.raises(InvalidDocument, match="not in"):
        large.read_submission(file, lambda name: tmp_path / f"handed-{name}", limit=LIMIT)
