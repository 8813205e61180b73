"""MIME: the first two octets choose a Content-Type, the rest is the body."""

from __future__ import annotations

from gateway.as4.limits import LIMITS
from gateway.as4.mime import read_media_type, read_message
from tests.fuzz.seeds import OURS, kit

TYPES = ('multipart/related; boundary="b"', "multipart/related; boundary=b; start=x", "application/soap+xml", "")


def seeds() -> list[bytes]:
    body = kit().good.body
    boundary = body[2 : body.index(b"\r\n")]
    plain = body.replace(boundary, b"b")
    folded = b"\0\0--b\r\nA: b\r\n c\r\n\r\nx\r\n--b\r\nContent-ID: <a>\r\n\r\ny\r\n--b--"
    return [
        b"\0\0" + plain,
        b"\1\0" + plain,
        b"\2\0<a/>",
        b"\4\x20" + kit().good.content_type.encode() + b"\n" + body,
        folded,
    ]


def fuzz(data: bytes) -> None:
    kind, rest = data[:1], data[2:]
    if kind == b"\4":
        head, _, rest = rest.partition(b"\n")
        content_type = head.decode("latin-1")
    else:
        content_type = TYPES[(kind or b"\0")[0] % len(TYPES)]
    try:
        read_media_type(content_type)
        message = read_message(content_type, rest, LIMITS)
    except OURS:
        return
    assert len(message.parts) < LIMITS.parts
    assert sum(len(part.content) for part in message.parts) + len(message.soap) <= len(rest)
