"""The search among documents: an index of words that makes it quick. Words are found by their beginning.

Words are entered behind the timeline, a little at a time, like costs (``money.py``): a cursor says up to which row, and
moves in the commit that writes the words, so that no document waits for them. A search asks the index for the rarest of
its words, adds what has happened since the cursor, and judges those few by the same rule as without an index. Where
every word is common the newest documents are read on until a page is full; where the index is far behind (a store of an
earlier release) all are, and a word is found in the middle of another too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, or_, select, tuple_

from gateway.model.identifiers import AccountId
from gateway.ports import Clock
from gateway.store import tables
from gateway.store.followed import Piece, move, next_piece
from gateway.store.operation_tables import setting
from gateway.store.reads import Reads
from gateway.store.search_tables import document_word
from gateway.store.session import Session, Statement, insertion
from gateway.store.words import CUT, ID, IDS, WHOLE, exactly, forms, parts, words_of
from gateway.store.writer import Writer

CURSOR: Final = "search cursor"
FEW: Final = 1_000
"""Documents that are looked at one by one; of a word that more have, the newest are read on instead."""
BEHIND: Final = 4_000
"""Rows of the timeline that may be younger than the index; with more of them it is of no use yet."""
_LAST: Final = "\U0010ffff"
_of: Final = tables.message.c
_READ: Final = tuple(_of[name] for name in ("account", "direction", *WHOLE, *IDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Implements :class:`~gateway.ports.Search`, whatever the database."""

    reads: Reads
    writer: Writer
    clock: Clock

    async def advance(self, limit: int) -> int:
        now = self.clock.now()
        piece = await self.reads.look(partial(next_piece, cursor=CURSOR, most=limit, now=now))
        if not piece.rows:
            return 0
        return piece.rows if await self.writer.do(enter, piece) else 0


def candidates(connection: Connection, account: AccountId, words: Sequence[str]) -> list[str] | None:
    """The few documents that may have all of these, so that each can be looked at; None where they are not few.

    ``words`` are case-folded words of a search. The index is asked for each part of each, and the rarest is taken.
    """
    asked = [some for word in words if (some := [parts(form) for form in forms(word)]) and all(some)]
    if not asked:
        return None
    recent = _recent(connection)
    if recent is None:
        return None
    best: list[str] | None = None
    for ways in asked:
        found = _rarest(connection, account, ways)
        if found is not None and (best is None or len(found) < len(best)):
            best = found
    cut = _with(connection, account, CUT, FEW + 1)
    if best is None or len(cut) > FEW:
        return None
    return list(dict.fromkeys((*best, *cut, *recent)))


def _rarest(connection: Connection, account: AccountId, ways: Sequence[Sequence[str]]) -> list[str] | None:
    """Documents with a word that may be written in these ways, each of parts, by its rarest part; None: too many."""
    together: dict[str, None] = {}
    for way in ways:
        few: list[str] | None = None
        for part in sorted(way, key=len, reverse=True):
            found = _with(connection, account, part, FEW + 1)
            if len(found) <= FEW and (few is None or len(found) < len(few)):
                few = found
        if few is None:
            return None
        begun = _with(connection, account, f"{ID}{way[0]}", FEW + 1)  # no id has its later parts in the index
        if len(begun) > FEW:
            return None
        together |= dict.fromkeys((*few, *begun))
    return list(together)


def of_parties(
    connection: Connection, account: AccountId, parties: Sequence[str], names: Sequence[str]
) -> list[str] | None:
    """The same for documents whose other side has one of these participants or names; None where they are many."""
    recent = _recent(connection)
    if recent is None:
        return None
    known = document_word.c
    words = [exactly(text) for text in (*parties, *names) if text]
    wanted = select(known.message).where(known.account == account, known.word.in_(words)).limit(FEW + 1)
    found = list(connection.execute(wanted).scalars())
    return None if len(found) > FEW else list(dict.fromkeys((*found, *recent)))


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """Drop the words of documents that are being erased; while their rows still say which those are."""
    wanted = select(*_READ).where(_of.id.in_(ids))
    keys = [(row.account, word, row.id) for row in connection.execute(wanted) for word in words_of(row)]
    key = tuple_(document_word.c.account, document_word.c.word, document_word.c.message)
    for start in range(0, len(keys), 300):
        connection.execute(delete(document_word).where(key.in_(keys[start : start + 300])))


def _with(connection: Connection, account: AccountId, word: str, most: int) -> list[str]:
    known = document_word.c
    of = select(known.message).where(known.account == account, known.word >= word, known.word < word + _LAST)
    # Distinct before the limit: a document may have two words that begin so, and a list cut off is no whole one.
    return list(connection.execute(of.distinct().limit(most)).scalars())


def _recent(connection: Connection) -> list[str] | None:
    """What has happened since the index was brought up to date; None where that is much."""
    cursor = int(connection.execute(select(setting.c.value).where(setting.c.name == CURSOR)).scalar() or 0)
    row = tables.event.c
    wanted = select(row.message).where(row.number > cursor).order_by(row.number).limit(BEHIND + 1)
    found = list(connection.execute(wanted).scalars())
    return None if len(found) > BEHIND else list(dict.fromkeys(found))


def by_words(words: Sequence[str]) -> list[ColumnElement[bool]]:
    """The rule that decides, with or without the index: each word stands in what a search looks at."""
    return [or_(*(_of.search.contains(form, autoescape=True) for form in forms(word))) for word in words]


# -- the index


class _Said(NamedTuple):
    """What a document says of itself, as :func:`words_of` reads it."""

    account: str
    direction: str
    number: str
    sender: str
    receiver: str
    seller_name: str
    buyer_name: str
    id: str
    message_id: str
    instance_id: str


_SPOKEN_OF: Final = select(tables.event.c.message).where(
    tables.event.c.number > bindparam("after"), tables.event.c.number <= bindparam("last")
)
_SAID: Final = Statement(
    select(*(_of[name] for name in _Said._fields)).where(_of.id.in_(_SPOKEN_OF)), ("after", "last")
)
_ENTER: Final = insertion(document_word, once="account, word, message")
assert _ENTER.names == ("account", "word", "message")


def enter(session: Session, jobs: Sequence[Piece]) -> list[bool]:
    """Write the words of a piece and move the cursor; False when somebody else has."""
    session.alone(["errand"])
    return [_enter(session, piece) for piece in jobs]


def _enter(session: Session, piece: Piece) -> bool:
    if not move(session, CURSOR, piece):
        return False
    said = [_Said(*row) for row in session.fetch(_SAID, (piece.after, piece.last))]
    rows = [(one.account, word, one.id) for one in said for word in words_of(one)]
    rows.sort()  # neighbours lie on one page
    session.write(_ENTER, rows)
    return True
