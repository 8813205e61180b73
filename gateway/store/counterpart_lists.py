"""Lists of counterparts with how each is reached: filtered in the database, a page at a time.

The usual way is worked out in SQL of what is stored: an explicit route; a relation in use; else mail or letter, the one
that the account prefers first, where there is an address that is not known to be bad. What an invoice of today would
really do asks the network too (``exchange/foreseeing.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from gateway.errors import NotFound
from gateway.model.counterpart import CounterpartFilter, CounterpartId, Listed, Quality, Role
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction, Route
from gateway.model.proposal import ProposalState
from gateway.model.relating import RelationState, Verdict
from gateway.store.counterparts import COLUMNS, with_numbers
from gateway.store.relation_tables import counterpart, lookup_evidence, proposal, relation
from gateway.store.words import forms

PAGE_MOST: Final = 200
_WORDS_MOST: Final = 8
_IN_USE: Final = (RelationState.ACTIVE, RelationState.SUSPECT, RelationState.QUARANTINED)
_WAITS: Final = (ProposalState.OPEN, ProposalState.SNOOZED)

_of: Final = counterpart.c
_ours: Final = and_(
    relation.c.counterpart == _of.id,
    relation.c.account == _of.account,
    relation.c.direction == case((_of.role == Role.CUSTOMER, str(Direction.OUT)), else_=str(Direction.IN)),
)
_IS_IN_USE: Final = exists().where(_ours, relation.c.state.in_(_IN_USE))


def _unwanted(channel: str) -> ColumnElement[bool]:
    """``opt_out`` is a JSON list of words of ours."""
    return type_coerce(_of.opt_out, Text).contains(f'"{channel}"')


def _has(part: str) -> ColumnElement[bool]:
    """Whether the address has that part: empty ones are not written, and a quote inside a text has a backslash."""
    return type_coerce(_of.address, Text).contains(f'"{part}":')


_MAIL: Final = and_(_of.email != "", _of.email_quality != Quality.BAD, ~_unwanted("email"))
_LETTER: Final = and_(
    _has("name"),
    _has("city"),
    or_(_has("street"), _has("additional"), _has("postal_code")),
    _of.address_quality != Quality.BAD,
    ~_unwanted("print"),
)
USUAL: Final[ColumnElement[Any]] = case(
    (_of.route != Route.AUTO, type_coerce(_of.route, Text)),
    (and_(_IS_IN_USE, ~_unwanted("peppol")), "peppol"),
    (_of.role == Role.SUPPLIER, "none"),
    (and_(_of.preferred == "print", _LETTER), "print"),
    (_MAIL, "email"),
    (_LETTER, "print"),
    else_="none",
)
_STATE: Final = (
    select(type_coerce(relation.c.state, Text)).where(_ours, relation.c.channel == "peppol").limit(1).scalar_subquery()
)
# (its counterpart is of the account that is asked for; with the account too SQLite reads all proposals for each row)
_PROPOSED: Final = exists().where(proposal.c.counterpart == _of.id, proposal.c.state.in_(_WAITS))


def _newest(column: Any) -> Any:
    """Of the newest evidence on a counterpart; the index of evidence gives it at once."""
    about = and_(lookup_evidence.c.account == _of.account, lookup_evidence.c.counterpart == _of.id)
    return select(column).where(about).order_by(lookup_evidence.c.id.desc()).limit(1).scalar_subquery()


_VERDICT: Final = _newest(type_coerce(lookup_evidence.c.verdict, Text))
_ASKED: Final = _newest(lookup_evidence.c.time)


def listed(connection: Connection, account: AccountId, which: CounterpartFilter) -> tuple[list[Listed], str]:
    """A page by name, and the cursor of the next. Raises ``NotFound`` for a cursor that is not ours."""
    limit = max(1, min(which.limit, PAGE_MOST))
    more = (
        USUAL.label("usual"),
        _STATE.label("state"),
        _PROPOSED.label("proposed"),
        _VERDICT.label("verdict"),
        _ASKED.label("asked"),
    )
    wanted = _narrowed(select(*COLUMNS, *more).where(_of.account == account), which)
    if which.cursor:
        wanted = wanted.where(after(connection, account, which.cursor))
    rows = connection.execute(wanted.order_by(_of.sort_name, _of.id).limit(limit + 1)).mappings().all()
    found = with_numbers(connection, rows)
    lines = [
        Listed(
            counterpart=one,
            channel=row["usual"],
            state=row["state"] or "none",
            proposal=bool(row["proposed"]),
            verdict=row["verdict"] or "",
            asked=row["asked"],
        )
        for one, row in zip(found, rows, strict=True)
    ]
    return lines[:limit], lines[limit - 1].counterpart.id if len(lines) > limit else ""


def ids(connection: Connection, account: AccountId, which: CounterpartFilter, limit: int) -> list[CounterpartId]:
    """The same list as ids alone, its beginning up to ``limit``; for what is done with many."""
    wanted = _narrowed(select(_of.id).where(_of.account == account), which)
    return [
        CounterpartId(one) for one in connection.execute(wanted.order_by(_of.sort_name, _of.id).limit(limit)).scalars()
    ]


def spread(connection: Connection, account: AccountId, role: Role) -> dict[str, int]:
    """How many are reached which way."""
    usual = USUAL.label("usual")
    wanted = select(usual, func.count()).where(_of.account == account, _of.role == role).group_by(usual)
    return {str(channel): int(number) for channel, number in connection.execute(wanted)}


def after(connection: Connection, account: AccountId, cursor: str) -> ColumnElement[bool]:
    """What follows the one of that id in the order of lists. Raises ``NotFound``."""
    place = select(_of.sort_name).where(_of.account == account, _of.id == cursor)
    last = connection.execute(place).scalar_one_or_none()
    if last is None:
        raise NotFound("There is no such cursor", remedy="Begin again without a cursor.")
    # The first condition alone lets the index begin at the right place.
    return and_(_of.sort_name >= last, or_(_of.sort_name > last, _of.id > cursor))


def words_of(query: str) -> Sequence[ColumnElement[bool]]:
    """Every word must stand in what a search looks at; a Swedish number may be written with its hyphen."""
    return [
        or_(*(_of.search.contains(form, autoescape=True) for form in forms(word)))
        for word in query.casefold().split()[:_WORDS_MOST]
    ]


def _narrowed(wanted: Select[Any], which: CounterpartFilter) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [*words_of(which.query)]
    if which.role is not None:
        conditions.append(_of.role == which.role)
    if which.channel:
        conditions.append(literal(which.channel, Text) == USUAL)
    if which.state == RelationState.NONE:
        conditions.append(func.coalesce(_STATE, "none") == "none")
    elif which.state:
        conditions.append(literal(which.state, Text) == _STATE)
    if which.proposal:
        conditions.append(_PROPOSED)
    if which.unsure:
        conditions.append(func.coalesce(_VERDICT, str(Verdict.INDETERMINATE)) == str(Verdict.INDETERMINATE))
    if which.opt_out:
        conditions.append(type_coerce(_of.opt_out, Text) != "[]")
    if which.bad_address:
        conditions.append(or_(_of.email_quality == Quality.BAD, _of.address_quality == Quality.BAD))
    if which.among:
        conditions.append(_of.id.in_(which.among))
    return wanted.where(*conditions)
