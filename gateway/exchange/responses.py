"""Invoice Responses: what a company of ours says to an invoice that it got, and what others say to ours.

A response is a document like any other; besides, it is noted at the invoice, which keeps its state: whether an invoice
is accepted is the business of two companies, not of their access points.

Source: Peppol Invoice Message Response 3.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import Conflict, InvalidAddress, InvalidDocument, LostLease, TemporaryError
from gateway.exchange.outbound import Outbound
from gateway.model.document import Envelope, Finding, Verdict
from gateway.model.identifiers import DocumentTypeId, ParticipantId
from gateway.model.lifecycle import NOTED, Event
from gateway.model.message import Direction, Message, Route
from gateway.model.services import INVOICE_RESPONSE, INVOICE_RESPONSE_PROCESS
from gateway.model.status import Correspondent, InvoiceResponse, ResponseCode
from gateway.ports import Added, Clock, Store
from gateway.ubl import invoice_response as codec
from gateway.ubl import sbdh

_ORDER: Final = {code: place for place, code in enumerate(("AB", "IP", "UQ", "CA", "RE", "AP", "PD"))}
_FINAL: Final = frozenset({"RE", "PD"})
_MEANING: Final = {
    ResponseCode.AB: "has it",
    ResponseCode.IP: "is working on it",
    ResponseCode.UQ: "has a question before it goes on",
    ResponseCode.CA: "accepts it under conditions",
    ResponseCode.RE: "refuses it",
    ResponseCode.AP: "accepts it",
    ResponseCode.PD: "has paid it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """Both directions of the Invoice Response."""

    store: Store
    clock: Clock
    country: str
    """Of a company whose own is not known."""

    async def send(self, outbound: Outbound, invoice: Message, wish: InvoiceResponse, *, key: str = "") -> Added:
        """Say it to the sender of an invoice that came in; a repeat with the same key, or the same words, is one.

        ``wish`` holds code, note, date and clarifications; whom it is about and from is taken from the invoice. Raises
        ``Conflict`` (no invoice, or an order that the standard forbids), ``InvalidDocument`` (its rules say no).
        """
        name = DocumentTypeId.parse(invoice.document_type).name
        if invoice.direction is not Direction.IN or name not in ("Invoice", "CreditNote") or not invoice.number:
            raise Conflict("Only an invoice or credit note that came in can be answered")
        words = repr((wish.code, wish.note, wish.effective, wish.clarifications))
        # The arrow keeps these keys apart from those of companies, which are ASCII.
        once = f"response → {invoice.id} {key or hashlib.sha256(words.encode()).hexdigest()}"
        history = [
            e.detail["response"] for e in await self.store.timeline(invoice.account, invoice.id) if _said(e.detail)
        ]
        ours = [row for row in history if isinstance(row, dict) and row.get("direction") == "out"]
        if not any(row.get("key") == once for row in ours):
            _check_order(wish.code, [str(row.get("code")) for row in ours])
        added = await outbound.submit(
            invoice.account,
            self._written(invoice, wish, once, name),
            route=Route.PEPPOL,
            idempotency_key=once,
            links={"response_to": invoice.id},
        )
        if not any(row.get("document") == added.message.id for row in ours):
            said = _described(wish, added.message.id, "out") | {"key": once}
            reason = f"Response {wish.code} to the sender: the receiver {_MEANING[wish.code]}"
            try:
                await self.store.record(invoice, _event(reason, said), keep_lease=True)
            except LostLease:
                raise Conflict(
                    "The invoice moves at this moment", remedy="Repeat the request; nothing doubles."
                ) from None
        return added

    async def note(self, message: Message, octets: bytes) -> None:
        """Note a response that came in at the invoice that it is about, once. Raises ``TemporaryError``."""
        try:
            response = codec.read(octets)
        except InvalidDocument:
            return
        found = await self.store.find_numbered(
            message.account, response.number, sender=message.receiver, receiver=message.sender
        )
        matching = [one for one in found if one.document_type != message.document_type]
        if not matching:
            return
        invoice = matching[0]  # the newest
        history = await self.store.timeline(invoice.account, invoice.id)
        if any(_said(e.detail) and e.detail["response"].get("document") == message.id for e in history):  # type: ignore[attr-defined]
            return
        reason = f"{message.sender} {_MEANING[response.code]} (response {response.code})"
        if response.note:
            reason = f"{reason}: {response.note[:300]}"
        try:
            await self.store.record(invoice, _event(reason, _described(response, message.id, "in")), keep_lease=True)
        except LostLease:
            raise TemporaryError("The invoice that it answers moves at this moment") from None

    def _written(self, invoice: Message, wish: InvoiceResponse, once: str, name: str) -> bytes:
        """The envelope. The same day and key give the same octets, so that a repeat is known as one."""
        digest = hashlib.sha256(once.encode()).digest()
        instance = str(uuid.UUID(bytes=digest[:16], version=4))
        day = f"{self.clock.now():%Y-%m-%d}"
        try:
            sender, receiver = ParticipantId.parse(invoice.receiver), ParticipantId.parse(invoice.sender)
        except InvalidAddress:
            raise Conflict("The invoice names no sender that can be answered") from None
        buyer_writes = "selfbilling" not in invoice.document_type
        names = (invoice.buyer_name, invoice.seller_name) if buyer_writes else (invoice.seller_name, invoice.buyer_name)
        response = replace(
            wish,
            id=instance,
            issued=day,
            sender=Correspondent(endpoint=sender, name=names[0]),
            receiver=Correspondent(endpoint=receiver, name=names[1]),
            number=invoice.number,
            issue_date=invoice.issue_date,
            document_code="381" if name == "CreditNote" else "380",
        )
        try:
            document = codec.write(response)
        except ValueError as error:
            finding = Finding(rule="T111", message=str(error))
            raise InvalidDocument(str(error), findings=[finding]) from None
        envelope = Envelope(
            sender=sender,
            receiver=receiver,
            document_type=INVOICE_RESPONSE,
            process=INVOICE_RESPONSE_PROCESS,
            country_c1=self.country,
            instance_id=instance,
            created=f"{day}T00:00:00Z",
        )
        return sbdh.wrap(document, envelope)


def verdict(octets: bytes) -> Verdict:
    """What its rules say of a response that came in."""
    try:
        return codec.verdict(octets)
    except InvalidDocument as error:
        return Verdict(findings=tuple(error.findings), count=len(error.findings), valid=False)


def _said(detail: dict[str, object]) -> bool:
    return isinstance(detail.get("response"), dict)


def _event(reason: str, said: dict[str, object]) -> Event:
    return Event(name=NOTED, reason=reason, detail={"response": said}, links={"response": str(said["document"])})


def _check_order(code: ResponseCode, before: list[str]) -> None:
    """AB, IP, UQ, CA, then RE or AP, then PD; steps may be left out, none is taken back."""
    last = max((_ORDER.get(one, -1) for one in before), default=-1)
    ended = next((one for one in before if one in _FINAL), "")
    accepted = "AP" in before and code is not ResponseCode.PD
    if ended or accepted or _ORDER[code] < last:
        said = ended or ("AP" if accepted else next(one for one in before if _ORDER.get(one) == last))
        raise Conflict(
            f"{code} cannot follow {said}, which was said before", remedy="Talk to the sender of the invoice."
        )


def _described(response: InvoiceResponse, document: str, direction: str) -> dict[str, object]:
    return {
        "direction": direction,
        "document": document,
        "code": str(response.code),
        "meaning": _MEANING[response.code],
        "final": str(response.code) in _FINAL,
        "note": response.note,
        "date": response.effective.isoformat() if response.effective else None,
        "reasons": _rows(response, "OPStatusReason"),
        "actions": _rows(response, "OPStatusAction"),
    }


def _rows(response: InvoiceResponse, name: str) -> list[dict[str, object]]:
    return [
        {
            "code": row.code,
            "text": row.text,
            "conditions": [{"term": term, "value": value} for term, value in row.conditions],
        }
        for row in response.clarifications
        if row.list == name
    ]
