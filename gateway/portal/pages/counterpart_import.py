"""A register of customers or suppliers as a file, in two steps: it is checked line by line, then somebody says yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.errors import InvalidDocument
from gateway.exchange.registering import Entered, Registering
from gateway.model.counterpart import Role
from gateway.portal.visit import FORM_LIMIT, WORKERS, Page, Visit
from gateway.routing.customer_file import LIMIT, MAX_LINES, report
from gateway.web.problem import bad_request

_KIND: Final = "counterparts"
_SHOWN: Final = 200
"""Lines with something to say that a page shows."""
OUTCOMES: Final = ("new", "changed", "same", "wrong")
COLUMNS: Final = (
    *("number", "name", "org_number", "vat_number", "gln", "participant", "email", "street", "postal_code", "city"),
    *("country", "kind", "preferred", "route", "opt_out", "language", "note"),
)
"""Headings that the page explains; others are known too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of the file with what is wrong or odd about it."""

    line: int
    outcome: str
    name: str
    number: str
    problems: tuple[tuple[str, str, str, bool], ...]
    """(column, sentence, what stands there, whether the line is left out for it)."""


def told(visit: Visit, one: Entered) -> Told:
    """In the reader's language."""
    sv = visit.language == "sv"
    problems = tuple((p.column, p.sv if sv else p.en, p.value, p.fatal) for p in one.problems)
    return Told(line=one.line, outcome=one.outcome, name=one.name, number=one.number, problems=problems)


async def show(visit: Visit) -> web.StreamResponse:
    """Choose a file."""
    return _choose(visit, _role(visit.request.query.get("role", "")))


def _role(word: str) -> Role:
    return Role.SUPPLIER if word == Role.SUPPLIER else Role.CUSTOMER


def _choose(visit: Visit, role: Role, problem: str = "", remedy: str = "") -> web.Response:
    return visit.render(
        "counterpart-import.html",
        status=422 if problem else 200,
        role=role,
        problem=problem,
        remedy=remedy,
        columns=COLUMNS,
        most=MAX_LINES,
        octets=LIMIT,
    )


async def check(visit: Visit) -> web.StreamResponse:
    """Read the file, say what would become of each line, and keep it until somebody says yes. Nothing is entered."""
    role, files = _role((await visit.form()).get("role", "")), await visit.files("file", 1)
    if not files:
        return _choose(visit, role, visit.t("import.no-file"))
    octets = files[0].octets
    try:
        register, entered = await _registering(visit).read_in(visit.account, octets, role, dry_run=True)
    except InvalidDocument as error:
        return _choose(visit, role, str(error), error.remedy)
    pending = await visit.gateway.store.pending.keep(visit.account, visit.someone.person.name, _kind(role), octets)
    return _report(visit, role, report(register), entered, pending)


async def confirm(visit: Visit) -> web.StreamResponse:
    """Enter every good line of the file that was checked. A file twice changes nothing the second time."""
    form, store = await visit.form(), visit.gateway.store
    role, id_ = _role(form.get("role", "")), form.get("file", "")
    if not id_.isalnum() or len(id_) > 64:
        raise bad_request("form:file", "Check a file first.")
    octets = await store.pending.fetch(visit.account, visit.someone.person.name, _kind(role), id_)
    register, entered = await _registering(visit).read_in(visit.account, octets, role, dry_run=False)
    counted = _counted(entered)
    detail = ", ".join(f"{counted[word]} {word}" for word in OUTCOMES)
    await store.people.note(visit.deed("counterparts-imported", detail=detail))
    await store.pending.drop(visit.account, id_)
    return _report(visit, role, report(register), entered, "")


def _kind(role: Role) -> str:
    return f"{_KIND} {role}"


def _registering(visit: Visit) -> Registering:
    return Registering(store=visit.gateway.store, clock=visit.gateway.clock)


def _counted(entered: Sequence[Entered]) -> dict[str, int]:

    return {word: sum(one.outcome == word for one in entered) for word in OUTCOMES}


def _report(
    visit: Visit, role: Role, file: Mapping[str, object], entered: Sequence[Entered], pending: str
) -> web.Response:

    wrong_first = sorted((one for one in entered if one.problems), key=lambda one: (one.outcome != "wrong", one.line))
    counted = _counted(entered)
    return visit.render(
        "counterpart-report.html",
        role=role,
        file=file,
        counted=counted,
        outcomes=OUTCOMES,
        good=counted["new"] + counted["changed"],
        lines=[told(visit, one) for one in wrong_first[:_SHOWN]],
        more=max(0, len(wrong_first) - _SHOWN),
        pending=pending,
    )


PAGES: Final = (
    Page(path="/counterparts/import", show=show, who=WORKERS, under="counterparts"),
    Page(
        path="/counterparts/import",
        show=check,
        method="POST",
        who=WORKERS,
        under="counterparts",
        limit=LIMIT + FORM_LIMIT,
    ),
    Page(path="/counterparts/import/confirm", show=confirm, method="POST", who=WORKERS, under="counterparts"),
)
