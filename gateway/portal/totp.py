"""Codes of a device: TOTP (RFC 6238) over HOTP (RFC 4226) with SHA-1, six digits, thirty seconds, as every app has it.

Ten lines of the standard library: what libraries offer says whether a code fits, not which time step it is of, and
without that a code could be taken twice (RFC 6238, 5.2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from datetime import datetime
from typing import Final
from urllib.parse import quote

STEP: Final = 30
"""Seconds for which a code is shown."""
DIGITS: Final = 6
DRIFT: Final = 1
"""Steps that a device's clock may be off, either way. Source: RFC 6238, 6."""
RECOVERY_CODES: Final = 10
_RECOVERY_LENGTH: Final = 16
"""Letters and digits of base32: 80 random bits, which nobody guesses from a hash."""


def new_key() -> bytes:
    """160 random bits, as RFC 4226 (R6) recommends."""
    return secrets.token_bytes(20)


def step_of(moment: datetime) -> int:
    """The number of the time step."""
    return int(moment.timestamp()) // STEP


def code_of(key: bytes, step: int) -> str:
    """What a device with this key shows during that step."""
    digest = hmac.digest(key, struct.pack(">Q", step), "sha1")
    place = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[place : place + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def fitting_step(key: bytes, code: str, now: datetime) -> int | None:
    """The latest step around now that shows this code, or None."""
    here, fitting = step_of(now), None
    for step in range(here - DRIFT, here + DRIFT + 1):  # (all of them, so that the time says nothing)
        if hmac.compare_digest(code_of(key, step).encode(), code.encode()):
            fitting = step
    return fitting


def as_text(key: bytes) -> str:
    """The key for typing it in: base32 in groups of four."""
    return in_groups(base64.b32encode(key).decode().rstrip("="))


def address_of(key: bytes, name: str, issuer: str) -> str:
    """What the picture says: ``otpauth://`` as authenticator apps read it."""
    text = base64.b32encode(key).decode().rstrip("=")
    label = f"{quote(issuer, safe='')}:{quote(name, safe='')}"
    return f"otpauth://totp/{label}?secret={text}&issuer={quote(issuer, safe='')}"


def new_recovery_codes() -> tuple[str, ...]:
    """Codes for the day on which the device is lost, each for one time."""
    return tuple(
        in_groups(base64.b32encode(secrets.token_bytes(_RECOVERY_LENGTH * 5 // 8)).decode(), "-")
        for _ in range(RECOVERY_CODES)
    )


def in_groups(text: str, between: str = " ") -> str:
    """Four and four, so that people can read it aloud."""
    return between.join(text[at : at + 4] for at in range(0, len(text), 4))


def read_code(text: str) -> str:
    """What somebody has typed, without what stands between: six digits, a recovery code, or empty text."""
    bare = text.replace(" ", "").replace("-", "").replace("\N{NO-BREAK SPACE}", "").upper()
    if not (bare.isascii() and bare.isalnum()) or len(bare) not in (DIGITS, _RECOVERY_LENGTH):
        return ""
    if len(bare) == DIGITS:
        return bare if bare.isdigit() else ""
    return bare.translate(_MISREAD)


_MISREAD: Final = str.maketrans("018", "OIB")
"""Digits that base32 does not have, and the letters they were read from."""


def hash_of(code: str, person: str) -> str:
    """What the store keeps of a recovery code."""
    return hashlib.sha256(f"recovery {person} {read_code(code)}".encode()).hexdigest()
