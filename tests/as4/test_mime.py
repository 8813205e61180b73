"""The MIME reader: what honest stacks write, what nobody may write, and what we write."""

from __future__ import annotations

import base64
import time

import pytest

from gateway.as4.limits import LIMITS
from gateway.as4.mime import read_media_type, read_message, write_message
from gateway.errors import UnreadableRequest

TYPE = 'multipart/related; boundary="b"; type="application/soap+xml"'
ROOT = b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<e/>"
GOOD = ROOT + b"\r\n--b\r\nContent-ID: <p@x>\r\n\r\n\x00part\r\n\xff\r\n--b--\r\n"


def read(body: bytes, content_type: str = TYPE) -> tuple[bytes, list[tuple[str, bytes]]]:
    message = read_message(content_type, body, LIMITS)
    return message.soap, [(part.content_id, bytes(part.content)) for part in message.parts]


def test_a_part_is_everything_between_its_boundaries() -> None:
    assert read(GOOD) == (b"<e/>", [("p@x", b"\x00part\r\n\xff")])


def test_what_is_written_is_read() -> None:
    part = bytes(range(256)) * 9
    content_type, body = write_message(b"<e/>", "p@x", part, boundary="as4-0", root_id="r@x")
    assert read(body, content_type) == (b"<e/>", [("p@x", part)])
    assert body.count(b"\n") == body.count(b"\r\n") + part.count(b"\n")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related;boundary=b",
        "Multipart/RELATED; BOUNDARY=b",
        'multipart/related; type="application/soap+xml"; start-info="x"; boundary="b"',
        'multipart/related ; boundary="b" ;',
        'multipart/related; boundary="\\b"',
        'multipart/related; start="<unknown@x>"; boundary=b',
    ],
)
def test_the_forms_of_content_type_are_read(content_type: str) -> None:
    assert read(GOOD, content_type)[1] == [("p@x", b"\x00part\r\n\xff")]


@pytest.mark.parametrize("boundary", ["uuid:d0a3-b9", "----=_Part_0_1.2", "a b", "(x)+y/z?", "b" * 70])
def test_the_forms_of_boundaries_are_read(boundary: str) -> None:
    body = GOOD.replace(b"--b", b"--" + boundary.encode())
    assert read(body, f'multipart/related; boundary="{boundary}"')[0] == b"<e/>"


def test_preamble_epilogue_and_padding_are_let_be() -> None:
    for body in (
        b"\r\n" + GOOD,
        b"This is MIME.\r\n" + GOOD,
        GOOD + b"the end",
        GOOD[:-2],
        GOOD[:-2] + b" epilogue",
        GOOD.replace(b"--b\r\n", b"--b \t\r\n"),
    ):
        assert read(body) == (b"<e/>", [("p@x", b"\x00part\r\n\xff")])


def test_headers_may_be_folded_bare_or_absent() -> None:
    for headers, content_id in (
        (b"Content-ID:\r\n <p@x>", "p@x"),
        (b"CONTENT-ID: p@x", "p@x"),
        (b"content-id: <p@x>\r\nContent-Description: a\r\n b", "p@x"),
        (b"X: y", ""),
    ):
        assert read(ROOT + b"\r\n--b\r\n" + headers + b"\r\n\r\np\r\n--b--")[1] == [(content_id, b"p")]
    assert read(b"--b\r\n\r\n<e/>\r\n--b--") == (b"<e/>", [])
    assert read(b"--b\r\n\r\n\r\n--b--") == (b"", [])


def test_base64_is_read_and_other_encodings_are_not() -> None:
    def with_encoding(encoding: bytes, content: bytes) -> bytes:
        return ROOT + b"\r\n--b\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content + b"\r\n--b--"

    coded = base64.encodebytes(bytes(range(200))).replace(b"\n", b"\r\n")
    assert read(with_encoding(b"BASE64", coded))[1] == [("", bytes(range(200)))]
    for name in (b"binary", b"8bit", b"7bit"):
        assert read(with_encoding(name, b"=41"))[1] == [("", b"=41")]
    for name, content in ((b"quoted-printable", b"=41"), (b"gzip", b""), (b"base64", b"!"), (b"base64", b"AAA")):
        with pytest.raises(UnreadableRequest):
            read(with_encoding(name, content))


def test_a_bare_envelope_is_a_message_without_parts() -> None:
    assert read(b"<e/>", "application/soap+xml; charset=UTF-8") == (b"<e/>", [])
    with pytest.raises(UnreadableRequest):
        read(b"<e/>", "application/soap+xml; charset=iso-8859-1")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("text/plain", 415),
        ("multipart/mixed; boundary=b", 415),
        ("multipart", 415),
        ("multipart/related", 400),
        ('multipart/related; boundary=""', 400),
        ('multipart/related; boundary="b', 415),
        ("multipart/related; boundary=b; boundary=b", 415),
        ("multipart/related; boundary=" + "b" * 71, 400),
        ('multipart/related; boundary="b\x01"', 400),
        ('multipart/related; boundary="b "', 400),
        ("multipart/related; boundary=b; x=" + "y" * 5000, 400),
        ('multipart/related; start="<p@x>"; boundary=b', 400),
    ],
)
def test_a_bad_content_type_is_refused(content_type: str, status: int) -> None:
    with pytest.raises(UnreadableRequest) as raised:
        read(GOOD, content_type)
    assert raised.value.status == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--",
        b"--b",
        GOOD.replace(b"\r\n", b"\n"),
        GOOD[:-6],
        GOOD[: GOOD.index(b"\x00part")],
        GOOD.replace(b"part\r\n", b"part\r\n--bb\r\n"),
        GOOD.replace(b"Content-ID: <p@x>\r\n\r\n", b"Content-ID: <p@x>\r\n"),
        GOOD.replace(b"Content-ID", b"Content ID"),
        GOOD.replace(b"Content-ID: <p@x>", b"Content-ID"),
        GOOD.replace(b"<p@x>", b"<p@x>\r\nContent-ID: <q@x>"),
        GOOD.replace(b"<p@x>", b"<p@x>\nX: y"),
        GOOD.replace(b"<p@x>", b"<p\x00@x>"),
        GOOD.replace(b"<p@x>", b"<p@x>\r\nContent-Type: Multipart/mixed; boundary=c"),
        GOOD.replace(b"soap+xml", b"octet-stream"),
        GOOD.replace(b"soap+xml", b"soap+xml; charset=utf-16"),
        GOOD.replace(b"<p@x>", b"<p@x>\r\n" + b"X: y\r\n" * 40 + b"Z: z"),
        GOOD.replace(b"<p@x>", b"x" * 9000),
        ROOT + b"\r\n--b\r\n\r\n" * 11 + b"--b--",
    ],
)
def test_a_damaged_body_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableRequest):
        read(body)


def test_a_hundred_thousand_parts_cost_nothing() -> None:
    body = ROOT + b"\r\n--b\r\n\r\nx" * 100_000 + b"\r\n--b--"
    started = time.process_time()
    with pytest.raises(UnreadableRequest, match="10 MIME parts"):
        read(body)
    assert time.process_time() - started < 0.05


def test_parameters_are_unquoted_once() -> None:
    assert read_media_type('a/B; X="q\\"\\\\;"; y=z').parameters == {"x": 'q"\\;', "y": "z"}
    assert read_media_type("A/b").name == "a/b"
