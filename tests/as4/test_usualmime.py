"""The short way through MIME gives what the whole way gives, or nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from gateway.as4 import mime, usualmime
from gateway.as4.limits import LIMITS
from gateway.errors import UnreadableRequest
from tests.as4.as4_parts import CORPUS, recorded, vectors
from tests.as4.test_vectors import RECEIVER

SOAP = b"<e>" + b"x" * 60 + b"</e>"
PART = bytes(range(256)) + b"\r\n\r\n--\r\n"
TYPE, BODY = mime.write_message(SOAP, "part@x", PART, boundary="b-1", root_id="root@x")
Seen = tuple[bytes, list[tuple[str, str, bytes]]]


def seen(message: mime.Related[mime.Part]) -> Seen:
    return message.soap, [(part.content_id, part.media_type, bytes(part.content)) for part in message.parts]


def whole(content_type: str, body: bytes) -> Seen | None:
    try:
        return seen(mime.read_message(content_type, body, LIMITS))
    except UnreadableRequest:
        return None


def agree(content_type: str, body: bytes) -> bool:
    """Whether the short way gave a message; it is the one of the whole way then."""
    short = usualmime.read_message(content_type, body, LIMITS)
    if short is None:
        return False
    assert seen(short) == whole(content_type, body), (content_type, body)
    return True


def test_our_own_form_is_usual_and_the_next_one_needs_no_reading() -> None:
    assert agree(TYPE, BODY)
    before = usualmime._read_rest.cache_info().misses, usualmime._is_usual_type.cache_info().misses
    content_type, body = mime.write_message(SOAP, "other@x", PART, boundary="b'2", root_id="other.root@x")
    assert agree(content_type, body)
    assert agree(content_type, b"\r\n" + body) and not agree(content_type, b"\r\n\r\n" + body)
    assert before == (usualmime._read_rest.cache_info().misses, usualmime._is_usual_type.cache_info().misses)


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded messages (../shared/corpus/as4) are absent")
@pytest.mark.parametrize("folder", sorted(RECEIVER))
def test_what_foreign_access_points_send_is_usual(folder: str) -> None:
    entries = [recorded(folder, entry["name"]) for entry in vectors(folder)]
    usual = sum(agree(message.content_type, message.body) for message in entries)
    assert usual >= len(entries) // 2


@pytest.mark.parametrize(
    "octets", [b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b"--", b"x", b":", b">", b"<", b"\xe5"]
)
def test_octets_put_in_anywhere_end_as_in_the_whole_reading(octets: bytes) -> None:
    found = [agree(TYPE, BODY[:at] + octets + BODY[at:]) for at in range(len(BODY))]
    found += [agree(TYPE, BODY[:at] + octets + BODY[at + len(octets) :]) for at in range(len(BODY))]
    text = octets.decode("latin-1")
    found += [agree(TYPE[:at] + text + TYPE[at:], BODY) for at in range(len(TYPE))]
    assert False in found


def test_pieces_moved_doubled_or_left_out_end_as_in_the_whole_reading() -> None:
    source = random.Random(3)
    pieces = BODY.replace(b"\r\n", b"\r\n\0").split(b"\0")
    words = TYPE.replace("; ", "; \0").split("\0")
    for _ in range(4000):
        lines, parameters = list(pieces), list(words)
        for many in (lines, parameters):
            where, other = source.randrange(len(many)), source.randrange(len(many))
            match source.randrange(4):
                case 0:
                    del many[where]  # type: ignore[attr-defined]
                case 1:
                    many.insert(other, many[where])  # type: ignore[attr-defined]
                case 2:
                    many[where], many[other] = many[other], many[where]  # type: ignore[index]
                case _:
                    pass
        agree("".join(parameters), b"".join(lines))


@pytest.mark.parametrize(
    "content_type",
    [
        TYPE.replace("; start=", '; Start="<other@x>"; start='),
        TYPE.replace('start="<root@x>"', 'start="<part@x>"'),
        TYPE.replace('start="<root@x>"', 'start="<ro\\ot@x>"'),
        TYPE.replace('start="<root@x>"', 'x="; start=<"; start="<root@x>"'),
        TYPE.replace('boundary="b-1"', 'boundary="b-2"; x="b-1"'),
        TYPE.replace('boundary="b-1"', 'x="boundary="; boundary="b-1"'),
        TYPE.replace('boundary="b-1"', 'boundary="b-1"; boundary="b-1"'),
        TYPE.replace("multipart/related", "multipart/mixed"),
        TYPE + "; charset=x" * 400,
    ],
)
def test_a_strange_content_type_ends_as_in_the_whole_reading(content_type: str) -> None:
    agree(content_type, BODY)


def test_limits_hold_on_the_short_way_too() -> None:
    for limits in (
        replace(LIMITS, parts=1),
        replace(LIMITS, part_headers=2),
        replace(LIMITS, part_header_octets=20),
        replace(LIMITS, boundary=2),
        replace(LIMITS, content_type=20),
    ):
        assert usualmime.read_message(TYPE, BODY, limits) is None


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <part@x>",
        b"Content-Type: multipart/mixed\r\nContent-ID: <part@x>",
        b"Content-Type: application/xml\r\nContent-ID: <part@x>\r\nContent-ID: <part@x>",
        b"Content-Type: application/xml\r\ncontent-id: part@x",
        b"Content-Type: application/xml\r\nContent-ID: <part@x>y>",
        b"Content-Type: application/xml\r\n Content-ID: <part@x>",
        b"X: Content-ID: <part@x>",
    ],
)
def test_a_strange_head_ends_as_in_the_whole_reading(head: bytes) -> None:
    start = BODY.index(b"Content-Type: application/octet-stream")
    agree(TYPE, BODY[:start] + head + BODY[BODY.index(b"\r\n\r\n", start) :])
