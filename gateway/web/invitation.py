"""How somebody is let in for the first time: the name that they are known by, and a code that works once.

The store keeps the hash of a code, as of every secret of 256 random bits.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Final

CODE_HOLDS: Final = timedelta(days=7)
_NAME: Final = re.compile(r"[^\s/\\\x00-\x1f<>\"'`]{2,120}")


def read_name(text: str) -> str:
    """The name as it is kept, in small letters; empty for what cannot be one."""
    name = text.strip().casefold()
    return name if _NAME.fullmatch(name) else ""


def code_path(code: str) -> str:
    """Where a one-time code is used up. As a parameter: those are not logged."""
    return f"/welcome?code={code}"


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What the store keeps of a session or a code."""
    return hashlib.sha256(secret.encode()).hexdigest()
