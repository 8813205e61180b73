"""``/v1/participants``: for whom the account receives here, and how each gets its documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import InvalidAddress, NotFound
from gateway.model.document import Finding
from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Participant
from gateway.model.migration_keys import check_key, new_key
from gateway.model.registration import STAGES, Registration, Stage
from gateway.model.schemes import read_own
from gateway.model.services import services_of
from gateway.model.status import is_provider
from gateway.model.view import moment
from gateway.web.answers import answer, page_of
from gateway.web.auth import account_of
from gateway.web.body import Intake, read_json
from gateway.web.problem import Problem, wrong
from gateway.web.query import no_query

if TYPE_CHECKING:
    from gateway.app import Gateway

_FIELDS: Final = ("id", "name", "country", "delivery", "document_types")
_MAX_TYPES: Final = 100
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Participants:
    """The calls on participants of the caller's account."""

    gateway: Gateway
    intake: Intake

    def routes(self) -> list[web.RouteDef]:
        """Where each call stands."""
        return [
            web.get("/v1/participants", self.find),
            web.post("/v1/participants", self.save),
            web.get("/v1/participants/{participant}", self.show),
            web.delete("/v1/participants/{participant}", self.remove),
            web.post("/v1/participants/{participant}/migration", self.hand_over),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """All participants of the account."""
        no_query(request)
        account, store = account_of(request), self.gateway.store
        ways = {way.participant: way for way in await store.registrations(account)}
        # We ourselves, who only take status messages, are no company of the account.
        ours = [one for one in await store.participants(account) if not is_provider(one.id)]
        return page_of([show(one, ways.get(one.id)) for one in ours])

    async def show(self, request: web.Request) -> web.Response:
        """One participant of the account."""
        no_query(request)
        participant = await self._participant(request)
        return answer(show(participant, await self.gateway.store.registration(participant.id)))

    async def save(self, request: web.Request) -> web.Response:
        """Add (201) or replace (200): our SMP answers and the register knows it when this returns, or will."""
        no_query(request)
        table = await read_json(self.intake, request)
        key = _key(table.pop("migration_key", None))
        participant = read(table, account_of(request), tuple(self.gateway.config.delivery))
        warnings: list[str] = []
        before = await self.gateway.store.participant(participant.id)
        if before is None:
            warnings = self._fit(participant)
        way = await self.gateway.publish(participant, key)
        after = await self.gateway.store.participant(participant.id) or participant
        headers = {"Location": f"/v1/participants/{participant.id.value}"}
        return answer({**show(after, way), "warnings": warnings}, status=200 if before else 201, headers=headers)

    def _fit(self, participant: Participant) -> list[str]:
        """Whether somebody new may be registered so; gives what is odd. Raises ``invalid-value``."""
        strict = self.gateway.config.network.kind != "private"
        errors: list[Finding] = []
        warnings: tuple[str, ...] = ()
        try:
            warnings = read_own(participant.id.value, self.gateway.clock.now().date(), strict=strict).warnings
        except InvalidAddress as error:
            errors.append(wrong("/id", f"{error}. {error.remedy}", participant.id.value))
        for place, (document_type, _process) in enumerate(participant.document_types):
            if fault := DocumentTypeId.parse(document_type).fault():
                errors.append(wrong(f"/document_types/{place}", f"Nobody may be registered with it: {fault}."))
        if errors:
            raise Problem("invalid-value", "The participant cannot be saved as it is.", errors=errors)
        return list(warnings)

    async def remove(self, request: web.Request) -> web.Response:
        """Take it off the network (204, or 202 while others still find it); what it has received stays."""
        no_query(request)
        participant = await self._participant(request)
        way = await self.gateway.unpublish(participant.account, participant.id)
        return web.Response(status=204) if way.complete else answer(show(participant, way), status=202)

    async def hand_over(self, request: web.Request) -> web.Response:
        """Let another SMP take it over: gives the migration key for its operator. We answer until it has moved."""
        no_query(request)
        participant = await self._participant(request)
        registrar = self.gateway.registrar
        way = await registrar.hand_over(participant.account, participant.id, new_key())
        way = await registrar.advance(way, until=Stage.PREPARED)
        return answer(show(participant, way))

    async def _participant(self, request: web.Request) -> Participant:
        try:
            found = await self.gateway.store.participant(ParticipantId.parse(request.match_info["participant"]))
        except InvalidAddress:
            found = None
        if found is None or found.account != account_of(request):
            raise NotFound("There is no such participant in this account.")
        return found


def show(participant: Participant, way: Registration | None = None) -> dict[str, object]:
    """The participant object: JSON values only."""
    return {
        "id": participant.id.value,
        "name": participant.name or None,
        "country": participant.country or None,
        "delivery": participant.delivery,
        "document_types": [
            {"document_type": str(document_type), "process": str(process)}
            for document_type, process in services_of(participant)
        ],
        "created": moment(participant.created),
        "registration": None if way is None else show_way(way),
    }


def show_way(way: Registration) -> dict[str, object]:
    """Where it stands on its way to or from the network."""
    return {
        "goal": str(way.goal),
        "state": "done" if way.complete else "stopped" if way.stopped else "waiting",
        "stages": [str(stage) for stage in STAGES[way.goal]],
        "stage": str(way.stage) if way.stage else None,
        "done": [{"stage": str(d.stage), "time": moment(d.time), "text": d.text} for d in way.done],
        "problem": way.problem or None,
        "attempts": way.attempts,
        "next_attempt": moment(way.next_attempt),
        "migration_key": way.key or None,
        "moved_to": way.moved_to or None,
    }


def read(table: dict[str, object], account: AccountId, deliveries: tuple[str, ...]) -> Participant:
    """Read the participant object; raises ``invalid-value`` with everything that is wrong with it."""
    errors = [wrong(f"/{name[:40]}", f"There is no field “{name[:40]}”.") for name in table if name not in _FIELDS]
    text = {name: _text(table, name, errors) for name in ("id", "name", "country", "delivery")}
    country, delivery = text["country"].upper(), text["delivery"] or "default"
    if country and not re.fullmatch(r"[A-Z]{2}", country):
        errors.append(wrong("/country", "country is two letters of ISO 3166-1, such as SE.", country))
    if delivery not in deliveries:
        known = ", ".join(deliveries)
        errors.append(wrong("/delivery", f"delivery is the name of a [delivery.NAME] section: {known}.", delivery))
    parsed: ParticipantId | None = None
    try:
        parsed = ParticipantId.parse(text["id"])
    except InvalidAddress as error:
        errors.append(wrong("/id", f"{error}. {error.remedy}", text["id"]))
    types = _document_types(table.get("document_types"), errors)
    if errors or parsed is None:
        raise Problem("invalid-value", "The participant cannot be saved as it is.", errors=errors)
    return Participant(
        id=parsed, account=account, name=text["name"], country=country, delivery=delivery, document_types=types
    )


def _key(value: object) -> str:
    """The migration key of the operator who has the participant now; empty where there is none."""
    if value in (None, ""):
        return ""
    try:
        return check_key(value if isinstance(value, str) else "")
    except InvalidAddress as error:
        wrongs = [wrong("/migration_key", f"{error}. {error.remedy}")]
        raise Problem("invalid-value", "The participant cannot be saved as it is.", errors=wrongs) from None


def _text(table: dict[str, object], name: str, errors: list[Finding]) -> str:
    value = table.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _MAX_NAME or not value.isprintable():
        errors.append(wrong(f"/{name}", f"{name} is a text of at most {_MAX_NAME} printable characters."))
        return ""
    return value.strip()


def _document_types(value: object, errors: list[Finding]) -> tuple[tuple[str, str], ...]:
    """``(document type, process)`` pairs, from a list of objects."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MAX_TYPES:
        errors.append(wrong("/document_types", f"document_types is a list of at most {_MAX_TYPES} objects."))
        return ()
    pairs: list[tuple[str, str]] = []
    for place, item in enumerate(value):
        where = f"/document_types/{place}"
        if not isinstance(item, dict) or set(item) != {"document_type", "process"}:
            errors.append(wrong(where, "Each entry is an object with document_type and process."))
            continue
        try:
            if not all(str(value).isprintable() for value in item.values()):
                raise InvalidAddress("document_type and process are printable characters only.")
            document_type = DocumentTypeId.parse(str(item["document_type"]))
            pairs.append((str(document_type), str(ProcessId.parse(str(item["process"])))))
        except InvalidAddress as error:
            errors.append(wrong(where, str(error)))
    return tuple(dict.fromkeys(pairs))
