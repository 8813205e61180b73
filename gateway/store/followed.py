"""The timeline as whoever follows it reads it: a piece at a time, behind a cursor.

The cursor is a ``setting`` and moves in the commit of what is made of the piece. A piece is read beforehand, outside
the writer; when another process has moved the cursor meanwhile, nothing is written. So each row is followed once,
whoever is killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Integer, bindparam, literal_column, select, update

from gateway.store import tables
from gateway.store.happened import UNSETTLED
from gateway.store.operation_tables import setting
from gateway.store.session import Session, Statement, insertion
from gateway.store.tables import instant_text, json_text

_AT: Final = Statement(select(setting.c.value).where(setting.c.name == bindparam("of_name")), ("of_name",))
_BEGIN: Final = insertion(setting)
_MOVE: Final = Statement(
    update(setting)
    .where(setting.c.name == bindparam("of_name"), setting.c.value == bindparam("before"))
    .values(value=bindparam("after"))
    .returning(setting.c.name),
    ("after", "of_name", "before"),
)
_ROWS: Final = Statement(
    select(tables.event.c.number, tables.event.c.time)
    .where(tables.event.c.number > bindparam("after"))
    .order_by(tables.event.c.number)
    .limit(bindparam("most", type_=Integer))
    .offset(literal_column("0")),
    ("after", "most"),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of the timeline after a number, up to one that has it."""

    after: int
    last: int
    rows: int


def next_piece(session: Session, cursor: str, most: int, now: datetime) -> Piece:
    """What comes after the cursor; only rows before which none can still appear."""
    at = session.fetch(_AT, (cursor,))
    after = int(at[0][0]) if at else 0
    rows = session.fetch(_ROWS, (after, most))
    count = len(rows)
    if not session.in_order:
        unsettled = instant_text(now - UNSETTLED)
        count = next((place for place, row in enumerate(rows) if row[1] > unsettled), count)
    return Piece(after, rows[count - 1][0] if count else after, count)


def move(session: Session, cursor: str, piece: Piece) -> bool:
    """Move the cursor to the end of the piece; False when somebody else has moved it."""
    if piece.after:
        return bool(session.fetch(_MOVE, (json_text(piece.last), cursor, json_text(piece.after))))
    session.alone([cursor])
    if session.fetch(_AT, (cursor,)):
        return False
    session.write(_BEGIN, [(cursor, json_text(piece.last))])
    return True
