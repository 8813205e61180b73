"""``/v1/documents/{id}/responses``: say to the sender of an invoice that it is accepted, refused, under query, paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from aiohttp import web

from gateway.errors import Conflict
from gateway.exchange.responses import Responses as Sending
from gateway.model.document import Finding
from gateway.model.identifiers import DocumentId, ParticipantId
from gateway.model.status import ACTIONS, REASONS, Clarification, Correspondent, InvoiceResponse, ResponseCode
from gateway.model.view import describe
from gateway.web.answers import answer
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.documents import ID, idempotency_key
from gateway.web.problem import Problem, wrong
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

_FIELDS: Final = ("code", "note", "date", "reasons", "actions")
_ROW: Final = frozenset({"code", "text", "conditions"})
_CONDITION: Final = frozenset({"term", "value"})
_MOST: Final = 20
_MAX_TEXT: Final = 1_000
_NOBODY: Final = Correspondent(endpoint=ParticipantId("0000:0"), name="")
"""Who answers and who is answered follow from the invoice."""


@dataclass(frozen=True, slots=True)
class Responses:
    """The call on invoices that came in for the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where the call stands."""
        return [web.post(f"/v1/documents/{ID}/responses", self.send)]

    async def send(self, request: web.Request) -> web.Response:
        """Accept the response as a document of its own: 202 once it is on disk."""
        no_query(request)
        account, key = account_of(request), idempotency_key(request)
        wish = read(await read_json(self.intake, request))
        invoice = await self.gateway.store.get(account, DocumentId(request.match_info["id"]))
        try:
            added = await self._responses().send(self.gateway.outbound, invoice, wish, key=key)
        except Conflict as error:
            raise Problem("conflict", str(error), remedy=error.remedy) from None
        headers = {"Location": f"/v1/documents/{added.message.id}"}
        if not added.new:
            headers["Idempotent-Replay"] = "true"
        return answer(describe(added.message), status=202, headers=headers)

    def _responses(self) -> Sending:
        gateway = self.gateway
        return Sending(store=gateway.store, clock=gateway.clock, country=gateway.config.operator.country)


def read(table: dict[str, object]) -> InvoiceResponse:
    """Read the response object; raises ``invalid-value`` with everything that is wrong with it."""
    errors = [wrong(f"/{name[:40]}", f"There is no field “{name[:40]}”.") for name in table if name not in _FIELDS]
    code = table.get("code")
    if not isinstance(code, str) or code not in ResponseCode.__members__:
        errors.append(wrong("/code", f"code is one of {', '.join(ResponseCode)}.", str(code)[:40]))
    note = _text(table.get("note"), "/note", errors)
    effective: date | None = None
    if (day := table.get("date")) is not None:
        try:
            effective = date.fromisoformat(str(day))
        except ValueError:
            errors.append(wrong("/date", "date is a day written as 2026-11-25.", str(day)[:40]))
    rows = (
        *_clarifications(table.get("reasons"), "OPStatusReason", "/reasons", errors),
        *_clarifications(table.get("actions"), "OPStatusAction", "/actions", errors),
    )
    if code in ("UQ", "CA", "RE") and not rows and not errors:
        errors.append(wrong("/reasons", f"{code} needs at least one reason or action."))
    if errors:
        raise Problem("invalid-value", "The response cannot be sent as it is.", errors=errors)
    return InvoiceResponse(
        id="",
        issued="",
        sender=_NOBODY,
        receiver=_NOBODY,
        code=ResponseCode(str(code)),
        note=note,
        effective=effective,
        clarifications=rows,
        number="",
    )


def _clarifications(
    value: object, name: Literal["OPStatusReason", "OPStatusAction"], place: str, errors: list[Finding]
) -> tuple[Clarification, ...]:
    known = REASONS if name == "OPStatusReason" else ACTIONS
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST:
        errors.append(wrong(place, f"This is a list of at most {_MOST} objects."))
        return ()
    rows = []
    for number, item in enumerate(value):
        where = f"{place}/{number}"
        word = item.get("code") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not set(item) <= _ROW or not isinstance(word, str) or word not in known:
            errors.append(wrong(where, f"An object with code (one of {', '.join(known)}), text and conditions."))
            continue
        text = _text(item.get("text"), f"{where}/text", errors)
        rows.append(Clarification(list=name, code=word, text=text, conditions=_conditions(item, where, errors)))
    return tuple(rows)


def _conditions(item: dict[str, Any], where: str, errors: list[Finding]) -> tuple[tuple[str, str], ...]:
    value = item.get("conditions") or []
    fine = isinstance(value, list) and len(value) <= _MOST
    if not fine or not all(isinstance(one, dict) and set(one) == _CONDITION for one in value):
        errors.append(wrong(f"{where}/conditions", f"A list of at most {_MOST} objects with term (BT-48) and value."))
        return ()
    places = [f"{where}/conditions/{number}" for number in range(len(value))]
    return tuple(
        (_text(one["term"], f"{at}/term", errors), _text(one["value"], f"{at}/value", errors))
        for at, one in zip(places, value, strict=True)
    )


def _text(value: object, place: str, errors: list[Finding]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not all(c.isprintable() or c in "\n\t" for c in value):
        errors.append(wrong(place, f"This is a text of at most {_MAX_TEXT} printable characters."))
        return ""
    return value.strip()
