"""The files inside a document: each is found, in a tree as in a stream, however sloppily it is written."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gateway.files.spool import Writing
from gateway.model.octets import Octets, Spooled
from gateway.ubl import attached
from gateway.ubl.attached import Attached

CONTENT = bytes(range(256)) * 40
CODED = base64.b64encode(CONTENT).decode()


def document(*objects: str, encoding: str = "utf-8") -> bytes:
    """An invoice with these elements in it."""
    inside = "".join(f"<r><a>{one}</a></r>" for one in objects)
    text = f'<?xml version="1.0" encoding="{encoding}"?><Invoice xmlns:cbc="urn:cbc">{inside}<ID>å</ID></Invoice>'
    return text.encode(encoding)


def element(text: str, more: str = ' mimeCode="application/pdf" filename="a&amp;b.pdf"') -> str:
    return f"<cbc:EmbeddedDocumentBinaryObject{more}>{text}</cbc:EmbeddedDocumentBinaryObject>"


@pytest.fixture(params=["tree", "stream"])
def as_octets(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    def give(octets: bytes) -> Octets:
        if request.param == "tree":
            return octets
        with Writing(tmp_path / "document") as writing:
            writing.write(octets)
            written: Spooled = writing.done()
        return written

    return give


@pytest.mark.parametrize(
    "text",
    [
        CODED,
        "\n  ".join(CODED[at : at + 76] for at in range(0, len(CODED), 76)),
        CODED.replace("A", "&#65;", 50).replace("B", "&#x42;", 50),
        f"{CODED[:100]}<!-- > ]]> -->{CODED[100:]}",
        f"<![CDATA[{CODED}]]>",
        CODED.rstrip("="),
        CODED.replace("+", "-").replace("/", "_"),
        f"{CODED[:33]}!?{CODED[33:]}",
    ],
    ids=["plain", "lines", "references", "comment", "cdata", "no padding", "url safe", "other signs"],
)
def test_however_it_is_written_its_octets_are_the_same(as_octets, text: str) -> None:  # type: ignore[no-untyped-def]
    octets = as_octets(document(element(text)))
    assert attached.may_have(octets)
    (one,) = attached.read(octets)
    assert one.octets == CONTENT and one.media_type == "application/pdf"


def test_each_is_found_in_its_order_and_those_of_other_syntaxes(as_octets) -> None:  # type: ignore[no-untyped-def]
    cii = '<ram:AttachmentBinaryObject xmlns:ram="urn:r" mimeCode="x/y">QQ==</ram:AttachmentBinaryObject>'
    nested = "<EmbeddedDocumentBinaryObject>Qg==</EmbeddedDocumentBinaryObject>"
    octets = as_octets(document(element("Q0M=", ""), cii, nested, "<cbc:EmbeddedDocumentBinaryObject/>"))
    found = list(attached.read(octets))
    assert [one.octets for one in found] == [b"CC", b"A", b"B", b""]
    assert found[1] == Attached(media_type="x/y", octets=b"A")


def test_what_follows_padding_is_seen_too(as_octets) -> None:  # type: ignore[no-untyped-def]
    (one,) = attached.read(as_octets(document(element(f"QQ=={CODED}"))))
    assert one.octets == b"A" + CONTENT


def test_one_above_the_limit_is_told_of_without_its_octets(as_octets) -> None:  # type: ignore[no-untyped-def]
    octets = as_octets(document(element(CODED), element("QQ==")))
    large, small = attached.read(octets, largest=1_000)
    assert (large.octets, small.octets) == (None, b"A")


def test_no_sign_in_an_attribute_moves_what_is_read(as_octets) -> None:  # type: ignore[no-untyped-def]
    octets = as_octets(document(element(CODED, ' filename="a>QQ" mimeCode=\'b">QQ\'')))
    (one,) = attached.read(octets)
    assert (one.octets, one.name) == (CONTENT, "a>QQ")


def test_elements_inside_hide_nothing(as_octets) -> None:  # type: ignore[no-untyped-def]
    (one,) = attached.read(as_octets(document(element(f"<cbc:b>{CODED}</cbc:b>"))))
    assert one.octets in (CONTENT, None)


def test_a_document_without_its_attachments_is_the_same_but_for_them(as_octets) -> None:  # type: ignore[no-untyped-def]
    octets = as_octets(document(element(CODED, ' filename="a>b"'), "<r>kept</r>", element(CODED), "<BinaryObject/>"))
    bare = attached.bare(octets, largest=100_000)
    assert bare is not None and b"kept" in bare and (isinstance(octets, bytes) or len(bare) < 600)
    assert [one.octets for one in attached.read(bare)] in ([b"", b"", b""], [CONTENT, CONTENT, b""])
    assert attached.bare(octets, largest=100) is None


def test_other_encodings_hide_nothing() -> None:
    for encoding in ("utf-16", "iso-8859-1"):
        octets = document(element(CODED), encoding=encoding)
        assert attached.may_have(octets)
        (one,) = attached.read(octets)
        assert one.octets == CONTENT


def test_a_document_without_attachments_is_not_even_read() -> None:
    assert not attached.may_have(document())
    assert list(attached.read(document())) == []
    assert list(attached.read(b"<BinaryObject broken")) == [Attached(octets=None)], "nobody knows what is in it"
