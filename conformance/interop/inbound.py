"""What foreign access points send to us: honest variety that must arrive, and faults that must be refused.

Every accepted message is looked up in our inbox: there once, from that seat, between those participants, with the
same content. Every refused one must not be there.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from conformance.interop.documents import canonical, document, instance_of, unwrapped
from conformance.interop.kit import NOBODY, OURS, PKI, WRAPPED
from conformance.interop.market import Network, Ours, Recorder
from conformance.interop.peers import Answer, Order, Peer, send_by_lookup
from conformance.interop.replay import CHANGES, recorded_verdict, replay, verdict
from conformance.interop.table import TO_US, Progress, Row, in_short, shares
from gateway.model.document import Envelope
from gateway.model.identifiers import DocumentTypeId, ParticipantId
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.ubl import sbdh

TYPES: Final = {"invoice": BILLING_INVOICE, "credit note": BILLING_CREDIT_NOTE}
TEXT: Final = DocumentTypeId.of("urn:example:text", "Text", "urn:example:wrapped", "1")
BINARY: Final = DocumentTypeId.of("urn:example:binary", "Binary", "urn:example:wrapped", "1")
WRAPPED_SERVICES: Final = tuple((str(kind), str(BILLING_PROCESS)) for kind in (TEXT, BINARY))
_NOT_SERVICED: Final = "EBMS:0004 PEPPOL:NOT_SERVICED"
_CONTENT: Final = {"text": "Räkning <4711> & “bilaga”\n".encode() * 40, "binary": bytes(range(256)) * 40}
_MLS: Final = "0242:123456"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of message that a kit sends."""

    name: str
    share: int = 0
    """Weight among the honest cases of its kit; 0 for a fault, which is sent once."""
    kind: str = "invoice"
    seat: str = ""
    """Another seat than the kit's own signs."""
    options: tuple[object, ...] = ()
    way: str = "url"
    """``url``: endpoint given. ``smp``: asked of our SMP. ``naptr``: by DNS and our SMP, with a program of its own."""
    annex: int = 0
    wrapped: str = ""
    """``text`` or ``binary`` instead of a UBL document."""
    mls: str = ""
    """The business envelope is made here, with this MLS_TYPE; for kits that send an envelope as it is."""
    receiver: str = OURS
    to: str = "POP000103"
    """Seat whose certificate it is encrypted for."""
    refused: str = ""
    """How the refusal begins; empty when it must be accepted."""


_COMMON: Final = (
    Case(name="invoice", share=30),
    Case(name="credit note", share=20, kind="credit note"),
    Case(name="invoice with an annex of 2.5 MB", share=1, annex=2_500_000),
)
_FAULTS: Final = (
    Case(name="unknown receiver", receiver=NOBODY, refused=_NOT_SERVICED),
    Case(name="encrypted for another seat", to="POP000102", refused="EBMS:0102"),
)
CASES: Final[dict[str, tuple[Case, ...]]] = {
    "phase4": (
        *_COMMON,
        Case(name="invoice, not compressed", share=10, options=("--no-compress",)),
        Case(name="credit note, not compressed", share=5, kind="credit note", options=("--no-compress",)),
        *(
            Case(name=f"invoice, MLS scopes {mls}", share=5, options=("--mls-to", _MLS, "--mls-type", mls))
            for mls in ("ALWAYS_SEND", "FAILURE_ONLY")
        ),
        *(Case(name=f"invoice, seat {seat} signs", share=7, seat=seat) for seat in ("POP000102", "POP000104")),
        Case(name="text content", share=3, wrapped="text", receiver=WRAPPED),
        Case(name="binary content", share=3, wrapped="binary", receiver=WRAPPED),
        Case(
            name="binary content, not compressed",
            share=2,
            wrapped="binary",
            receiver=WRAPPED,
            options=("--no-compress",),
        ),
        Case(name="invoice, endpoint from our SMP", share=5, way="smp"),
        Case(name="invoice, found by NAPTR and our SMP", share=1, way="naptr"),
        Case(name="credit note, found by NAPTR and our SMP", share=1, way="naptr", kind="credit note"),
        *_FAULTS,
        Case(name="From names another seat", options=("--from-party", "POP000104"), refused="EBMS:0101"),
        Case(name="signer expired", seat="expired", refused="EBMS:0101"),
        Case(name="signer of a foreign authority", seat="impostor", refused="EBMS:0101"),
        Case(name="signer is an SMP", seat="PSP000201", refused="EBMS:0101"),
        Case(name="another agreement", options=("--agreement", "urn:example:agreement"), refused="EBMS:0010"),
        Case(name="Action is not the document type", options=("--action", "urn:example:action"), refused="EBMS:0003"),
        Case(name="document type not taken", wrapped="text", refused=_NOT_SERVICED),
    ),
    "oxalis": (
        *_COMMON,
        *(Case(name=f"invoice, MLS scopes {mls}", share=5, mls=mls) for mls in ("ALWAYS_SEND", "FAILURE_ONLY")),
        *(Case(name=f"invoice, seat {seat} signs", share=7, seat=seat) for seat in ("POP000101", "POP000102")),
        Case(name="text content", share=4, wrapped="text", receiver=WRAPPED),
        Case(name="binary content", share=4, wrapped="binary", receiver=WRAPPED),
        Case(name="invoice, endpoint from our SMP", share=5, way="smp"),
        Case(name="credit note, endpoint from our SMP", share=5, way="smp", kind="credit note"),
        *_FAULTS,
        Case(name="signer of a foreign authority", seat="impostor", options=("--lax",), refused="EBMS:0101"),
    ),
    "python-as4": (
        *_COMMON,
        *(Case(name=f"invoice, seat {seat} signs", share=7, seat=seat) for seat in ("POP000101", "POP000104")),
        *_FAULTS,
        Case(name="signer expired", seat="expired", refused="EBMS:0101"),
        Case(name="signer of a foreign authority", seat="impostor", refused="EBMS:0101"),
        Case(name="signer is an SMP", seat="PSP000201", refused="EBMS:0101"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """The cases of one peer towards us."""

    peer: Peer
    version: str
    gateway: Ours
    network: Network
    front: Recorder
    """A recording proxy in front of our endpoint."""
    directory: Path
    progress: Progress

    def run(self, messages: int) -> Iterator[Row]:
        """All cases, honest ones first; each row when it is counted."""
        cases = CASES[self.peer.name]
        honest = [case for case in cases if not case.refused]
        for case, count in zip(honest, shares([case.share for case in honest], messages), strict=True):
            yield self._case(case, count)
        for case in cases:
            if case.refused:
                yield self._case(case, 1)
        yield from self._replays()

    def _case(self, case: Case, count: int) -> Row:
        place = self.directory / f"{self.peer.name}-{uuid.uuid4().hex[:8]}"
        place.mkdir()
        before, passed = {row["id"] for row in self.gateway.arrivals()}, self.front.responses()
        files = [self._file(case, place, number) for number in range(count if self._separate(case) else 1)]
        answers = []
        for answer in self._answers(case, files, count):
            answers.append(answer)
            self.progress.show(f"{self.peer.name} {TO_US}, {case.name}", len(answers), count)
        arrived = [row for row in self.gateway.arrivals() if row["id"] not in before]
        said = [answer.why for answer in answers]
        if case.refused:
            said = [recorded_verdict(self.front.response_after(passed))]
            wrong = _refusals(case, answers, said[0], arrived)
        else:
            wrong = self._compare(case, files, answers, arrived)
        if len(answers) != count:
            wrong = [*wrong, f"{count} were to be sent, {len(answers)} were"]
        accepted = sum(answer.accepted for answer in answers)
        return self._row(case.name, case.refused, len(answers), accepted, wrong, in_short(said))

    def _separate(self, case: Case) -> bool:
        return self.peer.one_file_a_message or case.way == "naptr"

    def _file(self, case: Case, place: Path, number: int) -> Path:
        """What the program is given: a UBL document, octets to wrap, or a whole business envelope."""
        octets = _CONTENT.get(case.wrapped) or document(
            case.kind,
            number=f"{place.name}-{number}",
            sender=self.peer.participant,
            receiver=case.receiver,
            annex=case.annex,
        )
        if self.peer.name == "oxalis" and (case.wrapped or case.mls):
            octets = _envelope(case, self.peer.participant, octets)
        file = place / f"{number}.xml"
        file.write_bytes(octets)
        return file

    def _answers(self, case: Case, files: Sequence[Path], count: int) -> Iterator[Answer]:
        seat = case.seat or self.peer.seat
        if case.way == "naptr":
            for file in files:
                yield send_by_lookup(
                    self.network.dns,
                    file,
                    receiver=case.receiver,
                    sender=self.peer.participant,
                    seat=seat,
                    document_type=str(TYPES[case.kind]),
                )
            return
        target: tuple[object, ...] = ("--smp", f"http://127.0.0.1:{self.network.ports['POP000103-smp']}")
        if case.way == "url":
            url = self.front.url if case.refused else self.gateway.as4
            target = ("--url", url, "--to-cert", PKI / f"{case.to}.pem")
        order = Order(
            files=files,
            count=count,
            target=target,
            seat=seat,
            sender=self.peer.participant,
            receiver=case.receiver,
            options=(*case.options, *(_wrapping(case) if self.peer.name == "phase4" else ())),
        )
        yield from self.peer.send(order)

    def _compare(
        self, case: Case, files: Sequence[Path], answers: Sequence[Answer], arrived: Sequence[dict[str, Any]]
    ) -> list[str]:
        """What did not end as it should: a refusal, or something else in our inbox than what was sent."""
        wrong = [f"refused: {answer.why}" for answer in answers if not answer.accepted]
        sent = {file: file.read_bytes() for file in files}
        wanted = {_essence(octets, case.wrapped) for octets in sent.values()}
        by_id = {row["message_id"]: row for row in arrived}
        if len(arrived) != len(answers) - len(wrong) or len(by_id) != len(arrived):
            wrong.append(f"{len(arrived)} arrived, of {len(answers)} sent")
        for answer in answers:
            row = by_id.get(answer.message_id)
            if answer.accepted and answer.message_id and row is None:
                wrong.append(f"{answer.message_id} got a receipt and is not in the inbox")
            if row and answer.instance_id and row["instance_id"] != answer.instance_id:
                wrong.append(f"{answer.message_id} has another business envelope")
        found = set()
        for row in arrived:
            if (row["peer"], row["sender"], row["receiver"], row["state"]) != (
                case.seat or self.peer.seat,
                self.peer.participant,
                case.receiver,
                "RECEIVED",
            ):
                wrong.append(f"{row['message_id']} is in the inbox as {row}")
            essence = _essence(self.gateway.content(row["id"]), case.wrapped)
            found.add(essence)
            if essence not in wanted:
                wrong.append(f"{row['message_id']} has other content")
            if instance_of(self.gateway.content(row["id"], "sbd")) != row["instance_id"]:
                wrong.append(f"{row['message_id']} is stored under another InstanceIdentifier")
        if not wrong and found != wanted:
            wrong.append(f"{len(wanted - found)} different documents never came")
        return wrong

    def _replays(self) -> Iterator[Row]:
        """One message is recorded on its way, then sent again as it was and with changes."""
        case = Case(name="recorded")
        place = self.directory / f"{self.peer.name}-recorded"
        place.mkdir()
        file = self._file(case, place, 0)
        order = Order(
            files=[file],
            count=1,
            target=("--url", self.front.url, "--to-cert", PKI / "POP000103.pem"),
            seat=self.peer.seat,
            sender=self.peer.participant,
            receiver=OURS,
        )
        (answer,) = self.peer.send(order)
        (stored,) = (row for row in self.gateway.arrivals() if row["number"] == f"{place.name}-0")
        request, response = self.front.exchange(stored["message_id"])
        recorded, receipt = request.read_bytes(), response.read_bytes().partition(b"\r\n\r\n")[2]
        yield self._repeat(recorded, receipt, stored["message_id"], answer)
        for name, (change, refusal) in CHANGES.items():
            before = self.gateway.received()
            said = verdict(*replay(self.gateway.as4, change(recorded)))
            wrong = [] if said.startswith(refusal) else [f"answered with {said}"]
            if self.gateway.received() != before:
                wrong.append("it was stored")
            yield self._row(name, refusal, 1, int(said == "receipt"), wrong, said)

    def _repeat(self, recorded: bytes, receipt: bytes, message_id: str, first: Answer) -> Row:
        answers = [replay(self.gateway.as4, recorded) for _ in range(2)]
        wrong = [] if first.accepted else [f"refused: {first.why}"]
        wrong += [f"answered with {verdict(*a)}, not the first receipt" for a in answers if a != (200, receipt)]
        if (documents := len(self.gateway.inbox(message_id))) != 1:
            wrong.append(f"{documents} documents of one message")
        accepted = first.accepted + sum(verdict(*a) == "receipt" for a in answers)
        return self._row("the same message three times: one document, one receipt", "", 3, accepted, wrong, "")

    def _row(self, name: str, refused: str, sent: int, accepted: int, wrong: Sequence[str], why: str) -> Row:
        row = Row(
            peer=self.peer.name,
            version=self.version,
            direction=TO_US,
            case=name,
            expected="refused" if refused else "accepted",
            sent=sent,
            accepted=accepted,
            refused=sent - accepted,
            wrong=tuple(wrong),
            why=why,
        )
        self.progress.done(row)
        return row


def _refusals(case: Case, answers: Sequence[Answer], said: str, arrived: Sequence[dict[str, Any]]) -> list[str]:
    """What was wrong with a refusal; ``said`` is our answer as it passed on the wire."""
    wrong = ["the sender believes that it was accepted" for answer in answers if answer.accepted]
    if not said.startswith(case.refused):
        wrong.append(f"answered with {said}, not {case.refused}")
    return wrong + ["it was stored" for _ in arrived]


def _essence(octets: bytes, wrapped: str) -> bytes:
    """What must arrive unchanged."""
    if not wrapped:
        return canonical(octets)
    return octets if octets in _CONTENT.values() else unwrapped(octets)


def _wrapping(case: Case) -> tuple[object, ...]:
    """phase4's options for content that is no XML."""
    if case.wrapped == "text":
        return ("--text", "text/plain", "--doctype", str(TEXT))
    return ("--binary", "application/pdf", "--doctype", str(BINARY)) if case.wrapped else ()


def _envelope(case: Case, sender: str, octets: bytes) -> bytes:
    """A business envelope of its own identity, made by us, for a program that sends it as it is."""
    kind = {"text": TEXT, "binary": BINARY}.get(case.wrapped, TYPES[case.kind])
    envelope = Envelope(
        sender=ParticipantId.parse(sender),
        receiver=ParticipantId.parse(case.receiver),
        document_type=kind,
        process=BILLING_PROCESS,
        country_c1="SE",
        instance_id=str(uuid.uuid4()),
        created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    if case.mls:
        envelope = replace(envelope, mls_to=_MLS, mls_type=case.mls)
    return sbdh.wrap(_wrapped_element(case.wrapped, octets) if case.wrapped else octets, envelope)


def _wrapped_element(kind: str, octets: bytes) -> bytes:
    name, mime = ("TextContent", "text/plain") if kind == "text" else ("BinaryContent", "application/pdf")
    content = escape(octets.decode()) if kind == "text" else base64.b64encode(octets).decode()
    return f'<{name} xmlns="http://peppol.eu/xsd/ticc/envelope/1.0" mimeType="{mime}">{content}</{name}>'.encode()
