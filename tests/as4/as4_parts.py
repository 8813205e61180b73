"""What the AS4 tests share: messages of ours, recorded messages of others, and ways to spoil both."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from gateway.as4 import mime, soap
from gateway.as4.gzipped import compress
from gateway.as4.limits import LIMITS, Limits
from gateway.as4.msh import Receiving, Request, Sending
from gateway.as4.shapes import Shapes
from gateway.model.document import Envelope
from gateway.model.identifiers import DocumentTypeId, MessageId, ParticipantId, ProcessId
from gateway.model.message import Outgoing, Received
from gateway.model.relation import Endpoint
from gateway.security.keys import Identity, identity_of
from gateway.security.revocation import read_list
from gateway.security.safexml import parse
from gateway.security.standing import Revocations
from gateway.security.trust import Trust
from gateway.ubl.sbdh import unwrap, wrap
from tests.as4.doors import DOOR, receiving_of

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
CORPUS = SHARED / "corpus" / "as4"
PKI = SHARED / "peers" / "pki"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

ENVELOPE = Envelope(
    sender=ParticipantId.parse("0007:5567212047"),
    receiver=ParticipantId.parse("0088:7300010000001"),
    document_type=DocumentTypeId.parse(
        "busdox-docid-qns::urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice"
        "##urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1"
    ),
    process=ProcessId.parse("urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
    country_c1="SE",
    instance_id="7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10",
    created="2026-11-25T10:15:30Z",
    standard="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
    type_version="2.1",
    type="Invoice",
)
DOCUMENT = (
    '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" '
    'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
    "<cbc:ID>F-1001</cbc:ID><cbc:Note>Kontorsstolar &amp; bord åt Exempel AB</cbc:Note></Invoice>"
).encode()


@dataclass(frozen=True, slots=True)
class World:
    """Two access points that trust each other's authority: ``c2`` sends, ``c3`` receives."""

    c2: Identity
    c3: Identity
    trust: Trust

    def endpoint(self, to: Identity | None = None, url: str = "http://127.0.0.1:1/as4") -> Endpoint:
        to = to or self.c3
        return Endpoint(url=url, certificate=to.der, seat=to.common_name, transport_profile="peppol-transport-as4-v2_0")

    def sending(self, message: Outgoing | None = None, **changes: Any) -> Sending:
        facts: dict[str, Any] = {"identity": self.c2, "trust": self.trust, "clock": StillClock()} | changes
        return Sending(message or outgoing(), facts.pop("endpoint", self.endpoint()), **facts)

    def receiving(self, content_type: str, body: bytes, **changes: Any) -> Receiving:
        facts: dict[str, Any] = {"identity": self.c3, "trust": self.trust, "now": NOW, "unwrap": unwrap}
        if DOOR.shapes is not None:
            self.teach(DOOR.shapes)
        return receiving_of(content_type, body, **(facts | changes))

    def teach(self, shapes: Shapes, often: bool = True) -> None:
        """Let an honest message of C2 be known, where none is yet; ``often``: and what the next has in common."""
        if not shapes.known:
            facts: dict[str, Any] = {"identity": self.c3, "trust": self.trust, "now": NOW, "unwrap": unwrap}
            changes: dict[str, Any] = {"message_id": "next@pop000001.as4", "conversation_id": "next"}
            for message in (outgoing(), outgoing(timestamp=NOW + timedelta(seconds=1), **changes))[: 1 + often]:
                honest = self.sending(message).request()
                Receiving(honest.content_type, honest.body, shapes=shapes, **facts).read()
            assert shapes.known

    def read(self, request: Request, **changes: Any) -> Received:
        return self.receiving(request.content_type, request.body, **changes).read()


class StillClock:
    def now(self) -> datetime:
        return NOW


def outgoing(document: bytes = DOCUMENT, envelope: Envelope = ENVELOPE, **changes: Any) -> Outgoing:
    made = Outgoing(
        message_id=MessageId("4f4a6a7e-93f1-4f0e-9a24-6d0a3b5f2c11@pop000001.as4"),
        conversation_id="0d7b3f0e-1f53-4e8e-8a54-7b0f2e1d9c33",
        timestamp=NOW,
        envelope=envelope,
        part=compress(wrap(document, envelope)),
    )
    return replace(made, **changes)


# --- spoiling ---------------------------------------------------------------------------------------------------------


def unpack(request: Request) -> tuple[etree._Element, bytes, str]:
    """The envelope as a tree, the encrypted part, and its Content-ID."""
    message = mime.read_message(request.content_type, request.body, LIMITS)
    return parse(message.soap), bytes(message.parts[0].content), message.parts[0].content_id


def pack(root: etree._Element | bytes, part: bytes, content_id: str) -> Request:
    octets = root if isinstance(root, bytes) else etree.tostring(root)
    content_type, body = mime.write_message(octets, content_id, part, boundary="spoiled", root_id="soap@test")
    return Request(content_type=content_type, body=body, soap=octets)


def spoil(request: Request, change: Callable[[etree._Element], object]) -> Request:
    """Change the envelope as a tree and pack it again."""
    root, part, content_id = unpack(request)
    change(root)
    return pack(root, part, content_id)


def at(root: etree._Element, *path: str) -> etree._Element:
    """The one element under this path of local names."""
    found = root.xpath("/*" + "".join(f"/*[local-name()='{name}']" for name in path))
    assert len(found) == 1, path
    return found[0]


def digest_of(octets: bytes) -> str:
    return base64.b64encode(hashlib.sha256(octets).digest()).decode()


def canonical_slices(octets: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Every signed element of a message of ours: its name, the octets as written, and lxml's canonical form."""
    root = parse(octets)
    for name, path in (
        ("eb:Messaging", ("Header", "Messaging")),
        ("soap:Body", ("Body",)),
        ("ds:SignedInfo", ("Header", "Security", "Signature", "SignedInfo")),
    ):
        start, end = octets.index(f"<{name}".encode()), octets.index(f"</{name}>".encode()) + len(name) + 3
        yield name, octets[start:end], soap.canonical(at(root, *path))


# --- recorded messages ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorded:
    """An HTTP message from a file of the corpus."""

    start: str
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.start.split()[1])

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


def recorded(folder: str, name: str, kind: str = "request") -> Recorded:
    head, _, body = (CORPUS / folder / f"{name}.{kind}.http").read_bytes().partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return Recorded(start, headers, body)


def vectors(folder: str) -> list[dict[str, Any]]:
    """The entries of ``vectors.json``; nothing where the corpus is absent."""
    file = CORPUS / folder / "vectors.json"
    return json.loads(file.read_text())["vectors"] if file.exists() else []


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((PKI / f"{name}.pem").read_bytes())


@lru_cache(maxsize=16)
def peer_identity(name: str) -> Identity:
    key = load_pem_private_key((PKI / f"{name}.key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return identity_of(certificate(name), key)


@lru_cache(maxsize=1)
def peer_trust() -> Trust:
    root, access_point, smp = (certificate(name) for name in ("root", "ap-ca", "smp-ca"))
    revocations = Revocations(authorities=[root, access_point, smp])
    for file in sorted((PKI / "crl").glob("*.crl")):
        revocations.take_list(file.name, read_list(file.read_bytes(), revocations.authorities, NOW))
    return Trust([access_point, root], [smp, root], revocations)


def strict_limits(**changes: int) -> Limits:
    return replace(LIMITS, **changes)
