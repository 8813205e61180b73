"""The write interface of our SMP, as the tools of the network know it. [I/O]

Source: the interface of phoss SMP, which most tools speak; who writes shows an API key, as ``Bearer KEY`` or as the
password of ``Basic``. What is written must be ours to say: this SMP publishes the one access point that it belongs
to, so an endpoint elsewhere is refused. Groups and services come to the same participants that the API shows.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote

from aiohttp import web
from lxml import etree

from gateway.errors import (
    Conflict,
    GatewayError,
    InvalidAddress,
    InvalidAnswer,
    NotFound,
    PermanentError,
    TemporaryError,
)
from gateway.model.identifiers import TRANSPORT_PROFILE, AccountId, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Participant
from gateway.model.services import NO_SERVICES, services_of
from gateway.security import safexml
from gateway.smp.metadata import ServiceInformation, read_group, read_information

_LARGEST: Final = 256 * 1024
_SECONDS: Final = 30.0
Authenticate = Callable[[str], Awaitable[AccountId | None]]
"""The account of a key, or None."""
_MOST_SERVICES: Final = 200


class Participants(Protocol):
    """What writing comes to; the assembled gateway fits it."""

    async def publish(self, participant: Participant, key: str = "") -> object: ...

    async def unpublish(self, account: AccountId, id: ParticipantId) -> object: ...


class Kept(Protocol):
    """Where our participants are kept."""

    async def participant(self, id: ParticipantId) -> Participant | None: ...

    async def save_participant(self, participant: Participant) -> None: ...

    async def remove_participant(self, account: AccountId, id: ParticipantId) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Answers ``PUT`` and ``DELETE``."""

    authenticate: Authenticate
    participants: Participants
    kept: Kept
    endpoint_url: str
    """Of our access point: the only one that we publish."""
    certificates: Callable[[], Collection[bytes]]
    """DER of our access point's certificates: the one in use, and the one that is announced."""
    fit: Callable[[ParticipantId], object]
    """Raises ``InvalidAddress`` when nobody new may be registered under it."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Do it: 200, or 400, 401, 404, 405, 409, 413, 503 with a sentence that says why."""
        account = await self._account(request)
        if account is None:
            challenge = {"WWW-Authenticate": 'Basic realm="SMP", Bearer realm="SMP"'}
            return web.Response(status=401, text="An API key is needed.\n", headers=challenge)
        raw, _, query = request.raw_path.partition("?")
        segments = [unquote(segment) for segment in raw.strip("/").split("/")]
        quiet = any(v == ["false"] for k, v in parse_qs(query).items() if k in ("create-in-sml", "delete-in-sml"))
        try:
            async with asyncio.timeout(_SECONDS):
                body = await request.read() if request.method == "PUT" else b""
            if len(body) > _LARGEST:
                return web.Response(status=413, text=f"At most {_LARGEST} octets.\n")
            done = await self._do(request.method, segments, body, account, quiet=quiet)
        except TimeoutError:
            return web.Response(status=408, text="The body came too slowly.\n")
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text=f"At most {_LARGEST} octets.\n")
        except NotFound as error:
            return web.Response(status=404, text=f"{error}\n")
        except Conflict as error:
            return web.Response(status=409, text=f"{error}. {error.remedy}\n")
        except TemporaryError as error:
            return web.Response(status=503, text=f"{error.peer_text}\n", headers={"Retry-After": "30"})
        except PermanentError as error:
            return web.Response(status=400, text=f"{error}. {error.remedy}\n")
        if not done:
            return web.Response(status=405, text="There is no such operation here.\n", headers={"Allow": "GET, HEAD"})
        return web.Response(status=200)

    async def _account(self, request: web.BaseRequest) -> AccountId | None:
        kind, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        if kind.lower() == "basic":
            try:
                value = base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                return None
        elif kind.lower() != "bearer":
            return None
        return await self.authenticate(value.strip()) if value.strip() else None

    async def _do(self, method: str, segments: list[str], body: bytes, account: AccountId, *, quiet: bool) -> bool:
        match (method, segments):
            case ("PUT", [group]):
                await self._put_group(_participant(group), body, account, quiet=quiet)
            case ("DELETE", [group]):
                await self._delete_group(_participant(group), account, quiet=quiet)
            case ("PUT", [group, "services", kind]):
                await self._put_service(_participant(group), _document_type(kind), body, account)
            case ("DELETE", [group, "services"]):
                await self._keep(await self._ours(_participant(group), account), [])
            case ("DELETE", [group, "services", kind, *process]) if len(process) < 2:
                await self._delete_service(_participant(group), _document_type(kind), process, account)
            case _:
                return False
        return True

    async def _put_group(self, id: ParticipantId, body: bytes, account: AccountId, *, quiet: bool) -> None:
        read_group(body, id)
        held = await self.kept.participant(id)
        if held is not None and held.account != account:
            raise Conflict(f"{id.value} belongs to another account", remedy="Its owner must remove it first.")
        if held is None:
            self.fit(id)
        wanted = held or Participant(id=id, account=account, document_types=NO_SERVICES)
        if quiet:
            await self.kept.save_participant(wanted)
        else:
            await self.participants.publish(wanted)

    async def _delete_group(self, id: ParticipantId, account: AccountId, *, quiet: bool) -> None:
        await self._ours(id, account)
        if quiet:
            await self.kept.remove_participant(account, id)
        else:
            await self.participants.unpublish(account, id)

    async def _put_service(
        self, id: ParticipantId, document_type: DocumentTypeId, body: bytes, account: AccountId
    ) -> None:
        held = await self._ours(id, account)
        if fault := document_type.fault():
            raise InvalidAddress(f"Nobody may be registered with it: {fault}", remedy="Compare it with the code list.")
        information = read_information(_metadata(body), id, str(document_type))
        processes = self._processes(information)
        others = [pair for pair in services_of(held) if pair[0] != document_type]
        await self._keep(held, [*others, *((document_type, process) for process in processes)])

    def _processes(self, information: ServiceInformation) -> list[ProcessId]:
        """The processes of the service. Raises ``InvalidAnswer`` for an endpoint that is not ours."""
        for process, endpoints in information.processes:
            for end in endpoints:
                if end.transport_profile != TRANSPORT_PROFILE:
                    raise InvalidAnswer(f"The transport profile {end.transport_profile} is not served", remedy=_OURS)
                if end.url != self.endpoint_url:
                    raise InvalidAnswer(f"The endpoint {end.url[:200]} is not {self.endpoint_url}", remedy=_OURS)
                if end.certificate and end.certificate not in self.certificates():
                    raise InvalidAnswer("The certificate is not that of our access point", remedy=_OURS)
            if not endpoints:
                raise InvalidAnswer(f"The process {process.value} has no endpoint", remedy=_OURS)
        if not information.processes:
            raise InvalidAnswer("The service has no process", remedy="Delete the service instead.")
        return [process for process, _ in information.processes]

    async def _delete_service(
        self, id: ParticipantId, document_type: DocumentTypeId, process: list[str], account: AccountId
    ) -> None:
        held = await self._ours(id, account)
        wanted = ProcessId.parse(process[0]) if process else None
        left = [(kind, p) for kind, p in services_of(held) if kind != document_type or (wanted and p != wanted)]
        if len(left) == len(services_of(held)):
            raise NotFound(f"{id.value} does not take it")
        await self._keep(held, left)

    async def _keep(self, held: Participant, services: list[tuple[DocumentTypeId, ProcessId]]) -> None:
        if len(services) > _MOST_SERVICES:
            raise InvalidAnswer(f"A participant has at most {_MOST_SERVICES} services")
        pairs = tuple((str(kind), str(process)) for kind, process in services) or NO_SERVICES
        await self.kept.save_participant(replace(held, document_types=pairs))

    async def _ours(self, id: ParticipantId, account: AccountId) -> Participant:
        held = await self.kept.participant(id)
        if held is None or held.account != account:
            raise NotFound(f"{id.value} is not a participant of this account")
        return held


_OURS: Final = "This SMP publishes its own access point only; leave others to their SMP, or migrate the participant"


def _participant(text: str) -> ParticipantId:
    if "::" not in text:
        raise InvalidAddress(f"“{text[:80]}” has no scheme before it")
    return ParticipantId.parse(text)


def _document_type(text: str) -> DocumentTypeId:
    found = DocumentTypeId.parse(text)
    if str(found) != text:
        raise InvalidAddress(f"“{text[:120]}” does not begin with the scheme of a document type")
    return found


def _metadata(body: bytes) -> etree._Element:
    try:
        root = safexml.parse(body)
    except GatewayError as error:
        raise InvalidAnswer(f"The body is no ServiceMetadata: {error}") from None
    if root.tag.endswith("}SignedServiceMetadata") and len(root):
        root = root[0]  # some tools send what they have read
    if not root.tag.endswith("}ServiceMetadata"):
        raise InvalidAnswer(f"The body is {etree.QName(root).localname[:60]}, not ServiceMetadata")
    if root.find("{*}Redirect") is not None:
        raise InvalidAnswer("A redirect is not written here", remedy="A participant that migrates gets one by itself.")
    return root
