"""New identifiers of documents: they begin with the time, so that the store's indexes grow at their end."""

from __future__ import annotations

import secrets
from datetime import datetime

from gateway.model.identifiers import DocumentId


def new_document_id(now: datetime) -> DocumentId:
    """A UUID of version 7 (RFC 9562 5.7) in 32 hexadecimal digits: 48 bits of milliseconds, 74 of chance."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    chance = secrets.randbits(74)
    value = milliseconds << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1
    return DocumentId(f"{value:032x}")
