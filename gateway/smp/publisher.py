"""What our own SMP says about our participants: the list, and the signed metadata of each document type.

Source: Peppol SMP 1.4. Signing costs a private operation, so an answer is signed once for a participant as it stands
and then kept; a changed participant is another key. Serving is :mod:`gateway.smp.server`'s. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from lxml import etree

from gateway.model.identifiers import TRANSPORT_PROFILE, DocumentTypeId, ProcessId
from gateway.model.message import Participant
from gateway.model.services import services_of
from gateway.security.dsig import sign_enveloped
from gateway.security.keys import Identity
from gateway.smp.metadata import ServiceEndpoint, path, write_group, write_metadata, write_redirect

_KEPT: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """The certificate that our access point will have, and from when on."""

    certificate: bytes
    """DER."""
    activation: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Writes the answers of one SMP for the participants of one access point."""

    identity: Identity
    """The SMP's own certificate and key; its issuer is the SMP authority."""
    smp_url: str
    """Public base URL of this SMP."""
    endpoint_url: str
    """Public URL of our AS4 endpoint."""
    certificate: bytes
    """DER of our access point's certificate: others encrypt for it."""
    following: Following | None = None
    """Announced beside it: its endpoint begins when the other ends."""
    description: str = "Access point"
    contact_url: str = ""
    """``https:`` or ``mailto:`` of the technical contact; empty names the SMP itself."""
    _signed: OrderedDict[tuple[Participant, DocumentTypeId, str, str], bytes] = field(
        default_factory=OrderedDict, repr=False, compare=False
    )

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """Those of our access point that stand in the answers."""
        return (self.certificate, self.following.certificate) if self.following else (self.certificate,)

    def group(self, participant: Participant) -> bytes:
        """The ServiceGroup, unsigned as the specification has it."""
        return write_group(participant.id, list(offered(participant)), self.smp_url)

    def metadata(self, participant: Participant, document_type: DocumentTypeId) -> bytes | None:
        """The SignedServiceMetadata, or None when the participant does not take exactly this document type."""
        processes = offered(participant).get(document_type)
        if processes is None:
            return None
        return self._sign(
            (participant, document_type, "", ""), lambda: self._unsigned(participant, document_type, processes)
        )

    def redirect(self, participant: Participant, document_type: DocumentTypeId, smp: str, signer: str) -> bytes | None:
        """The same for a participant that has moved: signed by us, it points to the SMP that has it now."""
        if document_type not in offered(participant):
            return None
        href = smp.rstrip("/") + path(participant.id, str(document_type))
        return self._sign((participant, document_type, href, signer), lambda: write_redirect(href, signer))

    def _sign(self, key: tuple[Participant, DocumentTypeId, str, str], write: Callable[[], etree._Element]) -> bytes:
        """Sign it once, however often and under whatever spellings of its path it is asked for."""
        kept = self._signed.get(key)
        if kept is None:
            kept = self._signed[key] = sign_enveloped(write(), self.identity)
            while len(self._signed) > _KEPT:
                self._signed.popitem(last=False)
        return kept

    def _unsigned(
        self, participant: Participant, document_type: DocumentTypeId, processes: list[ProcessId]
    ) -> etree._Element:
        endpoints = [self._endpoint(self.certificate)]
        if self.following:
            # One second between them: both ends of a window count as inside.
            ends = self.following.activation - timedelta(seconds=1)
            endpoints[0] = replace(endpoints[0], expiration=min(ends, endpoints[0].expiration or ends))
            endpoints.append(replace(self._endpoint(self.following.certificate), activation=self.following.activation))
        return write_metadata(
            participant.id,
            document_type,
            processes,
            endpoints,
            description=self.description,
            contact_url=self.contact_url or self.smp_url,
        )

    def _endpoint(self, der: bytes) -> ServiceEndpoint:
        certificate = x509.load_der_x509_certificate(der)
        return ServiceEndpoint(
            url=self.endpoint_url,
            certificate=der,
            transport_profile=TRANSPORT_PROFILE,
            # Nobody can encrypt for us outside the certificate's life.
            activation=certificate.not_valid_before_utc,
            expiration=certificate.not_valid_after_utc,
        )


def offered(participant: Participant) -> dict[DocumentTypeId, list[ProcessId]]:
    """The document types that the participant takes, each with its processes, in their order."""
    found: dict[DocumentTypeId, list[ProcessId]] = {}
    for kind, process in services_of(participant):
        of_kind = found.setdefault(kind, [])
        if process not in of_kind:
            of_kind.append(process)
    return found
