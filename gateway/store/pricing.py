"""How the ledger of costs follows the timeline (``followed.py``): each event is priced once, and no document waits.

Thousands of rows have few prices among them, so the price is found once for what has everything in common but the
document, and the rows go to the database as the tuples that they came as.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Final

from sqlalchemy import bindparam, literal_column, select, update

from gateway.model.costs import COUNTED, Happened, MonthlyCost, cost_of, electronic_share, month_before, month_of
from gateway.model.identifiers import AccountId, DocumentId, ParticipantId
from gateway.model.message import Direction
from gateway.model.prices import DEFAULT, Price
from gateway.model.schemes import schemes
from gateway.model.services import INVOICE_RESPONSE, MLR, MLS
from gateway.store import tables
from gateway.store.followed import Piece, move, next_piece
from gateway.store.money_tables import cost, cost_month, price
from gateway.store.session import Row, Session, Statement, insertion, one_of, values_of

CURSOR: Final = "cost cursor"
_TOLD: Final = frozenset(str(one) for one in (MLS, MLR, INVOICE_RESPONSE))
"""What access points and companies tell each other of an invoice costs nothing of its own."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A piece of the timeline with the rows of the ledger that come of it."""

    piece: Piece
    rows: Sequence[Row]
    """Values in the order of the table."""


_of: Final = tables.message.c
_COUNTED: Final = Statement(
    select(
        *(_of.id, _of.account, _of.direction, _of.channel, _of.sender, _of.receiver, _of.document_type),
        *(tables.event.c.time, tables.event.c.detail),
    )
    .join_from(tables.event, tables.message, tables.event.c.message == _of.id)
    .where(
        tables.event.c.number > bindparam("after"),
        tables.event.c.number <= bindparam("last"),
        tables.event.c.event.in_([literal_column(f"'{name}'") for name in COUNTED]),
    )
    .order_by(tables.event.c.number),
    ("after", "last"),
)


def price_next(session: Session, limit: int, now: datetime) -> Priced:
    """Price what is next."""
    piece = next_piece(session, CURSOR, limit, now)
    if not piece.rows:
        return Priced(piece, ())
    price, known = _Prices(session), dict[tuple[str, ...], Row]()
    rows = list[Row]()
    for document, account, direction, channel, sender, receiver, document_type, time, detail in session.fetch(
        _COUNTED, (piece.after, piece.last)
    ):
        if document_type in _TOLD:
            continue
        # Most details are long and name neither.
        said = json.loads(detail) if '"channel"' in detail or '"country"' in detail else {}
        way = str(said.get("channel") or channel or "peppol")
        country = str(said.get("country") or _country(receiver if direction == Direction.OUT.value else sender))
        key = (account, direction, way, country, time[:10])
        month, amount, paper, currency = known.get(key) or known.setdefault(key, price.of(*key))
        rows.append((document, way, account, time, month, direction, country, amount, paper, currency))
    return Priced(piece, rows)


class _Prices:
    """Price lists and electronic shares of the accounts, each read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lists: dict[AccountId, Sequence[Price]] = {}
        self._shares: dict[tuple[AccountId, str], int] = {}

    def of(self, account: str, direction: str, channel: str, country: str, day: str) -> Row:
        """Month, amount, cost on paper and currency of a document of that day."""
        whose, time = AccountId(account), datetime.fromisoformat(day)
        if whose not in self._lists:
            self._lists[whose] = prices_of(self._session, whose) or DEFAULT
        month = month_of(time.date())
        if (whose, month) not in self._shares:
            before = month_before(month)
            self._shares[whose, month] = electronic_share(months_of(self._session, whose, before, before)) or 0
        happened = Happened(
            account=whose,
            document=DocumentId(""),
            time=time,
            direction=Direction(direction),
            channel=channel,
            country=country,
        )
        found = cost_of(happened, self._lists[whose], self._shares[whose, month])
        return (found.month, str(found.amount), str(found.paper), found.currency)


@lru_cache(1024)
def _country(participant: str) -> str:
    """Where a participant is at home, as far as its scheme tells."""
    scheme = schemes().get(ParticipantId(participant).value.partition(":")[0]) if participant else None
    return scheme.country if scheme else ""


_ENTER: Final = insertion(cost)
assert _ENTER.names == (
    *("document", "channel", "account", "time", "month", "direction", "country", "amount", "paper", "currency"),
)
_KNOWN: Final = Statement(
    select(cost.c.document, cost.c.channel).where(cost.c.document.in_(one_of("documents"))), ("documents",)
)


def enter(session: Session, jobs: Sequence[Priced]) -> list[bool]:
    """Write the rows that are new, add them to their months, and move the cursor; False when somebody else has."""
    session.alone(["errand"])
    return [_enter(session, job) for job in jobs]


def _enter(session: Session, job: Priced) -> bool:
    if not move(session, CURSOR, job.piece):
        return False
    rows = dict[Row, Row]()
    for row in job.rows:
        rows.setdefault(row[:2], row)  # the first of each document and channel counts
    if not rows:
        return True
    for known in session.fetch(_KNOWN, (tables.json_text([document for document, _ in rows]),)):
        rows.pop(tuple(known), None)
    session.write(_ENTER, list(rows.values()))
    _add_up(session, rows.values())
    return True


_MONTH_KEY: Final = (
    cost_month.c.account,
    cost_month.c.month,
    cost_month.c.direction,
    cost_month.c.channel,
    cost_month.c.currency,
)
_SUMS: Final = ("documents", "amount", "paper")
_this_month: Final = [column == bindparam(f"of_{column.name}") for column in _MONTH_KEY]
_OF: Final = tuple(f"of_{column.name}" for column in _MONTH_KEY)
_SUM: Final = Statement(select(*(cost_month.c[name] for name in _SUMS)).where(*_this_month), _OF)
_FIRST: Final = insertion(cost_month)
_ADD: Final = Statement(
    update(cost_month).where(*_this_month).values({name: bindparam(f"new_{name}") for name in _SUMS}),
    (*(f"new_{name}" for name in _SUMS), *_OF),
)


_summed_by: Final = itemgetter(2, 4, 5, 1, 9)
"""The key of the sum that a row of the ledger is part of."""
_sums_of: Final = itemgetter(7, 8)


def _add_up(session: Session, rows: Iterable[Row]) -> None:
    sums: dict[Row, tuple[int, Decimal, Decimal]] = {}
    for (key, (amount, paper)), count in Counter((_summed_by(row), _sums_of(row)) for row in rows).items():
        had = sums.get(key) or _sum(session, key)
        sums[key] = had[0] + count, had[1] + count * Decimal(amount), had[2] + count * Decimal(paper)
    for key, (documents, together, on_paper) in sums.items():
        changed = (documents, str(together), str(on_paper))
        session.write(_ADD, [(*changed, *key)])


def _sum(session: Session, key: Row) -> tuple[int, Decimal, Decimal]:
    """What the sum is so far; made where there is none."""
    had = session.fetch(_SUM, key)
    if not had:
        session.write(_FIRST, [(*key, 0, "0", "0")])
        return 0, Decimal(0), Decimal(0)
    documents, amount, paper = had[0]
    return documents, Decimal(amount), Decimal(paper)


_PRICE_COLUMNS: Final = tuple(price.c[field.name] for field in fields(Price))
_PRICES: Final = Statement(
    select(*_PRICE_COLUMNS)
    .where(price.c.account == bindparam("account"))
    .order_by(price.c.channel, price.c.country, price.c.since, price.c.share),
    ("account",),
)
_MONTH_COLUMNS: Final = tuple(cost_month.c[field.name] for field in fields(MonthlyCost))
_MONTHS: Final = Statement(
    select(*_MONTH_COLUMNS)
    .where(
        cost_month.c.account == bindparam("account"), cost_month.c.month.between(bindparam("first"), bindparam("last"))
    )
    .order_by(*_MONTH_KEY[1:]),
    ("account", "first", "last"),
)


def prices_of(session: Session, account: AccountId) -> list[Price]:
    """The account's own price list."""
    return [Price(**values_of(_PRICE_COLUMNS, row)) for row in session.fetch(_PRICES, (account,))]


def months_of(session: Session, account: AccountId, first: str, last: str) -> list[MonthlyCost]:
    """The account's sums from the first month to the last."""
    return [MonthlyCost(**values_of(_MONTH_COLUMNS, row)) for row in session.fetch(_MONTHS, (account, first, last))]
