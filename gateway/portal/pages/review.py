"""Review: invoices on paper and as PDF that wait for a person; handed in, looked at, decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.errors import AtRest, NotFound, ScannerUnavailable
from gateway.exchange.pictures import PictureReview
from gateway.model.scan import Scan, ScanState
from gateway.portal.attachments import shown_as
from gateway.portal.claims import Claim, claims_of
from gateway.portal.pages.document import FETCHERS, said_why
from gateway.portal.shapes import bank_account
from gateway.portal.visit import FORM_LIMIT, WORKERS, Entry, Page, Uploaded, Visit
from gateway.ports import Incoming
from gateway.scanners import Scanning
from gateway.scanning import checks
from gateway.web.body import Intake
from gateway.web.documents import ID
from gateway.web.problem import bad_request
from gateway.web.scans import Scans as Calls

SHOWN: Final = 50
_MOST_FILES: Final = 10
_UPLOAD: Final = 40_000_000
"""Octets of one form with its files."""
_TONES: Final = {"fields": "wait", "document": "care", "bank_account": "bad", "picture": "bad"}
_STATE_TONES: Final = {"accepted": "good", "refused": "bad", "duplicate": "care", "review": "wait", "taken": "wait"}
_DECIDED: Final = (ScanState.ACCEPTED, ScanState.REFUSED, ScanState.DUPLICATE, ScanState.TAKEN)
_VERDICTS: Final = ("accepted", "review", "refused", "duplicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file in words."""

    scan: Scan
    why: str
    tone: str
    reason: str
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a file that was just handed in."""

    name: str
    verdict: str
    tone: str
    reason: str
    path: str


def scanning_of(visit: Visit) -> Scanning:
    """What reads files here. Raises ``NotFound`` where nothing does."""
    if visit.gateway.scanning is None:
        raise NotFound("Paper and PDF are not taken here.")
    return visit.gateway.scanning


def pictures_of(visit: Visit) -> PictureReview:
    """What is said to an invoice whose attached PDF shows something else."""
    gateway = visit.gateway
    return PictureReview(store=gateway.store, clock=gateway.clock, statuses=gateway.inbound.statuses)


def reason_of(visit: Visit, scan: Scan) -> str:
    """Why, in the visitor's language."""
    return (scan.reason_sv or scan.reason) if visit.language == "sv" else scan.reason


def row_of(visit: Visit, scan: Scan) -> Row:
    """One file in words."""
    waits = scan.state is ScanState.REVIEW
    word = f"review.hold-{scan.hold or 'document'}" if waits else f"review.state-{scan.state}"
    tone = _TONES.get(scan.hold, "care") if waits else _STATE_TONES[scan.state]
    values = {name: one.value for name, one in scan.fields.items()}
    total = checks.amount(values.get("total", ""))
    amount = visit.shapes.amount(total, values.get("currency", "")[:3])
    return Row(scan=scan, why=visit.t(word), tone=tone, reason=reason_of(visit, scan), amount=amount)


async def show(visit: Visit) -> web.StreamResponse:
    """What waits, and under another tab what was decided."""
    return await _list(visit)


async def _list(visit: Visit, outcomes: Sequence[Outcome] = (), problem: str = "", status: int = 200) -> web.Response:
    reviews = visit.gateway.store.reviews
    decided = visit.request.query.get("which") == "decided"
    states = _DECIDED if decided else (ScanState.REVIEW,)
    try:
        found, following = await reviews.find(visit.account, states, SHOWN, visit.request.query.get("cursor", "")[:200])
    except NotFound:  # a cursor that is none: begin at the first page
        return visit.go("/review", **({"which": "decided"} if decided else {}))
    counts = await reviews.counts(visit.account)
    which = "which=decided&" if decided else ""
    return visit.render(
        "review.html",
        status=status,
        rows=[row_of(visit, scan) for scan in found],
        decided=decided,
        waiting=counts.get(ScanState.REVIEW, 0),
        following=f"/review?{which}cursor={following}" if following else "",
        paged=bool(visit.request.query.get("cursor")),
        may_upload=visit.may_work and visit.gateway.scanning is not None,
        reads=visit.gateway.scanning is not None,
        outcomes=outcomes,
        problem=problem,
        most=_MOST_FILES,
    )


async def upload(visit: Visit) -> web.StreamResponse:
    """Take files; the page then tells what became of each. A file that came before is known by its octets."""
    scanning_of(visit)
    files = await visit.files("file", _MOST_FILES)
    if not files:
        return await _list(visit, problem=visit.t("review.no-file"), status=422)
    outcomes = [await _hand_in(visit, one) for one in files]
    return await _list(visit, outcomes)


async def _hand_in(visit: Visit, one: Uploaded) -> Outcome:
    incoming = Incoming(
        account=visit.account,
        octets=one.octets,
        file_name=one.name,
        media_type=one.media_type,
        source="upload",
        sender=visit.someone.person.name,
        key=f"upload {hashlib.sha256(one.octets).hexdigest()}",
    )
    try:
        taken = await scanning_of(visit).scans.hand_in(incoming)
    except (ScannerUnavailable, AtRest):  # it is here, and read as soon as the virus scanner answers
        waits, why = visit.t("review.verdict-waiting"), visit.t("review.waits-for-scanner")
        return Outcome(name=one.name[:100], verdict=waits, tone="wait", reason=why, path="/review?which=decided")
    if not taken.repeated:
        await visit.gateway.store.people.note(visit.deed("scan-uploaded", taken.id, one.name[:100]))
    reason = (taken.reason_sv or taken.reason) if visit.language == "sv" else taken.reason
    return Outcome(
        name=one.name[:100],
        verdict=visit.t(f"review.verdict-{taken.verdict}"),
        tone=_STATE_TONES[taken.verdict],
        reason=reason,
        path=f"/documents/{taken.document}" if taken.verdict == "accepted" else f"/review/{taken.id}",
    )


async def case(visit: Visit) -> web.StreamResponse:
    """One file: its page, what was read, and what can be decided."""
    return await show_case(visit, await scan_of(visit))


async def scan_of(visit: Visit) -> Scan:
    """The file that the address names, if it is this account's."""
    return await visit.gateway.store.reviews.get(visit.account, visit.request.match_info["id"])


async def show_case(
    visit: Visit,
    scan: Scan,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    """The page of one file, with what was typed and what is wrong with it."""
    claims = claims_of(visit, scan, typed or {}, wrong or {})
    waits = scan.state is ScanState.REVIEW
    mail = visit.gateway.mail
    page = _page_number(visit, scan)
    return visit.render(
        "case.html",
        status=status,
        row=row_of(visit, scan),
        scan=scan,
        open=waits and visit.may_work and (visit.gateway.scanning is not None or scan.hold == "picture"),
        picture=_picture_rows(visit, scan, claims) if waits and scan.hold == "picture" else [],
        doubtful=[one for one in claims if one.doubtful],
        certain=[one for one in claims if not one.doubtful],
        marks=[one for one in claims if one.place and one.place.page == page],
        four_eyes=await visit.gateway.store.reviews.four_eyes(visit.account),
        fraud=await _fraud(visit, scan) if waits and scan.hold == "bank_account" else None,
        first=next((one.name for one in claims if one.wrong), next((one.name for one in claims if one.doubtful), "")),
        page=page,
        reason=(typed or {}).get("reason", ""),
        problem=problem,
        answers=await mail.answering.address(scan) if mail and waits else "",
        locked=scan.hold == "virus",
        may_fetch=visit.role in FETCHERS,
        rungs=", ".join(visit.word(f"review.witness-{rung}", rung) for rung in scan.rungs),
        pieces=", ".join(str(number + 1) for number in range(scan.pages)),
    )


def _picture_rows(visit: Visit, scan: Scan, claims: Sequence[Claim]) -> list[tuple[Claim, list[str]]]:
    """Facts of which invoice and attached PDF say different things: what each says, the invoice first."""
    currency = scan.fields["currency"].value if "currency" in scan.fields else ""
    return [
        (one, [shown_as(visit, one.name, candidate.value, currency) for candidate in scan.fields[one.name].candidates])
        for one in claims
        if len(one.said) > 1
    ]


def _page_number(visit: Visit, scan: Scan) -> int:
    text = visit.request.query.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 1
    return min(max(1, number), max(1, scan.pages))


async def _fraud(visit: Visit, scan: Scan) -> tuple[Claim | None, Sequence[tuple[str, int]]]:
    """The account that the page shows, and those that the supplier has used, the most used first."""
    claims = {one.name: one for one in claims_of(visit, scan, {}, {})}
    supplier = scan.fields["supplier"].value if "supplier" in scan.fields else ""
    known = await visit.gateway.store.reviews.suppliers(visit.account, [supplier])
    accounts = sorted(known[0].accounts.items(), key=lambda pair: -pair[1]) if known else []
    return claims.get("account"), [(bank_account(account), times) for account, times in accounts[:5]]


async def _content(visit: Visit) -> web.StreamResponse:
    return await _calls(visit).content(visit.request)


async def quarantined(visit: Visit) -> web.StreamResponse:
    """A file in which a virus was found, for somebody who says why; it is written down before it is given."""
    scan = await scan_of(visit)
    reason = said_why(await visit.form())
    await visit.gateway.store.people.note(visit.deed("quarantined-fetched", scan.id, reason))
    return await _calls(visit).quarantined(visit.request)


async def _picture(visit: Visit) -> web.StreamResponse:
    return await _calls(visit).page(visit.request)


async def _crop(visit: Visit) -> web.StreamResponse:
    return await _calls(visit).crop(visit.request)


def _calls(visit: Visit) -> Calls:
    return Calls(visit.gateway, Intake(limit=FORM_LIMIT))


def read_text(form: Mapping[str, str], name: str) -> str:
    """A text that is written down. Raises a ``Problem`` for one that cannot be."""
    text = form.get(name, "").replace("\r\n", " ").replace("\n", " ").strip()
    if len(text) > 500 or not text.isprintable():
        raise bad_request(f"form:{name}", f"{name} is a text of at most 500 printable characters.")
    return text


_ONE: Final = f"/review/{ID}"
PAGES: Final = (
    Page(path="/review", show=show, entry=Entry(name="review", order=45)),
    Page(path="/review/upload", show=upload, method="POST", who=WORKERS, under="review", limit=_UPLOAD),
    Page(path=_ONE, show=case, under="review"),
    Page(path=f"{_ONE}/quarantined", show=quarantined, method="POST", who=FETCHERS, under="review"),
    *(
        Page(path=f"{_ONE}/{name}", show=give, under="review")
        for name, give in (("content", _content), ("page.png", _picture), ("crop.png", _crop))
    ),
)
