"""From fields that are believed to a document on its way to C4; from what was confirmed to what is known of a supplier.

The same invoice that came before, on whatever channel, is linked and not delivered again. One commit adds the document
under a key made of supplier, number and total, so that of two pages that come at once only one is delivered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from gateway.errors import InvalidDocument
from gateway.exchange.ids import new_document_id
from gateway.model.document import Facts
from gateway.model.identifiers import MessageId, ParticipantId
from gateway.model.lifecycle import State
from gateway.model.message import Direction, Evidence, Message, Participant, PayloadKind, TimelineEntry
from gateway.model.scan import NEEDED, Field, Scan, ScanState
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Arrival, Clock, Store
from gateway.ports.reviews import Lesson
from gateway.scanning import checks, embedded
from gateway.ubl import interpretation, invoice

INBOX: Final = "inbox"
_REQUIRED: Final = (*NEEDED, "supplier_name", "due_date")
_OPTIONAL: Final = ("buyer_reference",)
"""Left out rather than asked for when it is not certain."""
_DUPLICATE: Final = ("The same invoice is here already: {}.", "Samma faktura finns redan: {}.")
ENDED_BADLY: Final = (State.REJECTED, State.FAILED)
_AGAIN: Final = (
    "The same invoice came before and was not delivered: {document} is {state}. Confirm to deliver this one, or put"
    " that one back to work and refuse this one.",
    "Samma faktura kom tidigare men levererades inte: {document} är {state}. Bekräfta för att leverera den här, eller"
    " skicka den tidigare på nytt och avvisa den här.",
)
_SENT_ON: Final = ("Read and on its way.", "Läst och på väg.")


def fields_needed(fields: Mapping[str, Field], *, structured: bool = False) -> tuple[str, ...]:
    """Fields that a person must see before anything is delivered: needed and not believed, or read and not believed."""
    required = ("number", "total", "currency", "issue_date", "supplier") if structured else _REQUIRED
    missing = [name for name in required if not (name in fields and _settled(fields[name]))]
    if not structured and without_rate(fields):
        missing.append("net")
    doubtful = [name for name, one in fields.items() if one.candidates and not one.accepted and name not in _OPTIONAL]
    return tuple(dict.fromkeys((*missing, *(() if structured else doubtful))))


def without_rate(fields: Mapping[str, Field]) -> bool:
    """Whether there is VAT of nothing: no rate makes that."""
    net, vat = (fields[name].value if name in fields else "" for name in ("net", "vat"))
    return bool(net and vat) and Decimal(net) == 0 != Decimal(vat)


def _settled(one: Field) -> bool:
    """Whether it is believed; a person may say that it is not on the page."""
    return one.accepted and bool(one.value or one.confirmed_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Structured:
    """The UBL invoice that was embedded in the file: delivered as it is."""

    xml: bytes
    facts: Facts


async def structured_of(xml: bytes) -> Structured | None:
    """What is delivered as it is; None for CII and what cannot be read, which become an interpretation."""
    facts = await asyncio.to_thread(_facts, xml) if xml else None
    return Structured(xml=xml, facts=facts) if facts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """Makes documents of scans."""

    store: Store
    clock: Clock
    pulled: Mapping[str, bool]
    """Of each ``[delivery.NAME]``, whether C4 fetches from it itself."""

    async def deliver(self, scan: Scan, octets: bytes, *, structured: Structured | None = None) -> Scan:
        """Add the document, or find that it is here already; what the scan becomes by that, not yet written.

        One that came before and was not delivered is a question to a person: ``scan.document`` says that it was asked.
        """
        values = {name: one.value for name, one in scan.fields.items() if one.accepted and one.value}
        twin = await self._twin(scan, values, Decimal(values["total"]))
        if twin is not None:
            return _duplicate(scan, twin.id)
        participant = await self._participant(scan)
        facts = structured.facts if structured else None
        xml = structured.xml if structured else self._interpreted(scan, values, participant, octets)
        proofs = tuple(await self.store.reviews.evidence(scan.account, scan.id))
        key = self._key(scan, values)
        while True:
            arrival = self._arrival(scan, values, facts, xml, octets, participant, key)
            added = await self.store.add_once(replace(arrival, evidence=(*arrival.evidence, *proofs)))
            earlier = added.message
            if earlier.links.get("scan") == scan.id:
                break
            if earlier.state not in ENDED_BADLY:
                return _duplicate(scan, earlier.id)
            if not scan.document:
                return _again(scan, earlier)
            key = self._key(scan, values, after=earlier.id)
        await self._learn(scan, values)
        return replace(
            scan,
            state=ScanState.ACCEPTED,
            hold="",
            document=added.message.id,
            reason=scan.reason if scan.decided_by else _SENT_ON[0],
            reason_sv=scan.reason_sv if scan.decided_by else _SENT_ON[1],
        )

    async def _learn(self, scan: Scan, values: Mapping[str, str]) -> None:
        anchors = {
            name: (one.best.place.left, one.best.place.top)
            for name, one in scan.fields.items()
            if one.best and one.best.place and one.best.place.page == 1
        }
        if supplier := values.get("supplier"):
            lesson = Lesson(
                supplier=supplier,
                name=values.get("supplier_name", ""),
                account=values.get("account", ""),
                anchors=anchors,
            )
            await self.store.reviews.learn(scan.account, lesson)

    async def _twin(self, scan: Scan, values: Mapping[str, str], total: Decimal) -> Message | None:
        """The same supplier's document with this number and total, however it came."""
        found = await self.store.reviews.same_number(scan.account, values["number"], total, values["currency"])
        for message in found:
            if message.links.get("scan") == scan.id or message.state in ENDED_BADLY:
                continue
            supplier = message.links.get("supplier") or await self._supplier_of(message)
            if not supplier or supplier == values.get("supplier"):
                return message
        return None

    async def _supplier_of(self, message: Message) -> str:
        """The supplier of a document that came as a structured invoice."""
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        values = await asyncio.to_thread(embedded.read, octets) if isinstance(octets, bytes) else None
        return values.get("supplier", "") if values else ""

    async def _participant(self, scan: Scan) -> Participant | None:
        if not scan.receiver:
            return None
        found = await self.store.participant(ParticipantId.parse(scan.receiver))
        return found if found is not None and found.account == scan.account else None

    def _key(self, scan: Scan, values: Mapping[str, str], after: str = "") -> MessageId:
        """``after``: the one before it, which was not delivered."""
        same = [values.get(n, "") for n in ("supplier", "number", "total", "currency")]
        named = "\n".join([scan.account, *same, *([after] if after else ())])
        return MessageId(f"paper-{hashlib.sha256(named.encode()).hexdigest()}")

    def _interpreted(
        self, scan: Scan, values: Mapping[str, str], participant: Participant | None, octets: bytes
    ) -> bytes:
        rate = checks.rate_of(Decimal(values["net"]), Decimal(values["vat"]))
        if rate is None:
            rate = (Decimal(values["vat"]) * 100 / Decimal(values["net"])).quantize(Decimal("0.01"))
        original = interpretation.Original(
            id=scan.id, file_name=scan.file_name, media_type=scan.media_type, octets=octets
        )
        name = participant.name if participant else ""
        return interpretation.write({**values, "rate": str(rate)}, scan.receiver, name, original)

    def _arrival(
        self,
        scan: Scan,
        values: Mapping[str, str],
        facts: Facts | None,
        xml: bytes,
        octets: bytes,
        participant: Participant | None,
        key: MessageId,
    ) -> Arrival:
        now = self.clock.now()
        kind = BILLING_CREDIT_NOTE if values.get("kind") == "credit" else BILLING_INVOICE
        delivery = participant.delivery if participant else ""
        waits = self.pulled.get(delivery, True)
        said = "the invoice embedded in it" if facts else "an interpretation, with the page attached"
        who = scan.decided_by or "two witnesses for each value"
        supplier = values.get("supplier", "")
        message = Message(
            id=new_document_id(now),
            account=scan.account,
            direction=Direction.IN,
            state=State.RECEIVED,
            channel=scan.channel or "pdf",
            reason=f"Came by {scan.source} from {scan.sender or 'nobody named'}; {said}",
            sender=f"0007:{supplier[2:]}" if supplier.startswith("SE") else supplier,
            receiver=scan.receiver,
            document_type=str(facts.document_type if facts else kind),
            process=str(facts.process if facts else BILLING_PROCESS),
            number=values["number"],
            issue_date=date.fromisoformat(values["issue_date"]),
            due_date=date.fromisoformat(values["due_date"]) if values.get("due_date") else None,
            amount=Decimal(values["total"]),
            currency=values["currency"],
            seller_name=values.get("supplier_name", ""),
            buyer_name=participant.name if participant else "",
            message_id=key,
            next_attempt=None if waits else now,
            created=now,
            updated=now,
            size=len(xml),
            links={"scan": scan.id, "supplier": supplier, "interpretation": "" if facts else scan.id},
        )
        message = replace(message, links={name: value for name, value in message.links.items() if value})
        entry = TimelineEntry(
            time=now,
            event="Received",
            reason=f"{scan.file_name} was read ({', '.join(scan.rungs)}) and believed by {who}; {said}",
            detail={"fields": {n: list(f.best.witnesses) if f.best else [] for n, f in scan.fields.items()}},
        )
        original = Evidence(kind="original", media_type=scan.media_type, octets=octets)
        return Arrival(
            message=message,
            payloads={PayloadKind.DOCUMENT: xml},
            evidence=(original,),
            entry=entry,
            fingerprint=hashlib.sha256(octets).hexdigest(),
        )


def _facts(xml: bytes) -> Facts | None:
    if not embedded.is_ubl(xml):
        return None
    try:
        return invoice.read(xml)
    except InvalidDocument:
        return None


def _again(scan: Scan, earlier: Message) -> Scan:
    en, sv = (text.format(document=earlier.id, state=earlier.state) for text in _AGAIN)
    asked = replace(scan, state=ScanState.REVIEW, hold="document", document=earlier.id, reason=en, reason_sv=sv)
    return replace(asked, decided_by="", decided_at=None)


def _duplicate(scan: Scan, document: str) -> Scan:
    en, sv = (text.format(document) for text in _DUPLICATE)
    return replace(scan, state=ScanState.DUPLICATE, hold="", document=document, reason=en, reason_sv=sv)
