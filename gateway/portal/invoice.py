"""The document as its receiver reads it: the same rows as on the PDF page, for HTML."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.errors import InvalidDocument, NotFound
from gateway.files.spool import in_memory
from gateway.model.message import Direction, PayloadKind
from gateway.ubl.invoice import facts_of, open_document
from gateway.ubl.page_basis import Row
from gateway.ubl.page_data import page_data
from gateway.ubl.page_words import Language
from gateway.ubl.submission import read_submission

if TYPE_CHECKING:
    from gateway.model.message import Message
    from gateway.ports import Store

LARGEST: Final = 4_000_000
"""Octets of a document that is shown as a page; larger ones are for downloading."""
SHOWN_LINES: Final = 200


async def read_invoice(store: Store, message: Message, language: Language) -> Row | None:
    """What stands on the page, or None where the document is no invoice, too large, or erased."""
    if message.size > LARGEST:
        return None
    try:
        octets = await store.payload(message.id, PayloadKind.DOCUMENT)
        return await asyncio.to_thread(_read, octets, message.direction, language)
    except (NotFound, InvalidDocument):
        return None


def _read(octets: bytes, direction: Direction, language: Language) -> Row:
    document = in_memory(read_submission(octets).document) if direction is Direction.OUT else octets
    root = open_document(document)
    rows = page_data(root, facts_of(root), language)
    return rows | {"more": max(0, len(rows["lines"]) - SHOWN_LINES), "lines": rows["lines"][:SHOWN_LINES]}
