"""An SML of a private network: the SOAP interface over the zone file that DNS answers from.

Made from the published interface (Peppol SML 1.3, BDMSL 1.0), with the rules and fault numbers of the real one. It
takes the SMP id for the caller's word, except over TLS, where the client certificate owns it. What goes wrong on
purpose is switched on by tests, and by people who learn, with ``trouble``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from lxml import etree

from gateway.errors import GatewayError, InvalidAddress, PermanentError
from gateway.files import write_durably
from gateway.model.identifiers import ParticipantId
from gateway.security import safexml
from gateway.smp import zone

log = logging.getLogger(__name__)

LOCATOR: Final = "http://busdox.org/serviceMetadata/locator/1.0/"
IDS: Final = "http://busdox.org/transport/identifiers/1.0/"
DATA: Final = "ec:services:wsdl:BDMSL:data:1.0"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_LARGEST: Final = 1_000_000
_PAGE: Final = 100
_KEY: Final = re.compile(
    r"(?=(?:.*[A-Z]){2})(?=(?:.*[a-z]){2})(?=(?:.*\d){2})(?=(?:.*[@#$%()\[\]{}*^\-!~|+=_]){2})\S{8,24}"
)
_SERVICES: Final = {
    "manageparticipantidentifier": {
        "CreateParticipantIdentifier": "create",
        "CreateList": "create_list",
        "DeleteParticipantIdentifier": "delete",
        "DeleteList": "delete_list",
        "PageRequest": "page",
        "PrepareMigrationRecord": "prepare",
        "CompleteMigrationRecord": "migrate",
    },
    "manageservicemetadata": {
        "CreateServiceMetadataPublisherService": "create_publisher",
        "ReadServiceMetadataPublisherService": "read_publisher",
        "UpdateServiceMetadataPublisherService": "update_publisher",
        "ServiceMetadataPublisherID": "delete_publisher",
    },
    "bdmslservice": {"PrepareChangeCertificate": "announce", "IsAlive": "is_alive"},
}


class Refusal(Exception):
    """A SOAP fault: its number, its kind, and what is wrong."""

    def __init__(self, code: int, kind: str, text: str) -> None:
        super().__init__(text)
        self.code, self.kind, self.text = code, kind, text


Trouble = Callable[[str], str]
"""What goes wrong with this operation: ``""`` nothing, ``lost`` it is done and the answer never comes, ``hang``,
``500``, ``105`` (a fault of that number), ``html``."""


def _no_trouble(operation: str) -> str:
    return ""


@dataclass
class Sml:
    """The register with its SOAP interface."""

    zone_file: Path
    state_file: Path
    name: str = zone.DEFAULT_ZONE
    trouble: Trouble = _no_trouble
    publishers: dict[str, str] = field(default_factory=dict)
    """Address of each SMP by its id."""
    owners: dict[str, str] = field(default_factory=dict)
    """Subject of the certificate that owns an SMP id, where TLS told it."""
    held: dict[ParticipantId, str] = field(default_factory=dict)
    """SMP id of each participant."""
    migrations: dict[ParticipantId, tuple[str, str]] = field(default_factory=dict)
    """SMP id and key of each migration that is prepared."""
    announced: dict[str, str] = field(default_factory=dict)
    """The next certificate (PEM) of an SMP."""
    asked: list[str] = field(default_factory=list)

    def load(self) -> None:
        """Go on where the last run ended."""
        zone.create(self.zone_file, self.name)
        if not self.state_file.exists():
            return
        kept = json.loads(self.state_file.read_text())
        self.publishers, self.owners = kept["publishers"], kept["owners"]
        self.held = {ParticipantId(value): smp for value, smp in kept["participants"].items()}
        self.migrations = {ParticipantId(value): (smp, key) for value, (smp, key) in kept["migrations"].items()}

    def _save(self) -> None:
        kept = {
            "publishers": self.publishers,
            "owners": self.owners,
            "participants": {known.value: smp for known, smp in self.held.items()},
            "migrations": {known.value: list(pair) for known, pair in self.migrations.items()},
        }
        write_durably(self.state_file, json.dumps(kept, indent=1).encode(), mode=0o600)

    # --- HTTP ---------------------------------------------------------------------------------------------------

    def application(self) -> web.Application:
        """The three services."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/{service}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        operations = _SERVICES.get(request.match_info["service"])
        if operations is None:
            return web.Response(status=404)
        try:
            root = safexml.parse(await request.read())
            body = root.find(f"{{{SOAP}}}Body")
            element = body[0] if body is not None and len(body) == 1 else None
            operation = operations.get(etree.QName(element).localname, "") if element is not None else ""
            if element is None or not operation:
                raise Refusal(106, "BadRequest", "no operation of this service")
        except PermanentError as error:
            return _fault(Refusal(106, "BadRequest", str(error)))
        except Refusal as refusal:
            return _fault(refusal)
        self.asked.append(operation)
        wrong = self.trouble(operation)
        if wrong and wrong != "lost":
            return await _go_wrong(wrong)
        try:
            answer = getattr(self, f"_{operation}")(element, _subject(request))
            self._save()
        except Refusal as refusal:
            return _fault(refusal)
        except GatewayError as error:
            log.error("the SML cannot do %s: %s", operation, error)
            return _fault(Refusal(105, "InternalError", str(error)))
        if wrong == "lost" and request.transport is not None:
            request.transport.close()
        return _soap(answer)

    # --- participants -------------------------------------------------------------------------------------------

    def _create(self, element: etree._Element, subject: str) -> None:
        self._add(self._owner(element, subject), [_participant(element)])

    def _create_list(self, element: etree._Element, subject: str) -> None:
        self._add(self._owner(element, subject), _several(element))

    def _add(self, smp_id: str, wanted: list[ParticipantId]) -> None:
        for participant in wanted:
            if participant in self.held:
                raise Refusal(106, "BadRequest", f"The participant identifier {participant} does already exist")
        zone.register_all(self.zone_file, wanted, self.publishers[smp_id], self.name)
        self.held |= dict.fromkeys(wanted, smp_id)

    def _delete(self, element: etree._Element, subject: str) -> None:
        self._drop(self._owner(element, subject), [_participant(element)])

    def _delete_list(self, element: etree._Element, subject: str) -> None:
        self._drop(self._owner(element, subject), _several(element))

    def _drop(self, smp_id: str, wanted: list[ParticipantId]) -> None:
        for participant in wanted:
            self._own(participant, smp_id)
            if participant in self.migrations:
                raise Refusal(114, "BadRequest", f"The migration of {participant} is planned")
        zone.unregister_all(self.zone_file, wanted)
        for participant in wanted:
            del self.held[participant]

    def _page(self, element: etree._Element, subject: str) -> etree._Element:
        smp_id = self._owner(element, subject)
        first = int(element.findtext(f"{{{LOCATOR}}}NextPageIdentifier") or 0)
        ours = sorted(known.value for known, smp in self.held.items() if smp == smp_id)
        page = etree.Element(f"{{{LOCATOR}}}ParticipantIdentifierPage", nsmap={None: LOCATOR, "ids": IDS})  # type: ignore[dict-item]
        for value in ours[first : first + _PAGE]:
            entry = etree.SubElement(page, f"{{{IDS}}}ParticipantIdentifier")
            entry.set("scheme", "iso6523-actorid-upis")
            entry.text = value
        etree.SubElement(page, f"{{{LOCATOR}}}ServiceMetadataPublisherID").text = smp_id
        if first + _PAGE < len(ours):
            etree.SubElement(page, f"{{{LOCATOR}}}NextPageIdentifier").text = str(first + _PAGE)
        return page

    def _prepare(self, element: etree._Element, subject: str) -> None:
        smp_id, participant = self._owner(element, subject), _participant(element)
        self._own(participant, smp_id)
        key = element.findtext(f"{{{LOCATOR}}}MigrationKey") or ""
        if not _KEY.fullmatch(key):
            raise Refusal(106, "BadRequest", "The migration key does not follow the rules")
        self.migrations[participant] = (smp_id, key)

    def _migrate(self, element: etree._Element, subject: str) -> None:
        smp_id, participant = self._owner(element, subject), _participant(element)
        key = element.findtext(f"{{{LOCATOR}}}MigrationKey") or ""
        if self.migrations.get(participant, ("", ""))[1] != key:
            raise Refusal(111, "NotFound", f"There is no migration of {participant} with this key")
        zone.move(self.zone_file, participant, self.publishers[smp_id])
        self.held[participant] = smp_id
        del self.migrations[participant]

    def _own(self, participant: ParticipantId, smp_id: str) -> None:
        if self.held.get(participant) is None:
            raise Refusal(110, "NotFound", f"The participant {participant} is not registered")
        if self.held[participant] != smp_id:
            raise Refusal(101, "Unauthorized", f"The participant {participant} belongs to another SMP")

    # --- SMPs ---------------------------------------------------------------------------------------------------

    def _create_publisher(self, element: etree._Element, subject: str) -> None:
        smp_id = _smp_id(element)
        if smp_id in self.publishers:
            raise Refusal(106, "BadRequest", f"The SMP {smp_id} does already exist")
        self.publishers[smp_id] = element.findtext(f".//{{{LOCATOR}}}LogicalAddress") or ""
        self.owners[smp_id] = subject

    def _read_publisher(self, element: etree._Element, subject: str) -> etree._Element:
        smp_id = self._owner(element, subject)
        answer = etree.Element(f"{{{LOCATOR}}}ServiceMetadataPublisherService", nsmap={None: LOCATOR})  # type: ignore[dict-item]
        endpoint = etree.SubElement(answer, f"{{{LOCATOR}}}PublisherEndpoint")
        etree.SubElement(endpoint, f"{{{LOCATOR}}}LogicalAddress").text = self.publishers[smp_id]
        etree.SubElement(endpoint, f"{{{LOCATOR}}}PhysicalAddress").text = "1.1.1.1"
        etree.SubElement(answer, f"{{{LOCATOR}}}ServiceMetadataPublisherID").text = smp_id
        return answer

    def _update_publisher(self, element: etree._Element, subject: str) -> None:
        smp_id = self._owner(element, subject)
        self.publishers[smp_id] = url = element.findtext(f".//{{{LOCATOR}}}LogicalAddress") or ""
        for participant in [known for known, smp in self.held.items() if smp == smp_id]:
            zone.move(self.zone_file, participant, url)

    def _delete_publisher(self, element: etree._Element, subject: str) -> None:
        smp_id = self._owner(element, subject)
        self._drop(smp_id, [known for known, smp in self.held.items() if smp == smp_id])
        del self.publishers[smp_id]

    def _announce(self, element: etree._Element, subject: str) -> None:
        pem = element.findtext(f"{{{DATA}}}newCertificatePublicKey") or ""
        if "BEGIN CERTIFICATE" not in pem:
            raise Refusal(106, "BadRequest", "The new certificate is not PEM")
        self.announced[subject] = pem

    def _is_alive(self, element: etree._Element, subject: str) -> None:
        return None

    def _owner(self, element: etree._Element, subject: str) -> str:
        smp_id = _smp_id(element)
        if smp_id not in self.publishers:
            raise Refusal(100, "NotFound", f"The SMP {smp_id} is not registered")
        if self.owners.get(smp_id, "") != subject:
            raise Refusal(
                101, "Unauthorized", f"The certificate {subject or 'that was not shown'} does not own {smp_id}"
            )
        return smp_id


async def _go_wrong(wrong: str) -> web.StreamResponse:
    if wrong == "hang":
        await asyncio.sleep(3_600)
    if wrong == "html":
        return web.Response(status=200, text="<html>maintenance", content_type="text/html")
    if wrong == "500":
        return web.Response(status=500, text="out of order")
    return _fault(Refusal(int(wrong), "InternalError", "as it was told"))


def _smp_id(element: etree._Element) -> str:
    named = f"{{{LOCATOR}}}ServiceMetadataPublisherID"
    return ((element.text if element.tag == named else element.findtext(named)) or "").strip().upper()


def _participant(element: etree._Element) -> ParticipantId:
    found = _several(element)
    if len(found) != 1:
        raise Refusal(106, "BadRequest", "there must be one participant identifier")
    return found[0]


def _several(element: etree._Element) -> list[ParticipantId]:
    found = element.findall(f"{{{IDS}}}ParticipantIdentifier")
    if len(found) > _PAGE:
        raise Refusal(106, "BadRequest", f"there are more than {_PAGE} participant identifiers")
    try:
        return [ParticipantId.parse(f"{each.get('scheme')}::{each.text}") for each in found]
    except InvalidAddress as error:
        raise Refusal(106, "BadRequest", str(error)) from None


def _subject(request: web.Request) -> str:
    """Subject of the caller's certificate; empty without TLS."""
    certificate: dict[str, Any] = (request.transport and request.transport.get_extra_info("peercert")) or {}
    return ",".join(f"{k}={v}" for part in certificate.get("subject", ()) for k, v in part)


def _soap(content: etree._Element | None, status: int = 200) -> web.Response:
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    body = etree.SubElement(root, f"{{{SOAP}}}Body")
    if content is not None:
        body.append(content)
    return web.Response(status=status, body=etree.tostring(root), content_type="text/xml", charset="utf-8")


def _fault(refusal: Refusal) -> web.Response:
    fault = etree.Element(f"{{{SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = "soap:Server"
    etree.SubElement(fault, "faultstring").text = f"[ERR-{refusal.code}] {refusal.text}"
    detail = etree.SubElement(etree.SubElement(fault, "detail"), f"{{{LOCATOR}}}{refusal.kind}Fault")
    etree.SubElement(detail, f"{{{LOCATOR}}}FaultMessage").text = f"[ERR-{refusal.code}] {refusal.text}"
    return _soap(fault, 500)


@asynccontextmanager
async def serve_sml(sml: Sml, listen: tuple[str, int] = ("127.0.0.1", 0), tls: Any = None) -> AsyncIterator[str]:
    """Serve it; gives its base URL."""
    sml.load()
    runner = web.AppRunner(sml.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, *listen, ssl_context=tls).start()
        host, port = runner.addresses[0][:2]
        yield f"{'https' if tls else 'http'}://{host}:{port}"
    finally:
        await runner.cleanup()
