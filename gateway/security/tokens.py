"""Return addresses that nobody can guess: a document's id with a code that only we can make.

``b+ID-CODE@bounce_domain`` is the envelope sender of one mail; the same token is its Message-ID and its ENVID. What
comes back is about that document only when the code is right. It is 80 bits of HMAC-SHA-256 (RFC 2104), in letters that
survive a mail server which changes their case.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Final

from gateway.files import make_directory, safe_name
from gateway.model.identifiers import DocumentId

_CODE: Final = 16
_LONGEST_NAME: Final = 45
"""With ``b+``, the dash and the code an address has no more than 64 octets before the @ (RFC 5321, 4.5.3.1.1)."""
_TOKEN: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{_LONGEST_NAME}}}-[a-z2-7]{{{_CODE}}}", re.ASCII)
_PURPOSE: Final = b"return address "


class Tokens:
    """Makes and reads them; the key is that of one gateway, all of whose nodes have the same."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, id: DocumentId) -> str:
        """The token of a document: letters, digits, dots and dashes, at most 62 of them."""
        name = safe_name(id)
        name = name if len(name) <= _LONGEST_NAME and name.isascii() else safe_name(f"/{name}")[:_LONGEST_NAME]
        return f"{name}-{self._code(name)}"

    def read(self, token: str) -> DocumentId | None:
        """The document, or None for a token that we have not made."""
        name, _, code = token.rpartition("-")
        if not _TOKEN.fullmatch(f"{name}-{code.lower()}"):
            return None
        return DocumentId(name.lower()) if hmac.compare_digest(self._code(name), code.lower()) else None

    def _code(self, name: str) -> str:
        digest = hmac.digest(self._key, _PURPOSE + name.lower().encode(), "sha256")
        return base64.b32encode(digest[: _CODE * 5 // 8]).decode().lower()


def read_key(file: Path) -> bytes:
    """The key of this file, which is made at its first use: 32 random octets, readable by nobody else.

    Raises ``OSError``, ``ValueError`` for a file that is no key, ``PermissionError`` for one that others can read.
    """
    if not file.exists():
        make_directory(file.parent, mode=0o700)
        _make(file)
    if file.stat().st_mode & 0o077:
        raise PermissionError(f"{file} can be read by others; run: chmod 600 {file}")
    key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    if len(key) < 32:
        raise ValueError(f"{file} holds no key of 32 octets")
    return key


def _make(file: Path) -> None:
    """Whole or not at all, and of two processes that do it at once the first one's stays."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
