"""Mail as values: addresses, and what came back of a mail that we sent.

Sources: RFC 5321 (addresses), RFC 3464 (delivery status), RFC 5965 (complaints), RFC 3834 (automatic answers).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

import idna

from gateway.model.identifiers import DocumentId

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

Kind = Literal["hard", "soft", "delay", "delivered", "auto-reply", "complaint", "reply", "unclear"]
"""``hard``: the address is no good; ``soft``: given up, though the address may be good (full mailbox, no server for
days); ``delay``: still tried by a mail server; ``unclear``: a bounce that says neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What came back of one mail."""

    document: DocumentId
    """Which it was about, by a token of ours."""
    kind: Kind
    address: str = ""
    """Whom the mail server tried, where it says so."""
    status: str = ""
    """``5.1.1`` (RFC 3463), where there is one."""
    words: str = ""
    """What it said, one line."""
    reporter: str = ""
    """Which mail server says so."""
    octets: bytes = b""
    """The mail that came back: the proof."""

    @property
    def failed(self) -> bool:
        """Whether the mail will not arrive any more."""
        return self.kind in ("hard", "soft")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail that is ready to be sent."""

    octets: bytes
    recipient: str
    sender: str = ""
    """Envelope sender; empty for answers, so that nobody answers them (RFC 3834 section 3.3)."""


def read_address(text: str) -> str:
    """Read exactly one mail address and give it in ASCII (IDNA 2008); raises ``ValueError`` with a clause."""
    address = text.strip()
    shown = f'"{clean(address, 80)}"'
    if len(address) > 254 or any(c.isspace() or not c.isprintable() for c in address) or address.count("@") != 1:
        raise ValueError(f"{shown} is not one e-mail address")
    local, domain = address.split("@")
    if not local.isascii():
        raise ValueError(f"{shown} has other letters than a to z before the @, which few mail servers take")
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        raise ValueError(f"{shown} is not one e-mail address")
    result = f"{local}@{read_domain(domain)}"
    if len(result) > 254:
        raise ValueError(f"{shown} is longer than 254 characters")
    return result


def read_domain(text: str) -> str:
    """Read a domain with at least two labels and give it in ASCII; raises ``ValueError`` with a clause."""
    try:
        domain = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        domain = ""
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f'"{clean(text, 80)}" is not a domain')
    return domain


def clean(text: str, limit: int) -> str:
    """One line without control, direction and other invisible characters, at most ``limit`` long.

    Nor does it hold the start of an encoded word (RFC 2047): the standard library would decode it, line ends and all.
    """
    visible = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text[: limit * 4]
    )
    line = " ".join(visible.replace("=?", "= ?").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
