"""Reading a mail of a stranger: under limits, and never failing for what a header holds.

Sources: RFC 5322, RFC 2045 to 2047.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from typing import Final

from gateway.model.mail import clean, read_address

MOST_PARTS: Final = 100
MOST_DEPTH: Final = 8
_MOST_HEAD: Final = 256_000
"""Octets of the head; those of real mails with many signatures have 30,000."""
_MOST_BOUNDARIES: Final = 2_000
_MULTIPART: Final = re.compile(rb"(?i)(?:multipart|message)/[a-z0-9-]+")
_MOST_MULTIPARTS: Final = 60


class Unreadable(ValueError):
    """The mail is beyond a limit; the text says which."""


def read_mail(octets: bytes) -> Message:
    """Parse a mail. Raises :class:`Unreadable`; what is merely wrong in it is read as far as possible."""
    head = re.search(rb"\r?\n\r?\n", octets[: _MOST_HEAD + 4])
    if head is None and len(octets) > _MOST_HEAD:
        raise Unreadable(f"its head has more than {_MOST_HEAD:,} octets")
    if octets.count(b"\n--") > _MOST_BOUNDARIES or len(_MULTIPART.findall(octets)) > _MOST_MULTIPARTS:
        raise Unreadable("it has too many parts")
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    for number, _ in enumerate(parts(message)):
        if number >= MOST_PARTS:
            raise Unreadable(f"it has more than {MOST_PARTS} parts")
    return message


def parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Every part, the mail itself first. Raises :class:`Unreadable` for parts in parts in parts."""
    if depth > MOST_DEPTH:
        raise Unreadable(f"its parts are nested more than {MOST_DEPTH} deep")
    yield message
    payload = message.get_payload()
    if isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from parts(part, depth + 1)


def header(message: Message, name: str, limit: int = 500) -> str:
    """One header as people read it: decoded, one line, no invisible characters; empty where there is none."""
    raw = message.get(name)
    return "" if raw is None else decoded(str(raw), limit)


def decoded(raw: str, limit: int = 500) -> str:
    """Text with encoded words as people read it."""
    try:
        pieces = [
            piece if isinstance(piece, str) else piece.decode(charset or "ascii", "replace")
            for piece, charset in decode_header(raw[: limit * 8])
        ]
    except (LookupError, ValueError, TypeError, MessageError):
        pieces = [raw]
    text = "".join(pieces).encode("utf-8", "replace").decode("utf-8", "replace")
    return clean(text, limit)


def address_in(text: str) -> str:
    """The one address in a header such as ``Name <a@b.example>``, or empty text."""
    inside = re.search(r"<([^<>]{3,254})>\s*$", text)
    try:
        return read_address(inside[1] if inside else text.strip())
    except ValueError:
        return ""


def text_of(part: Message, limit: int = 20_000) -> str:
    """The text of a part, as far as it can be read."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content[:limit].decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content[:limit].decode("latin-1")


def is_automatic(message: Message) -> bool:
    """Whether a machine wrote it, so that nobody should answer (RFC 3834 section 2)."""
    said = header(message, "Auto-Submitted").lower()
    if said and not said.startswith("no"):
        return True
    if header(message, "Precedence").lower() in ("bulk", "list", "junk", "auto_reply"):
        return True
    named = ("List-Id", "List-Unsubscribe", "List-Post", "X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Loop")
    return any(name in message for name in named)
