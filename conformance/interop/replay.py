"""Recorded requests once more: octet for octet, or with one thing changed on the way."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from conformance.interop.programs import InteropError

_SIGNATURE: Final = re.compile(rb"<((?:[\w.-]+:)?)Signature[\s>].*?</\1Signature\s*>", re.DOTALL)
_MESSAGE_ID: Final = re.compile(rb"(<(?:[\w.-]+:)?MessageId>\s*)([0-9a-f])")
_ERROR: Final = re.compile(rb"<(?:[\w.-]+:)?Error\b[^>]*?\berrorCode=\"(EBMS:\d{4})\"")
_DETAIL: Final = re.compile(rb"<(?:[\w.-]+:)?ErrorDetail[^>]*>([^<]*)<")


def replay(url: str, recorded: bytes) -> tuple[int, bytes]:
    """Post a recorded request; gives HTTP status and body of the answer."""
    head, _, body = recorded.partition(b"\r\n\r\n")
    lines = (line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:])
    kept = {"content-type", "message-id", "mime-version"}
    headers = {name: value.strip() for name, _, value in lines if name.lower() in kept}
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.request("POST", address.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def verdict(status: int, body: bytes) -> str:
    """``receipt``, the ebMS error with its detail, or the HTTP status."""
    if b"NonRepudiationInformation" in body:
        return "receipt"
    code, detail = _ERROR.search(body), _DETAIL.search(body)
    if code:
        return f"{code[1].decode()} {detail[1].decode(errors='replace') if detail else ''}".strip()
    return f"HTTP {status}"


def recorded_verdict(response: bytes) -> str:
    """The same for a recorded answer."""
    head, _, body = response.partition(b"\r\n\r\n")
    return verdict(int(head.split(b" ", 2)[1]), body)


def with_other_payload(recorded: bytes) -> bytes:
    """One octet of the encrypted part is another."""
    place = recorded.rindex(b"\r\n--") - 40
    return recorded[:place] + bytes([recorded[place] ^ 1]) + recorded[place + 1 :]


def with_other_message_id(recorded: bytes) -> bytes:
    """The signed header names another message."""
    found = _MESSAGE_ID.search(recorded)
    if not found:
        raise InteropError("the recorded request has no MessageId that begins with a hexadecimal digit")
    other = b"e" if found[2] != b"e" else b"d"
    return recorded[: found.start(2)] + other + recorded[found.end(2) :]


def without_signature(recorded: bytes) -> bytes:
    """The signature is gone."""
    text, found = _SIGNATURE.subn(b"", recorded, count=1)
    if not found:
        raise InteropError("the recorded request has no signature")
    return text


def cut_short(recorded: bytes) -> bytes:
    """The last fifth is missing."""
    return recorded[: len(recorded) * 4 // 5]


CHANGES: Final[dict[str, tuple[Callable[[bytes], bytes], str]]] = {
    "altered payload": (with_other_payload, "EBMS:0102"),
    "altered header": (with_other_message_id, "EBMS:0101"),
    "unsigned": (without_signature, "EBMS:0103"),
    "cut short": (cut_short, "HTTP 400"),
}
"""What is changed on the way, and how the answer begins."""
