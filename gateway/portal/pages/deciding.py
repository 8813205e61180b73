"""What a clerk decides about one file in review: these are the values, it is not taken, it is several invoices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.errors import Conflict, InvalidDocument
from gateway.exchange.reviewing import Reviewing, read
from gateway.exchange.splitting import Splitting, read_parts
from gateway.model.document import Finding
from gateway.model.identifiers import DocumentId
from gateway.model.scan import FIELDS, NEEDED, Scan, ScanState
from gateway.portal.claims import FORM, written
from gateway.portal.pages.review import pictures_of, read_text, scan_of, scanning_of, show_case
from gateway.portal.visit import WORKERS, Page, Visit
from gateway.web.documents import ID

_REQUIRED: Final = (*NEEDED, "supplier_name", "due_date")
_UNTYPED: Final = {"Bankgiro": "BG:", "Plusgiro": "PG:", "IBAN": "IBAN:"}


async def confirm(visit: Visit) -> web.StreamResponse:
    """Take the values; what is wrong stands at its field, and what was typed stays."""
    form, scan = await visit.form(), await scan_of(visit)
    reason = read_text(form, "reason")
    if scan.source == "network":
        return await _go_on(visit, scan, reason)
    values = _values(visit, scan, form)
    actor = visit.someone.person.name
    reviewing = Reviewing(scans=scanning_of(visit).scans)
    held = scan.hold == "bank_account"
    try:
        after = await reviewing.confirm(scan, actor, values, reason=reason, all_fields=held, person=True)
    except InvalidDocument as error:
        wrong = {one.rule: _what_is_wrong(visit, one, values) for one in error.findings}
        return await show_case(visit, scan, typed=form, wrong=wrong, problem=visit.t("review.not-yet"), status=422)
    except Conflict:
        now = await scan_of(visit)
        if reason or now.state is not ScanState.REVIEW or now.hold != "bank_account":
            raise
        return await show_case(visit, now, typed=form, problem=visit.t("review.reason-needed"), status=422)
    first = after.state is ScanState.REVIEW and after.hold == "bank_account"
    await visit.gateway.store.people.note(visit.deed("scan-first" if first else "scan-confirmed", scan.id, reason))
    if first:
        return visit.go(f"/review/{scan.id}", said="scan-first")
    if after.state is ScanState.REVIEW:  # the same invoice came before and was not delivered: asked once more
        return visit.go(f"/review/{scan.id}")
    return await _next(visit, "scan-confirmed")


async def _go_on(visit: Visit, scan: Scan, reason: str) -> web.StreamResponse:
    """The invoice goes on as it came, although the PDF attached to it shows something else."""
    if not reason:
        return await show_case(visit, scan, problem=visit.t("review.picture-reason"), status=422)
    after = await pictures_of(visit).release(scan, visit.someone.person.name, reason, person=True)
    first = after.state is ScanState.REVIEW
    await visit.gateway.store.people.note(visit.deed("scan-first" if first else "picture-released", scan.id, reason))
    return visit.go(f"/review/{scan.id}", said="scan-first") if first else await _next(visit, "picture-released")


def _values(visit: Visit, scan: Scan, form: Mapping[str, str]) -> dict[str, str]:
    """What the form says of each field; nothing for one that was left empty and that nobody needs."""
    values = {}
    for name in FIELDS:
        if (text := form.get(f"{FORM}{name}")) is None:
            continue
        known = scan.fields.get(name)
        if not text.strip() and not (known and known.candidates) and name not in _REQUIRED:
            continue
        if known and known.value and text == written(visit, name, known.value):
            text = known.value
        values[name] = _account(text) if name == "account" else text
    return values


def _account(text: str) -> str:
    """“Bankgiro 160-9908” as we write it."""
    plain = text.replace("\u00a0", " ").strip()
    for word, mark in _UNTYPED.items():
        if plain.casefold().startswith(word.casefold()):
            return mark + plain[len(word) :].lstrip(" :")
    return plain


def _what_is_wrong(visit: Visit, finding: Finding, values: Mapping[str, str]) -> str:
    """A finding in the visitor's language."""
    name, typed = finding.rule, values.get(finding.rule)
    if typed is not None and read(name, typed)[1]:
        return (
            visit.t("review.wrong-empty")
            if not typed.strip()
            else visit.word(f"review.wrong-{name}", visit.t("review.wrong-text"))
        )
    if name == "total" and finding.value:
        return visit.t("review.wrong-sum")
    if name == "net" and finding.value:
        return visit.t("review.wrong-rate")
    return visit.t("review.wrong-open")


async def refuse(visit: Visit) -> web.StreamResponse:
    """It is not taken; whoever mailed it is told, if that is wanted."""
    form, scan = await visit.form(), await scan_of(visit)
    reason = read_text(form, "reason")
    if not reason:
        return await show_case(visit, scan, problem=visit.t("review.refuse-why"), status=422)
    if scan.source == "network":
        await pictures_of(visit).refuse(scan, visit.someone.person.name, reason)
        await visit.gateway.store.overview.handled(
            DocumentId(scan.document), visit.deed("picture-refused", scan.document, reason)
        )
        return await _next(visit, "picture-refused")
    after = await Reviewing(scans=scanning_of(visit).scans).refuse(scan, visit.someone.person.name, reason)
    mail = visit.gateway.mail if form.get("answer") == "yes" else None
    told = await mail.answering.refused(after, reason) if mail else ""
    await visit.gateway.store.people.note(visit.deed("scan-refused", scan.id, reason))
    return await _next(visit, "scan-answered" if told else "scan-refused")


async def split(visit: Visit) -> web.StreamResponse:
    """Several invoices in one file."""
    form, scan = await visit.form(), await scan_of(visit)
    parts = read_parts(form.get("parts", ""))
    if parts is None or len(parts) < 2 or parts[-1][1] > scan.pages:
        return await show_case(visit, scan, problem=visit.t("review.split-wrong", pages=scan.pages), status=422)
    scanning = scanning_of(visit)
    splitting = Splitting(scans=scanning.scans, cuts=scanning.leafing)
    await splitting.split(scan, visit.someone.person.name, parts)
    await visit.gateway.store.people.note(visit.deed("scan-split", scan.id, form["parts"]))
    return await _next(visit, "scan-split")


async def _next(visit: Visit, said: str) -> web.Response:
    """The next file that waits, so that a clerk goes through them without the list; at the end the list."""
    found, _ = await visit.gateway.store.reviews.find(visit.account, (ScanState.REVIEW,), 1)
    return visit.go(f"/review/{found[0].id}" if found else "/review", said=said)


_ONE: Final = f"/review/{ID}"
PAGES: Final = tuple(
    Page(path=f"{_ONE}/{name}", show=do, method="POST", who=WORKERS, under="review")
    for name, do in (("confirm", confirm), ("refuse", refuse), ("split", split))
)
