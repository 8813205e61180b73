"""New identifiers of documents: they begin with the time, so that the store's indexes grow at their end."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Final

from gateway.model.identifiers import DocumentId


def new_document_id(now: datetime) -> DocumentId:
    """A UUID of version 7 (RFC 9562 5.7) in 32 hexadecimal digits: 48 bits of milliseconds, 74 of chance."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    chance = os.urandom(10).hex()
    return DocumentId(f"{milliseconds:012x}7{chance[:3]}{_VARIANT[chance[3]]}{chance[4:19]}")


_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""Two bits that say which UUID it is, and two of chance."""
