"""``/v1/scans`` and ``/v1/reviews``: paper and PDF in, and what a person decides about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from gateway.errors import Conflict, NotFound
from gateway.exchange.pictures import PictureReview
from gateway.exchange.reviewing import Reviewing
from gateway.exchange.splitting import Splitting, read_parts
from gateway.model.scan import FIELDS, Candidate, Field, Refusal, Scan, ScanState
from gateway.model.view import moment
from gateway.ports import Incoming
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.documents import ID, idempotency_key
from gateway.web.problem import Problem, bad_request, wrong
from gateway.web.query import Query, no_query, paging

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.scanners import Scanning

_TYPES: Final = ("application/pdf", "image/png", "image/jpeg", "image/tiff")
_STATES: Final = tuple(state.value for state in ScanState)
_BODY: Final = frozenset({"fields", "reason", "by", "all", "answer", "parts"})
_QUARANTINED: Final = "Ask for a clean one. In the web tool an administrator may still fetch the file, and says why."
_MOST_PAGES: Final = 9_999


@dataclass(frozen=True, slots=True)
class Scans:
    """The calls about files that came in for the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.post("/v1/scans", self.take),
            web.get("/v1/scans", self.list),
            web.get(f"/v1/scans/{ID}", self.show),
            web.get(f"/v1/scans/{ID}/content", self.content),
            web.get(f"/v1/scans/{ID}/page.png", self.page),
            web.get("/v1/reviews", self.reviews),
            web.get(f"/v1/reviews/{ID}", self.show),
            web.get(f"/v1/reviews/{ID}/crop.png", self.crop),
            web.post(f"/v1/reviews/{ID}/confirm", self.confirm),
            web.post(f"/v1/reviews/{ID}/correct", self.confirm),
            web.post(f"/v1/reviews/{ID}/refuse", self.refuse),
            web.post(f"/v1/reviews/{ID}/split", self.split),
        ]

    async def take(self, request: web.Request) -> web.Response:
        """Take one file: 202 with what became of it, once it is on disk and read."""
        file_name = Query(request, "file_name").text("file_name")
        scans, account = self._scanning().scans, account_of(request)
        if request.content_type not in _TYPES:
            text = f"Files are taken as {', '.join(_TYPES)}, one invoice each."
            raise Problem("unsupported-type", text, headers={"Accept": ", ".join(_TYPES)}, close=True)
        key = idempotency_key(request)
        async with self.intake.take(request, limit=scans.largest) as octets:
            incoming = Incoming(
                account=account,
                octets=bytes(octets),
                file_name=file_name,
                media_type=request.content_type,
                source="upload",
                sender="upload",
                key=f"upload {key or hashlib.sha256(octets).hexdigest()}",
            )
            try:
                taken = await scans.hand_in(incoming)
            except Conflict as error:
                raise Problem("contradiction", str(error), remedy=error.remedy) from None
        scan = await self.gateway.store.reviews.get(account, taken.id)
        headers = {"Location": f"/v1/scans/{taken.id}"}
        if taken.repeated:
            headers["Idempotent-Replay"] = "true"
        return answer({**describe(scan), "verdict": taken.verdict}, status=202, headers=headers)

    async def list(self, request: web.Request) -> web.Response:
        """Files that came in, newest first."""
        query = Query(request, "state", "limit", "cursor")
        word = query.one_of("state", "all", ("all", *_STATES))
        return await self._page(request, query, tuple(ScanState) if word == "all" else (ScanState(word),))

    async def reviews(self, request: web.Request) -> web.Response:
        """What waits for a person, newest first."""
        return await self._page(request, Query(request, "limit", "cursor"), (ScanState.REVIEW,))

    async def _page(self, request: web.Request, query: Query, states: tuple[ScanState, ...]) -> web.Response:
        limit, cursor = paging(query)
        found, following = await self.gateway.store.reviews.find(account_of(request), states, limit, cursor)
        return page_of([describe(scan) for scan in found], following)

    async def show(self, request: web.Request) -> web.Response:
        """One file with its fields and candidates."""
        no_query(request)
        return answer(describe(await self._scan(request)))

    async def content(self, request: web.Request) -> web.Response:
        """The file as it came, only ever to be saved."""
        no_query(request)
        scan = self._clean(await self._scan(request))
        octets = await self.gateway.store.reviews.octets(scan.account, scan.id)
        name = f"attachment; filename*=UTF-8''{quote(scan.file_name, safe='')}"
        media_type = scan.media_type if scan.media_type in _TYPES else "application/octet-stream"
        return web.Response(body=octets, content_type=media_type, headers={"Content-Disposition": name})

    async def page(self, request: web.Request) -> web.Response:
        """A page as a picture, as its fields were read: ``page`` counts from 1."""
        number = Query(request, "page").number("page", 1, 1, _MOST_PAGES)
        scan, scanning = self._clean(await self._scan(request)), self.gateway.scanning
        leafing = scanning.leafing if scanning else self.gateway.leafing
        if number > max(1, scan.pages):
            raise NotFound(f"The file has {scan.pages} pages")
        octets = await self.gateway.store.reviews.octets(scan.account, scan.id)
        picture = await leafing.picture(octets, scan.sha256, number)
        if isinstance(picture, Refusal):
            raise NotFound(f"There is no picture of this page. {picture.en}")
        return web.Response(body=picture, content_type="image/png")

    async def crop(self, request: web.Request) -> web.Response:
        """The place of a field as a picture."""
        field = Query(request, "field").one_of("field", "total", FIELDS)
        scan = await self._scan(request)
        picture = await self.gateway.store.reviews.crop(scan.account, scan.id, field)
        return web.Response(body=picture, content_type="image/png")

    async def confirm(self, request: web.Request) -> web.Response:
        """The values are right, or are these; delivered when nothing is open any more."""
        no_query(request)
        body, scan = await read_json(self.intake, request), await self._scan(request)
        _check(body)
        if scan.source == "network":
            actor = _text(body, "by") or f"account {scan.account}"
            return answer(describe(await self._pictures().release(scan, actor, _text(body, "reason"))))
        reviewing = Reviewing(scans=self._scanning().scans)
        values, by = body.get("fields", {}), _text(body, "by")
        assert isinstance(values, dict)
        actor = by or f"account {account_of(request)}"
        after = await reviewing.confirm(
            scan, actor, values, reason=_text(body, "reason"), all_fields=body.get("all") is True
        )
        return answer(describe(after))

    async def refuse(self, request: web.Request) -> web.Response:
        """It is not taken; the reason is written down."""
        no_query(request)
        body = await read_json(self.intake, request)
        _check(body)
        actor = _text(body, "by") or f"account {account_of(request)}"
        scan, reason = await self._scan(request), _text(body, "reason")
        if scan.source == "network":
            return answer({**describe(await self._pictures().refuse(scan, actor, reason)), "answered": None})
        after = await Reviewing(scans=self._scanning().scans).refuse(scan, actor, reason)
        mail = self.gateway.mail if body.get("answer") is True else None
        told = await mail.answering.refused(after, reason) if mail else ""
        return answer({**describe(after), "answered": told or None})

    async def split(self, request: web.Request) -> web.Response:
        """Several invoices in one file: each of ``parts`` (``1, 2-3``) is handed in by itself."""
        no_query(request)
        body = await read_json(self.intake, request)
        _check(body)
        parts = read_parts(_text(body, "parts"))
        if parts is None:
            raise bad_request("/parts", "parts are pages such as “1, 2-3”, in their order and none twice.")
        scanning, scan = self._scanning(), await self._scan(request)
        actor = _text(body, "by") or f"account {scan.account}"
        splitting = Splitting(scans=scanning.scans, cuts=scanning.leafing)
        after, taken = await splitting.split(scan, actor, parts)
        return answer({**describe(after), "parts": [{"id": one.id, "verdict": one.verdict} for one in taken]})

    async def quarantined(self, request: web.Request) -> web.Response:
        """The file whatever was found in it, under a name that no program opens by itself.

        Only for a deed that the caller has written down before.
        """
        scan = await self._scan(request)
        octets = await self.gateway.store.reviews.octets(scan.account, scan.id)
        name = f'attachment; filename="{scan.id}.quarantined"'
        return web.Response(body=octets, content_type="application/octet-stream", headers={"Content-Disposition": name})

    def _clean(self, scan: Scan) -> Scan:
        """The file, if its octets may be given away."""
        if scan.hold == "virus":
            raise Problem("conflict", scan.reason, remedy=_QUARANTINED)
        if scan.state is ScanState.TAKEN and self.gateway.antivirus is not None:
            raise Problem("conflict", "The virus scanner has not seen the file yet.", remedy="Try again in a minute.")
        return scan

    async def _scan(self, request: web.Request) -> Scan:
        return await self.gateway.store.reviews.get(account_of(request), request.match_info["id"])

    def _pictures(self) -> PictureReview:
        gateway = self.gateway
        return PictureReview(store=gateway.store, clock=gateway.clock, statuses=gateway.inbound.statuses)

    def _scanning(self) -> Scanning:
        if self.gateway.scanning is None:
            raise NotFound("Paper and PDF are not taken here", remedy="The operator switches it on with [scan].")
        return self.gateway.scanning


def _check(body: dict[str, object]) -> None:
    errors = [wrong(f"/{name[:40]}", f"There is no field “{name[:40]}”.") for name in body if name not in _BODY]
    values = body.get("fields", {})
    if not isinstance(values, dict) or len(values) > len(FIELDS):
        errors.append(wrong("/fields", f"An object of {', '.join(FIELDS)}, each a text."))
    else:
        for name, value in values.items():
            if not isinstance(value, str) or len(value) > 200:
                errors.append(wrong(f"/fields/{name[:40]}", "This is a text of at most 200 characters."))
    if errors:
        raise Problem("invalid-value", "The decision cannot be taken as it is.", errors=errors)


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > 500 or not value.isprintable():
        raise bad_request(f"/{name}", f"{name} is a text of at most 500 printable characters.")
    return value.strip()


def describe(scan: Scan) -> dict[str, object]:
    """The scan object: JSON values only, every key always there."""
    return {
        "id": scan.id,
        "state": str(scan.state),
        "hold": scan.hold or None,
        "reason": scan.reason or None,
        "reason_sv": scan.reason_sv or None,
        "source": scan.source,
        "channel": scan.channel or None,
        "sender": scan.sender or None,
        "receiver": scan.receiver or None,
        "file_name": scan.file_name,
        "media_type": scan.media_type or None,
        "sha256": scan.sha256,
        "size": scan.size,
        "pages": scan.pages,
        "read_from": list(scan.rungs),
        "document": scan.document or None,
        "decided_by": scan.decided_by or None,
        "decided_at": moment(scan.decided_at),
        "fields": {name: _field(scan, scan.fields[name]) for name in FIELDS if name in scan.fields},
        "created": moment(scan.created),
        "updated": moment(scan.updated),
    }


def _field(scan: Scan, one: Field) -> dict[str, object]:
    return {
        "value": one.value or None,
        "accepted": one.accepted,
        "confirmed_by": one.confirmed_by or None,
        "confirmed_at": moment(one.confirmed_at),
        "crop": f"/v1/reviews/{scan.id}/crop.png?field={one.name}" if one.has_crop else None,
        "candidates": [_candidate(candidate) for candidate in one.candidates],
    }


def _candidate(one: Candidate) -> dict[str, object]:
    place = one.place
    return {
        "value": one.value,
        "shown": one.shown,
        "witnesses": list(one.witnesses),
        "confidence": round(one.confidence, 2),
        "place": place
        and {
            "page": place.page,
            "left": round(place.left, 4),
            "top": round(place.top, 4),
            "width": round(place.width, 4),
            "height": round(place.height, 4),
        },
    }
