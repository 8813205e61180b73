"""The SML's SOAP interface as a client. [I/O]

Source: Peppol SML 1.3 (ManageBusinessIdentifier, ManageServiceMetadata), BDMSL 1.0; the WSDL files beside this module
are written from them. zeep makes and reads the SOAP, the wire is ours: mutual TLS with the SMP certificate, no
redirect, no proxy of the environment, small answers only. Every call may have been done although no answer came:
``enter`` and ``leave`` look before they call that a fault, so that they can be repeated.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from importlib import resources
from typing import Any, Final

import aiohttp
from lxml import etree

from gateway.errors import (
    ConfigurationError,
    Conflict,
    InvalidAddress,
    PermanentError,
    RegisterRefused,
    RegisterUnavailable,
)
from gateway.model.identifiers import ParticipantId
from gateway.security import safexml

PARTICIPANTS: Final = "manageparticipantidentifier"
PUBLISHERS: Final = "manageservicemetadata"
BDMSL: Final = "bdmslservice"
_FILES: Final = {PARTICIPANTS: "participants.wsdl", PUBLISHERS: "publishers.wsdl", BDMSL: "bdmsl.wsdl"}
_SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
_FAULT_MESSAGE: Final = "{http://busdox.org/serviceMetadata/locator/1.0/}FaultMessage"
_CODE: Final = re.compile(r"\[ERR-(\d{3})\]")
_SMP_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")

MAX_ANSWER: Final = 1_000_000
LIST_MOST: Final = 100
"""Participants in one call."""
_PAGES_MOST: Final = 2_000
_SECONDS: Final = 60.0
_PHYSICAL_ADDRESS: Final = "1.1.1.1"
"""The interface demands one; nobody uses it."""

SMP_NOT_FOUND, NOT_OURS, BAD_REQUEST, NO_PARTICIPANT, NO_MIGRATION, DUPLICATE = 100, 101, 106, 110, 111, 112
_TEMPORARY: Final = frozenset({105, 107, 109})
"""Technical error, DNS communication, bad configuration of the SML."""


class SmlClient:
    """One SMP's calls to the SML. Made by :func:`open_sml`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, smp_id: str, smp_url: str, seconds: float) -> None:
        self._session = session
        self._seconds = seconds
        self._url = url.rstrip("/")
        self.smp_id = smp_id
        self.smp_url = smp_url
        self._codecs: dict[str, Any] = {}

    # --- participants -------------------------------------------------------------------------------------------

    async def enter(self, participant: ParticipantId, key: str = "") -> None:
        """Let the network find the participant at our SMP; with a migration key, take it over from another SMP.

        Our SMP itself is made known first where it is not. Twice is once. Raises ``Conflict`` when another SMP has
        it, ``RegisterRefused``, ``RegisterUnavailable``.
        """
        try:
            await self._enter(participant, key)
        except RegisterRefused as refused:
            if refused.code != SMP_NOT_FOUND:
                raise
            try:
                await self.create_publisher()
            except RegisterRefused as there:
                if there.code not in (BAD_REQUEST, DUPLICATE):
                    raise  # else: another participant of ours, entered at the same moment, was first
            await self._enter(participant, key)

    async def _enter(self, participant: ParticipantId, key: str) -> None:
        try:
            if key:
                await self._participant("Migrate", participant, MigrationKey=key)
            else:
                await self._participant("Create", participant)
        except RegisterRefused as refused:
            if refused.code not in (BAD_REQUEST, DUPLICATE, NO_MIGRATION, NO_PARTICIPANT):
                raise
            if await self.holds(participant):
                return  # done earlier, and the answer was lost
            if key or refused.code == NO_PARTICIPANT:
                raise
            raise Conflict(
                f"{participant.value} is registered already, but not at our SMP {self.smp_id}: {refused}",
                remedy="Get a migration key from the operator who has it, or let it be removed there; then add it.",
            ) from refused

    async def leave(self, participant: ParticipantId) -> None:
        """Let the network forget it. Twice is once. Raises ``RegisterRefused``, ``RegisterUnavailable``."""
        try:
            await self._participant("Delete", participant)
        except RegisterRefused as refused:
            if refused.code not in (NOT_OURS, BAD_REQUEST, NO_PARTICIPANT) or await self.holds(participant):
                raise

    async def hand_over(self, participant: ParticipantId, key: str) -> None:
        """Prepare the migration to whoever brings this key; until then nothing changes."""
        await self._participant("PrepareToMigrate", participant, MigrationKey=key)

    async def enter_all(self, participants: Sequence[ParticipantId]) -> None:
        """Enter many with few calls; all of a call or none."""
        for start in range(0, len(participants), LIST_MOST):
            await self._list("CreateList", participants[start : start + LIST_MOST])

    async def leave_all(self, participants: Sequence[ParticipantId]) -> None:
        """Remove many with few calls; all of a call or none."""
        for start in range(0, len(participants), LIST_MOST):
            await self._list("DeleteList", participants[start : start + LIST_MOST])

    async def participants(self) -> AsyncIterator[ParticipantId]:
        """Every participant that the SML has for our SMP; what we cannot read as one is passed over."""
        page = ""
        for _ in range(_PAGES_MOST):
            more = {"NextPageIdentifier": page} if page else {}
            answer = await self._call(PARTICIPANTS, "List", ServiceMetadataPublisherID=self.smp_id, **more)
            for item in getattr(answer, "ParticipantIdentifier", None) or ():
                try:
                    yield ParticipantId.parse(f"{item.scheme}::{item._value_1}")
                except InvalidAddress:
                    continue
            page = getattr(answer, "NextPageIdentifier", None) or ""
            if not page:
                return
        raise RegisterUnavailable(f"The SML's list of participants has more than {_PAGES_MOST} pages")

    async def holds(self, participant: ParticipantId) -> bool:
        """Whether the SML has the participant for our SMP: its own word, whatever DNS says yet."""
        try:
            async for known in self.participants():
                if known == participant:
                    return True
        except RegisterRefused as refused:
            if refused.code != SMP_NOT_FOUND:
                raise
        return False

    # --- our SMP ------------------------------------------------------------------------------------------------

    async def create_publisher(self) -> None:
        """Make our SMP known under its id and address."""
        await self._call(PUBLISHERS, "Create", **self._publisher())

    async def update_publisher(self) -> None:
        """Tell the SML our SMP's present address."""
        await self._call(PUBLISHERS, "Update", **self._publisher())

    async def read_publisher(self) -> str:
        """The address that the SML has for our SMP."""
        answer = await self._call(PUBLISHERS, "Read", **self._publisher())
        endpoint = getattr(answer, "PublisherEndpoint", None)
        return str(getattr(endpoint, "LogicalAddress", "") or "")

    async def delete_publisher(self) -> None:
        """Let the SML forget our SMP, and with it every participant of ours."""
        await self._call(PUBLISHERS, "Delete", self.smp_id)

    async def announce_certificate(self, pem: str, day: date | None = None) -> None:
        """Announce the SMP's next certificate: with the present one, before it ends.

        ``day`` is when it takes over, later than today; without it, the day its validity begins.
        """
        more = {"migrationDate": day} if day else {}
        await self._call(BDMSL, "PrepareChangeCertificate", newCertificatePublicKey=pem, **more)

    async def is_alive(self) -> None:
        """Ask whether the SML is there and takes our certificate."""
        await self._call(BDMSL, "IsAlive")

    # --- SOAP ---------------------------------------------------------------------------------------------------

    def _publisher(self) -> dict[str, Any]:
        endpoint = {"LogicalAddress": self.smp_url, "PhysicalAddress": _PHYSICAL_ADDRESS}
        return {"PublisherEndpoint": endpoint, "ServiceMetadataPublisherID": self.smp_id}

    async def _participant(self, operation: str, participant: ParticipantId, **more: str) -> None:
        await self._call(
            PARTICIPANTS,
            operation,
            ServiceMetadataPublisherID=self.smp_id,
            ParticipantIdentifier={"_value_1": participant.value, "scheme": participant.scheme},
            **more,
        )

    async def _list(self, operation: str, participants: Sequence[ParticipantId]) -> None:
        values = [{"_value_1": known.value, "scheme": known.scheme} for known in participants]
        await self._call(PARTICIPANTS, operation, ParticipantIdentifier=values, ServiceMetadataPublisherID=self.smp_id)

    async def _call(self, service: str, operation: str, *values: Any, **fields: Any) -> Any:
        codec = self._codecs.get(service)
        if codec is None:
            codec = self._codecs[service] = await asyncio.to_thread(_codec, service)
        binding: Any = next(iter(codec.wsdl.bindings.values()))
        spoken = binding.get(operation)
        message = spoken.create(*values, **fields)
        octets = etree.tostring(message.content, xml_declaration=True, encoding="UTF-8")
        status, answer = await self._post(f"{self._url}/{service}", octets, dict(message.headers))
        root = _envelope(status, answer)
        return spoken.process_reply(root)

    async def _post(self, url: str, octets: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            async with self._session.post(url, data=octets, headers=headers, allow_redirects=False) as response:
                body = await response.content.read(MAX_ANSWER + 1)
                while len(body) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER)):
                    body += more
                status = response.status
        except TimeoutError:
            raise RegisterUnavailable(f"The SML {url} gave no answer within {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = (str(error) or type(error).__name__)[:300]
            raise RegisterUnavailable(f"The SML {url} cannot be reached, or hung up: {said}") from None
        if len(body) > MAX_ANSWER:
            raise RegisterUnavailable(f"The SML's answer is larger than {MAX_ANSWER} octets")
        return status, body


def _codec(service: str) -> Any:
    """What makes and reads the SOAP of one service. Raises :class:`ConfigurationError` where zeep is missing."""
    try:
        import zeep
    except ImportError:
        raise ConfigurationError(
            [("smp.sml_url", "the SML is spoken to with zeep: pip install 'access-point-gateway[sml]'")]
        ) from None
    client: Any = zeep.Client
    return client(str(resources.files("gateway.sml").joinpath("wsdl", _FILES[service])), transport=_packaged())


def _packaged() -> Any:
    """What zeep reads files with: those beside this module, whatever an import in them may name."""
    from zeep import transports

    make: Any = transports.Transport
    read = make()
    load = read.load

    def load_packaged(url: str) -> Any:
        if "://" in url:
            raise ConfigurationError([("smp.sml_url", f"a description of the SML's services may not import {url}")])
        return load(url)

    read.load = load_packaged
    return read


def _envelope(status: int, octets: bytes) -> etree._Element:
    """The SOAP envelope of a good answer. Raises ``RegisterRefused`` or ``RegisterUnavailable``."""
    try:
        root = safexml.parse(octets)
    except PermanentError:
        root = None
    if root is None or root.tag != f"{_SOAP}Envelope":
        if status in (401, 403):
            raise RegisterRefused(f"The SML does not let us in (status {status}): it does not know our SMP certificate")
        raise RegisterUnavailable(f"The SML's answer is no SOAP (status {status})")
    fault = root.find(f"{_SOAP}Body/{_SOAP}Fault")
    if fault is not None:
        said = (fault.findtext("faultstring") or "").strip()
        detail = "".join(str(e.text or "") for e in fault.iter(_FAULT_MESSAGE)).strip()
        text = " ".join(dict.fromkeys(part for part in (said, detail) if part))[:500] or "a fault without words"
        found = _CODE.search(text)
        code = int(found[1]) if found else 0
        temporary = code in _TEMPORARY or (not code and fault.find(".//{*}InternalErrorFault") is not None)
        if temporary:
            raise RegisterUnavailable(f"The SML has a fault: {text}")
        raise RegisterRefused(f"The SML says: {text}", code=code)
    if status != 200:
        raise RegisterUnavailable(f"The SML answers with status {status}")
    return root


@asynccontextmanager
async def open_sml(
    url: str, *, smp_id: str, smp_url: str, tls: ssl.SSLContext | None = None, seconds: float = _SECONDS
) -> AsyncIterator[SmlClient]:
    """Open the connection to one SML. ``tls`` shows our SMP certificate. Raises :class:`ConfigurationError`."""
    if len(smp_id) > 63 or not _SMP_ID.fullmatch(smp_id):
        raise ConfigurationError(
            [("smp.sml_id", f"“{smp_id[:80]}” is no SMP id: letters, digits, inner hyphens, dots")]
        )
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls or True, limit=4),
        timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, 10.0)),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": "access-point-gateway", "Accept-Encoding": "identity"},
    )
    async with session:
        yield SmlClient(session, url, smp_id, smp_url, seconds)
