"""The PDF that a sender attaches to its invoice, beside the invoice: where they differ, a person sees both.

It is read after the receipt, in the worker's step; what is found becomes a review with the page and both values before
the document is kept back, so that whoever dies in between only does it again. The invoice stays as it came.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Literal, Protocol

from gateway.errors import Conflict, LostLease, NotFound
from gateway.exchange.antivirus import HELD, RELEASED
from gateway.exchange.ids import new_document_id
from gateway.exchange.scans import printable, safe_name
from gateway.exchange.status import Statuses
from gateway.exchange.threads import in_thread_if_large
from gateway.model.lifecycle import NOTED, Event, State
from gateway.model.message import Message
from gateway.model.octets import Octets, size_of
from gateway.model.scan import Candidate, Field, Scan, ScanState
from gateway.ports import Clock, Store
from gateway.scanning import comparing
from gateway.scanning.comparing import Difference, Stated
from gateway.ubl import attached

PICTURE: Final = "picture"
"""The value of the link ``held``, and the hold of the review."""
REFUSED: Final = "refused"
"""The value of the link ``held`` once a person has said that it goes nowhere."""
DIFFERS: Final = "differs"
"""The link of a document whose attached PDF shows something else; its value names what."""
MOST: Final = 3
"""Attached PDFs that are read of one document."""
_LARGEST_XML: Final = 5_000_000
_MOST_WAITING: Final = 8
"""Documents that wait for their PDF to be read: more would take the worker's places from those that have none."""
_SOON: Final = 5.0
_LATE: Final = 120.0
"""Seconds after which one that did not get its turn asks again."""
_MAX_REASON: Final = 500
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "number": ("invoice number", "fakturanummer"),
    "total": ("total", "belopp att betala"),
    "account": ("account", "konto"),
}
_WHY: Final = (
    "The PDF {name} shows {shown}; the invoice says {said}.",
    "PDF-filen {name} visar {shown}; fakturan säger {said}.",
)
_DECIDE: Final = (
    " The invoice counts; a person decides whether it goes on.",
    " Det är fakturan som gäller; en person avgör om den går vidare.",
)

Policy = Literal["hold", "flag"]


class Compares(Protocol):
    """Reads an attached PDF; the sandbox stands behind it."""

    async def compare(self, octets: bytes, stated: Stated) -> comparing.Compared | None:
        """What it shows otherwise; None where it cannot be read. Raises ``Overloaded``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """One attached PDF that shows something else than its invoice."""

    name: str
    octets: bytes
    stated: Stated
    compared: comparing.Compared

    @property
    def differences(self) -> tuple[Difference, ...]:
        return self.compared.differences

    @property
    def names(self) -> str:
        """What differs: ``total, account``."""
        return ", ".join(one.name for one in self.differences)

    def words(self, swedish: bool = False) -> str:
        """In one sentence, with both values."""
        label = {one.name: _WORDS[one.name][swedish] for one in self.differences}
        shown = ", ".join(f"{label[one.name]} {one.shown.value}" for one in self.differences)
        said = ", ".join(f"{label[one.name]} {one.said}" for one in self.differences)
        return _WHY[swedish].format(name=self.name, shown=shown, said=said)

    @property
    def detail(self) -> dict[str, object]:
        """For the timeline."""
        rows = [{"field": one.name, "said": one.said, "shown": one.shown.value} for one in self.differences]
        return {"attachment": self.name, "picture": rows}


@dataclass(slots=True)
class _Waiting:
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Compares, and asks a person."""

    store: Store
    clock: Clock
    reader: Compares
    policy: Policy = "hold"
    largest: int = 10_000_000
    _waiting: _Waiting = field(default_factory=_Waiting)

    async def differing(self, octets: Octets) -> Differing | None:
        """The first attached PDF that shows something else. Raises ``Overloaded``: it is tried again."""
        bare = await in_thread_if_large(size_of(octets), _bare, octets)
        stated = await asyncio.to_thread(comparing.read_document, bare) if bare else None
        if stated is None:
            return None
        files = attached.read(octets, largest=2 * self.largest)
        for number in range(1, MOST + 1):
            one = await in_thread_if_large(size_of(octets), next, files, None)
            if one is None:
                break
            if not one.octets or len(one.octets) > self.largest:
                continue
            compared = await self.reader.compare(one.octets, stated)
            if compared is not None and compared.differences:
                name = safe_name(one.name or f"attachment {number}.pdf")
                return Differing(name=name, octets=one.octets, stated=stated, compared=compared)
        return None

    def busy(self, message: Message) -> Event | None:
        """What happens to one more document while many wait for their PDF to be read; else None.

        The longer it has waited already, the longer it is put off: a long queue fills no timeline.
        """
        if self._waiting.number < _MOST_WAITING:
            return None
        now = self.clock.now()
        waited = (now - (message.queued_since or message.created)).total_seconds()
        pause = min(max(waited / 2, _SOON), _LATE) * random.uniform(0.7, 1.3)  # noqa: S311 - spreads load
        due = now + timedelta(seconds=pause)
        return Event(name="Postponed", reason="Many attached PDFs are being read at the moment", next_attempt=due)

    async def look(self, message: Message, octets: Octets) -> tuple[Differing | None, Event | None]:
        """What differs, and what happens to the document for that in place of being handed on."""
        self._waiting.number += 1
        try:
            found = await self.differing(octets)
        finally:
            self._waiting.number -= 1
        if found is None or self.policy == "flag":
            return found, None
        await self._ask(message, found)
        reason = f"Kept back: {found.words()}"
        links = {HELD: PICTURE, DIFFERS: found.names}
        return found, Event(name="Rejected", reason=reason, detail=found.detail, links=links)

    async def _ask(self, message: Message, found: Differing) -> None:
        """The review, once for each document; one that was decided before is open again. Repeatable."""
        now = self.clock.now()
        new = Scan(
            id=new_document_id(now),
            account=message.account,
            key=f"picture {message.id}",
            state=ScanState.REVIEW,
            hold="picture",
            source="network",
            sender=printable(message.seller_name or message.sender)[:200],
            file_name=found.name,
            media_type="application/pdf",
            channel=message.channel,
            pages=found.compared.pages,
            rungs=("xml", "text"),
            reason=found.words() + _DECIDE[0],
            reason_sv=found.words(swedish=True) + _DECIDE[1],
            fields=_fields(found),
            receiver=message.receiver,
            document=message.id,
            created=now,
            updated=now,
        )
        begun = (await self.store.reviews.begin(new, found.octets)).scan
        if begun.state is ScanState.REVIEW and begun.version:
            return
        after = replace(begun, state=ScanState.REVIEW, hold="picture", decided_by="", decided_at=None)
        after = replace(after, fields=new.fields, reason=new.reason, reason_sv=new.reason_sv)
        try:
            await self.store.reviews.settle(begun, after, found.compared.crops)
        except LostLease:  # somebody else has written it too
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureReview:
    """What a person says to it: the invoice goes on as it came, or does not."""

    store: Store
    clock: Clock
    statuses: Statuses | None = None

    async def release(self, scan: Scan, actor: str, reason: str, *, person: bool = False) -> Scan:
        """The invoice goes on as it came. Repeatable.

        Where an account differs and the account wants four eyes, two people say so, each signed in (``person``): the
        review stays open under the name of the first. Raises ``Conflict`` without a reason, or when nobody is asked.
        """
        said = _said(scan, reason, "Say how you know that the invoice is right: it is written down.")
        if "account" in differing_fields(scan) and await self.store.reviews.four_eyes(scan.account):
            if not person:
                raise Conflict("In this account two people release another bank account, signed in to the web tool.")
            if scan.decided_by in ("", actor):
                first = replace(scan, decided_by=actor, decided_at=self.clock.now())
                text = f"{actor}: {said}"[:_MAX_REASON]
                return await self.store.reviews.settle(scan, replace(first, reason=text, reason_sv=text))
            said = f"{scan.reason} / {actor}: {said}"[: 2 * _MAX_REASON]
        event = Event(
            name="Requeued",
            reason=f"{actor} lets it go on although the attached PDF differs: {said}",
            next_attempt=self.clock.now(),
            links={HELD: RELEASED},
        )
        await self._record(scan, event)
        return await self._settle(scan, ScanState.ACCEPTED, actor, said)

    async def refuse(self, scan: Scan, actor: str, reason: str) -> Scan:
        """It goes nowhere, and its sender's access point is told so. Raises ``Conflict`` as :meth:`release`."""
        said = _said(scan, reason, "Say why it is refused: it is written down.")
        await self._record(
            scan, Event(name=NOTED, reason=f"{actor} refuses it: {said}", links={HELD: REFUSED}), told=True
        )
        return await self._settle(scan, ScanState.REFUSED, actor, said)

    async def _record(self, scan: Scan, event: Event, *, told: bool = False) -> None:
        """At the document, if it still waits for this; it was moved on already where this is done a second time."""
        try:
            message = await self.store.get(scan.account, scan.document)  # type: ignore[arg-type]
        except NotFound:
            return
        if message.state is State.REJECTED and message.links.get(HELD) == PICTURE:
            follow = self.statuses.of_undelivered(message) if told and self.statuses else None
            await self.store.record(message, event, follow=follow)

    async def _settle(self, scan: Scan, state: ScanState, actor: str, said: str) -> Scan:
        decided = replace(scan, state=state, hold="", decided_by=actor, decided_at=self.clock.now())
        return await self.store.reviews.settle(scan, replace(decided, reason=said, reason_sv=said))


def differing_fields(scan: Scan) -> list[str]:
    """Fields of which document and page say different things."""
    return [name for name, one in scan.fields.items() if len(one.candidates) > 1]


def _said(scan: Scan, reason: str, missing: str) -> str:
    if scan.state is not ScanState.REVIEW or scan.hold != "picture":
        raise Conflict(f"The scan is {scan.state}: nobody is asked about it any more")
    said = printable(reason)[:_MAX_REASON].strip()
    if not said:
        raise Conflict(missing)
    return said


def _fields(found: Differing) -> dict[str, Field]:
    """What the invoice says of each field; beside it what the page shows, where that is something else."""
    shown = {one.name: one.shown for one in found.differences}
    said = {**found.stated.values, **{one.name: one.said for one in found.differences}}
    fields = {}
    for name, value in said.items():
        own = Candidate(value=value, shown=value, witnesses=("xml", "structure"))
        other = (shown[name],) if name in shown else ()
        fields[name] = Field(
            name=name,
            value=value,
            accepted=not other,
            candidates=(own, *other),
            has_crop=name in found.compared.crops,
        )
    return fields


def _bare(octets: Octets) -> bytes | None:
    return attached.bare(octets, largest=_LARGEST_XML)
