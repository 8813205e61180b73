"""Signing what we send, as Standard Webhooks 1.0 has it: whoever holds the secret knows that it came from us, whole.

Signed are id, time and body (``ID.SECONDS.BODY``) by HMAC-SHA256. With two secrets each message carries two signatures,
so that the receiver can change over at any moment in between. Source: standardwebhooks.com, "Signature scheme". Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
MOST: Final = 4
"""Secrets side by side; two are enough to change from one to the next."""
_LEAST_OCTETS: Final = 24
_MOST_OCTETS: Final = 64


def read_secrets(text: str) -> tuple[bytes, ...]:
    """Read ``whsec_…`` secrets, separated by blanks or lines. Raises ``ValueError`` that never shows a secret."""
    words = text.split()
    if not 1 <= len(words) <= MOST:
        raise ValueError(f"must hold one secret, or the new one and the old one (at most {MOST}), each on a line")
    return tuple(_read_secret(word, place) for place, word in enumerate(words, start=1))


def sign(secrets: Sequence[bytes], *, id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Give the three headers of a message that is sent at this time (seconds since 1970)."""
    signed = f"{id}.{seconds}.".encode() + body
    marks = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def _read_secret(word: str, place: int) -> bytes:
    if not word.startswith(PREFIX):
        raise ValueError(f"secret {place} does not begin with {PREFIX}")
    try:
        secret = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"secret {place} is not base64 after {PREFIX}") from None
    if not _LEAST_OCTETS <= len(secret) <= _MOST_OCTETS:
        raise ValueError(f"secret {place} must have {_LEAST_OCTETS} to {_MOST_OCTETS} octets, not {len(secret)}")
    return secret
