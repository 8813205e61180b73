"""``/v1/documents/{id}/findings``: what document rules and the other side say of a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.model.identifiers import DocumentId
from gateway.model.message import TimelineEntry
from gateway.model.view import moment
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.documents import ID
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway


@dataclass(frozen=True, slots=True)
class Findings:
    """The call for the verdicts on documents of the caller's account."""

    gateway: Gateway

    def routes(self) -> list[web.RouteDef]:
        """Where the call stands."""
        return [web.get(f"/v1/documents/{ID}/findings", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """The last verdict of our rules, the status of the other access point, the responses of the other company."""
        no_query(request)
        account, wanted = account_of(request), DocumentId(request.match_info["id"])
        return answer(verdicts(await self.gateway.store.timeline(account, wanted)))


def verdicts(timeline: Sequence[TimelineEntry]) -> dict[str, object]:
    """What the timeline knows of verdicts, as JSON values; every key always there."""
    ours = [entry.detail["rules"] for entry in timeline if isinstance(entry.detail.get("rules"), dict)]
    rules = dict(ours[-1]) if ours else {}  # type: ignore[call-overload]
    statuses = [_said(entry, "code", "text", "issues", "status") for entry in timeline if "status" in entry.detail]
    responses = [entry.detail["response"] for entry in timeline if isinstance(entry.detail.get("response"), dict)]
    return {
        "validated": bool(rules.get("validated")),
        "valid": rules.get("valid") if rules.get("validated") or rules.get("findings") else None,
        "why_not_validated": None if rules.get("validated") else rules.get("why") or _NOT_ASKED,
        "packs": rules.get("packs", []),
        "findings": [_row(finding) for finding in rules.get("findings", [])],
        "count": rules.get("count", 0),
        "statuses": statuses,
        "responses": responses,
    }


_NOT_ASKED: Final = "it was not judged: the rules are switched off, or have not come to it yet"


def _row(finding: dict[str, object]) -> dict[str, object]:
    """As in ``errors`` of a refusal."""
    return {
        "pointer": finding.get("location", ""),
        **{name: finding.get(name, "") for name in ("rule", "severity", "message", "value")},
    }


def _said(entry: TimelineEntry, *names: str) -> dict[str, object]:
    return {"time": moment(entry.time), "event": entry.event, **{name: entry.detail.get(name) for name in names}}
