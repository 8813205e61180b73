"""Erasing what came in on paper and as PDF: the file, what was read of it, the pictures of its fields.

It goes with the document that it became or repeats, and by the period of payloads. The row stays bare, so that the same
file is still known; it goes with the keys of its document. What waits for a reader or a person is never erased, but for
a PDF that is attached to a document: that goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, or_, select, update

from gateway.model.scan import ScanState
from gateway.store import tables
from gateway.store.scan_tables import scan, scan_crop

_FINISHED: Final = (ScanState.ACCEPTED, ScanState.REFUSED, ScanState.DUPLICATE)
_PICTURE: Final = "picture"
"""The hold of a PDF that is attached to a document, and in it all the same."""
_BARE: Final[dict[str, Any]] = {
    "octets": None,
    "file": "",
    "fields": {},
    "evidence": [],
    "sender": "",
    "file_name": "",
    "reason": "Erased",
    "reason_sv": "Raderad",
}


def old(before: datetime | None, finished: ColumnElement[bool]) -> Select[Any]:
    """Ids of finished scans older than that, with those of their documents that are not ``finished`` left out."""
    wanted = select(scan.c.id).where(or_(scan.c.state.in_(_FINISHED), scan.c.hold == _PICTURE), _there())
    if before is None:
        return wanted.where(scan.c.id.is_(None))
    known = tables.message.c
    busy = exists().where(known.id == scan.c.document, ~(finished & (known.updated < before)))
    return wanted.where(scan.c.created < before, scan.c.updated < before, ~busy)


def erase(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Erase these; gives the files that nobody names now."""
    mine = scan.c.id.in_(ids)
    files = connection.execute(select(scan.c.file).where(mine, scan.c.file != "")).scalars().all()
    connection.execute(delete(scan_crop).where(scan_crop.c.scan.in_(ids)))
    connection.execute(update(scan).where(mine).values(**_BARE))
    asked = update(scan).where(mine, scan.c.state == ScanState.REVIEW)  # about a document that is gone now
    connection.execute(asked.values(state=ScanState.REFUSED, hold=""))
    return list(files)


def of_documents(connection: Connection, documents: Sequence[str]) -> list[str]:
    """Ids of the finished scans of these documents, and of those that repeat them; and of PDFs attached to them."""
    theirs = or_(scan.c.state.in_(_FINISHED), scan.c.hold == _PICTURE)
    wanted = select(scan.c.id).where(scan.c.document.in_(documents), theirs)
    return list(connection.execute(wanted).scalars())


def forget(connection: Connection, documents: Sequence[str]) -> list[str]:
    """The rows too; gives the files."""
    ids = of_documents(connection, documents)
    files = erase(connection, ids)
    connection.execute(delete(scan).where(scan.c.id.in_(ids)))
    return files


def _there() -> ColumnElement[bool]:
    return scan.c.octets.is_not(None) | (scan.c.file != "")
