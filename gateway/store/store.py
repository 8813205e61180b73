"""The store: the methods of :class:`~gateway.ports.Store`, whatever the database.

Writes go through the one writer (``writer.py``) and return after the commit; reads have connections of their
own and see everything that was committed before they began.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from gateway.errors import NotFound, StateError
from gateway.model.identifiers import AccountId, DocumentId, MessageId, ParticipantId
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, Message, Participant, PayloadKind, TimelineEntry
from gateway.model.octets import Octets
from gateway.model.registration import Registration
from gateway.ports import ANY_SIZE, Added, Arrival, Clock, Filter, Queue
from gateway.store import accounts, claiming, documents, doubles, figures, happened, queries, registrations, steps
from gateway.store.addresses import FailedAddresses
from gateway.store.bells import Bell, Bells
from gateway.store.hastening import MOST, Hastening, hasten
from gateway.store.identities import Identities
from gateway.store.letters import Letters
from gateway.store.mail import MailRecords
from gateway.store.money import Money
from gateway.store.octets import Folder
from gateway.store.operation import Operation
from gateway.store.overview import Overview
from gateway.store.packing import Kept, pack_arrival, pack_proofs
from gateway.store.passing import Passed
from gateway.store.pending import Pending
from gateway.store.people import People
from gateway.store.reads import Reads
from gateway.store.relations import Relations
from gateway.store.retention import Retention
from gateway.store.reviews import Reviews
from gateway.store.searching import Search
from gateway.store.second import SecondFactors
from gateway.store.session import changed
from gateway.store.sweeps import Sweeps
from gateway.store.writer import Writer

CLAIM_MOST: Final = 1000
_REMEMBERED: Final = 10_000
_REMEMBERED_SECONDS: Final = 0.5
"""How long another process's change of a participant may go unnoticed."""


class SqlStore:
    """Implements :class:`~gateway.ports.Store`; made by ``open_store`` (``opening.py``).

    ``work`` is set after each commit that gave the worker something to do at once. A worker clears it, claims, and
    waits for it (with a time limit, for what becomes due later or whose lease runs out).
    """

    def __init__(
        self,
        writer: Writer,
        reads: Reads,
        payloads: Folder,
        clock: Clock,
        work: asyncio.Event,
        bells: Bells,
    ) -> None:
        self.work = work
        self._bells = bells
        self._participants: dict[ParticipantId, tuple[float, Participant | None]] = {}
        self._changes = 0
        self._passed = Passed()
        self._writer = writer
        self._reads = reads
        self._payloads = payloads
        self._clock = clock
        self.retention = Retention(reads=reads, write=self._errand, clock=clock, payloads=payloads)
        self.operation = Operation(reads=reads, write=self._errand, clock=clock)
        self.letters = Letters(reads=reads, write=self._errand, clock=clock)
        self.money = Money(reads=reads, write=self._errand, writer=writer, clock=clock)
        self.pending = Pending(reads=reads, write=self._errand, clock=clock)
        self.search = Search(reads=reads, writer=writer, clock=clock)
        self.relations = Relations(reads=reads, write=self._errand, clock=clock)
        self.sweeps = Sweeps(reads=reads, write=self._errand, clock=clock)
        self.people = People(reads=reads, write=self._errand, clock=clock)
        self.identities = Identities(reads=reads, write=self._errand, clock=clock)
        self.second = SecondFactors(reads=reads, write=self._errand, clock=clock)
        self.overview = Overview(reads=reads, write=self._errand, clock=clock)
        self.reviews = Reviews(reads=reads, write=self._errand, clock=clock, payloads=payloads)
        self.addresses = FailedAddresses(reads=reads, write=self._errand, clock=clock)
        self.mail = MailRecords(reads=reads, write=self._errand, clock=clock)

    @property
    def writes_failing(self) -> bool:
        """Whether the last commit failed, a moment ago: nothing new should be begun."""
        return self._writer.failing

    @property
    def writes_waiting(self) -> int:
        """How many writes wait for the disk."""
        return self._writer.waiting

    async def queue(self, most: int) -> Queue:
        """Count what waits for a worker, up to ``most``. Raises ``StoreUnavailable``."""
        return await self._reads.read(partial(figures.queue, most=most, now=self._clock.now()))

    def keep_large_in(self, payloads: Folder) -> None:
        """From now on large octets lie there: a bucket, which finds those in the folder too."""
        self._payloads = payloads
        self.retention = replace(self.retention, payloads=payloads)
        self.reviews = replace(self.reviews, payloads=payloads)

    async def add_once(self, arrival: Arrival) -> Added:
        """Commit a new document, or find the one with the same key. Raises ``StoreUnavailable``."""
        new = await self._prepared(arrival)
        if arrival.doubles is None:
            standing = await self._writer.do(documents.add, new)
        else:
            standing = await self._writer.do(doubles.add, doubles.Watched(new=new, watch=arrival.doubles))
        if not standing.new and standing.message.id != new.message.id:
            for kept in (*new.payloads.values(), *(proof.kept for proof in new.evidence)):
                await self._payloads.drop(kept)
        if standing.new:
            receipt = next((proof.octets for proof in arrival.evidence if proof.kind == "receipt"), b"")
        else:
            receipt = b"" if standing.receipt is None else await self._payloads.fetch(standing.receipt)
        same = standing.fingerprint == new.fingerprint
        return Added(message=standing.message, new=standing.new, same=same, receipt=receipt)

    async def _prepared(self, arrival: Arrival) -> documents.New:
        """Pack the octets, large ones into files that are on disk before the row."""
        message = arrival.message
        kept = pack_arrival(arrival)
        if kept is None:
            wanted: list[tuple[Octets, str]] = [(o, f"{message.id}.{kind}") for kind, o in arrival.payloads.items()]
            wanted += [(proof.octets, f"{message.id}.{proof.kind}") for proof in arrival.evidence]
            kept = await self._payloads.keep_all(wanted)
        payloads = dict(zip(arrival.payloads, kept, strict=False))
        document = payloads.get(PayloadKind.DOCUMENT)
        if document is not None and message.sha256 and document.sha256 != message.sha256:
            raise StateError(f"{message.id}: the document's octets do not have the digest that was fixed for them")
        return documents.New(
            message=_completed(message, document),
            fingerprint=arrival.fingerprint
            or (payloads[PayloadKind.PART].sha256 if PayloadKind.PART in payloads else ""),
            twin=arrival.twin,
            entry=arrival.entry,
            payloads=payloads,
            evidence=_proofs(arrival.evidence, kept[len(payloads) :]),
        )

    async def claim(
        self,
        owner: str,
        limit: int,
        lease_seconds: float,
        *,
        without: Sequence[str] = (),
        largest: int = ANY_SIZE,
    ) -> Sequence[Message]:
        """Take due documents, those first that have been due longest, and count up their ``attempts``.

        None while the store was restored and no person has confirmed the gap.
        """
        if await self.operation.waits():
            return []
        lease = timedelta(seconds=lease_seconds)
        limit = max(0, min(limit, CLAIM_MOST))
        job = claiming.Claim(
            owner=owner,
            limit=limit,
            now=self._clock.now(),
            lease=lease,
            without=tuple(without),
            largest=largest,
            begin=self._passed.begin(without, largest),
        )
        taken = await self._writer.do(claiming.claim, job)
        self._passed.note(without, largest, taken, limit, job.now)
        return taken

    async def deaths(self, message: Message) -> int:
        """How often somebody has died with it in hand since its last outcome; it is claimed now."""
        return await self._reads.look(partial(queries.deaths, message=message))

    async def hasten(self, *, peer: str = "", channel: str = "", receivers: Sequence[str] = ()) -> None:
        """What was postponed for this access point, channel or these participants is due now, oldest first."""
        job = Hastening(now=self._clock.now(), peer=peer, channel=channel, receivers=tuple(receivers))
        while await self._writer.do(hasten, job) == MOST:
            self._passed.forget()
            self.work.set()
        self._passed.forget()
        self.work.set()

    async def renew(self, owner: str, ids: Sequence[DocumentId], lease_seconds: float) -> None:
        """Let the leases that this owner still has on these documents begin anew; one that ran out is gone."""
        if ids:
            until = self._clock.now() + timedelta(seconds=lease_seconds)
            await self._writer.do(claiming.renew, claiming.Renewal(owner=owner, ids=tuple(ids), until=until))

    async def record(
        self,
        message: Message,
        event: Event,
        evidence: Sequence[Evidence] = (),
        *,
        keep_lease: bool = False,
        follow: Arrival | None = None,
    ) -> Message:
        """Do one step of the lifecycle in one commit, and add what follows from it.

        Raises ``LostLease``, ``StateError``, ``StoreUnavailable``.

        ``reason`` of the document follows the event when the event chooses a channel, when none is chosen yet, and
        when it ends in trouble; every event's own reason is in the timeline.
        """
        now = self._clock.now()

        def change(current: steps.Current) -> steps.Change:
            return steps.record(current, message, event, now, keep_lease=keep_lease)

        kept = await self._kept(message.id, evidence)
        new = None if follow is None else await self._prepared(follow)
        return await self._step(documents.Step(id=message.id, change=change, known=message, evidence=kept, follow=new))

    async def mark_sending(self, message: Message, *, peer: str, receiver: str, part: Octets) -> Message:
        """Commit, before the first octet leaves, that C3 may get it, with the part that every retry sends.

        A lease that ran out is ``LostLease`` too.
        """
        now = self._clock.now()
        change = partial(steps.mark_sending, message=message, peer=peer, receiver=receiver, now=now)
        kept = await self._payloads.keep(part, f"{message.id}.{PayloadKind.PART}")
        return await self._step(documents.Step(id=message.id, change=change, known=message, part=kept))

    async def acknowledge(self, account: AccountId, id: DocumentId) -> Message:
        """C4 has it from the inbox; twice is once. Raises ``NotFound``."""
        if not account:
            raise NotFound(f"There is no document {id}")
        change = partial(steps.acknowledge, now=self._clock.now())
        return await self._step(documents.Step(id=id, change=change, account=account))

    async def _step(self, step: documents.Step) -> Message:
        return (await self._writer.do(documents.apply, step)).message

    async def _kept(self, id: DocumentId, evidence: Sequence[Evidence]) -> tuple[documents.KeptEvidence, ...]:
        kept = pack_proofs(evidence)
        if kept is None:
            # Nothing is removed when one does not fit: a row of an earlier step may name the same file.
            kept = await self._payloads.keep_each([(p.octets, f"{id}.{p.kind}") for p in evidence])
        return _proofs(evidence, kept)

    async def get(self, account: AccountId, id: DocumentId) -> Message:
        """One document. Raises ``NotFound``."""
        return await self._reads.look(partial(queries.get, account=account, id=id))

    async def find(self, account: AccountId, which: Filter) -> tuple[Sequence[Message], str]:
        """Documents, newest first, and the cursor of the next page. Raises ``NotFound`` for a cursor not ours."""
        return await self._reads.read(partial(queries.find, account=account, which=which))

    async def timeline(self, account: AccountId, id: DocumentId) -> Sequence[TimelineEntry]:
        """Everything that happened to one document, oldest first. Raises ``NotFound``."""
        return await self._reads.read(partial(queries.timeline, account=account, id=id))

    async def happened(
        self, account: AccountId, after: int, limit: int
    ) -> tuple[Sequence[tuple[int, Message, TimelineEntry]], int]:
        """What happened in the account after that number, oldest first, and the number to go on from."""
        ask = partial(happened.happened, account=account, after=after, limit=limit, now=self._clock.now())
        return await self._reads.read(ask)

    async def latest(self) -> int:
        """The number of what happened last."""
        return await self._reads.read(happened.latest)

    async def payload(self, id: DocumentId, kind: PayloadKind) -> bytes:
        """The octets, compared with their digest. Raises ``NotFound`` or ``StateError`` when they differ."""
        return await self._payloads.fetch(await self._reads.look(partial(queries.payload, id=id, kind=kind)))

    async def content(self, id: DocumentId, kind: PayloadKind) -> Octets:
        """The same; what is too large for memory as the store's own file."""
        return await self._payloads.content(await self._reads.look(partial(queries.payload, id=id, kind=kind)))

    async def evidence(self, account: AccountId, id: DocumentId) -> Sequence[tuple[str, datetime, Evidence]]:
        """Stored evidence as (name, time, evidence), oldest first. Raises ``NotFound``, ``StateError``."""
        found = await self._reads.read(partial(queries.evidence, account=account, id=id))
        return [
            (name, when, Evidence(kind=kind, media_type=media_type, octets=await self._payloads.fetch(kept)))
            for name, when, kind, media_type, kept in found
        ]

    async def find_received(self, seat: str, message_id: MessageId) -> Message | None:
        """The inbound message with this key, or None. Costs a read: ``add_once`` finds it by itself."""
        return await self._reads.look(partial(queries.find_received, seat=seat, message_id=message_id))

    async def find_sent(self, instance_id: str) -> Sequence[Message]:
        """What we sent in the business envelope of this id, of whatever account, oldest first."""
        return await self._reads.look(partial(queries.find_sent, instance_id=instance_id))

    async def find_numbered(self, account: AccountId, number: str, sender: str, receiver: str) -> Sequence[Message]:
        """What the account sent under this number from one participant to the other, newest first."""
        ask = partial(queries.find_numbered, account=account, number=number, sender=sender, receiver=receiver)
        return await self._reads.look(ask)

    def watch(self, id: DocumentId) -> AbstractContextManager[Bell]:
        """A bell that rings at each commit of this process that changes the document."""
        return self._bells.watch(id)

    async def participant(self, id: ParticipantId) -> Participant | None:
        """One of our own participants, or None.

        Every message asks, so the answer is remembered: until this process changes the participant, and for no longer
        than another process's change may go unnoticed.
        """
        known = self._participants.get(id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        changes = self._changes
        found = await self._reads.look(partial(accounts.find_participant, id=id))
        if changes != self._changes:
            return found  # it may be older than the change: not worth remembering
        if len(self._participants) >= _REMEMBERED:
            self._participants.clear()
        self._participants[id] = (time.monotonic() + _REMEMBERED_SECONDS, found)
        return found

    async def participants(self, account: AccountId | None = None) -> Sequence[Participant]:
        """Our own participants, of one account or all."""
        return await self._reads.read(partial(accounts.participants, account=account))

    async def save_participant(self, participant: Participant) -> None:
        """Add or replace. Raises ``Conflict`` when it belongs to another account, ``NotFound`` without an account."""
        errand = partial(accounts.save_participant, new=participant, now=self._clock.now())
        await self._writer.do(accounts.run_errands, errand)
        self._forget(participant.id)

    async def remove_participant(self, account: AccountId, id: ParticipantId) -> None:
        """Remove. Raises ``NotFound``."""
        await self._writer.do(accounts.run_errands, partial(accounts.remove_participant, account=account, id=id))
        self._forget(id)

    async def registration(self, id: ParticipantId) -> Registration | None:
        """Where one participant stands on its way to or from the network, or None."""
        return await self._reads.read(partial(registrations.registration, id=id))

    async def registrations(self, account: AccountId | None = None) -> Sequence[Registration]:
        """Those of one account or all."""
        return await self._reads.read(partial(registrations.registrations, account=account))

    async def due_registrations(self, limit: int) -> Sequence[Registration]:
        """Those whose present stage is to be tried now."""
        return await self._reads.read(partial(registrations.due, now=self._clock.now(), limit=limit))

    async def begin_registration(self, new: Registration, participant: Participant | None = None) -> None:
        """Begin, in one commit with the participant where it is given. Raises ``Conflict``, ``NotFound``."""
        await self._writer.do(accounts.run_errands, partial(registrations.begin, new=new, participant=participant))
        self._forget(new.participant)

    async def step_registration(self, before: Registration, after: Registration) -> None:
        """Write what a stage came to. Raises ``LostLease`` when somebody else has gone on."""
        await self._writer.do(accounts.run_errands, partial(registrations.step, before=before, after=after))

    async def end_registration(self, before: Registration) -> None:
        """Forget participant and registration in one commit. Raises ``NotFound``, ``LostLease``."""
        await self._writer.do(accounts.run_errands, partial(registrations.end, before=before))
        self._forget(before.participant)

    def _forget(self, id: ParticipantId) -> None:
        self._changes += 1
        self._participants.pop(id, None)

    async def account_of_key(self, key_hash: str) -> AccountId | None:
        """The account of an API key, by the key's hash."""
        return await self._reads.look(partial(accounts.find_account, key_hash=key_hash))

    async def first_account(self, name: str, key_hash: str) -> bool:
        """Make the first account with its first key if there is none yet; tell whether it was made."""
        errand = partial(accounts.first_account, name=name, key_hash=key_hash, now=self._clock.now())
        return bool(await self._writer.do(accounts.run_errands, errand))

    async def add_account(self, id: AccountId, name: str, key_hash: str) -> None:
        """Add another account with its first key. Raises ``Conflict``."""
        errand = partial(accounts.add_account, id=id, name=name, key_hash=key_hash, now=self._clock.now())
        await self._writer.do(accounts.run_errands, errand)

    async def _errand(self, errand: accounts.Errand) -> Any:
        try:
            return await self._writer.do(accounts.run_errands, errand)
        finally:
            self.relations.forget()  # also where it is not known whether it was written


def _completed(message: Message, document: Kept | None) -> Message:
    """What the store knows of a new document besides; itself where its maker has said all of that."""
    fitting = message.next_attempt is None or steps.is_workable(message.direction, message.state)
    if fitting and message.sha256 and message.queued_since is not None:
        return message
    return changed(
        message,
        sha256=message.sha256 or (document.sha256 if document else ""),
        next_attempt=message.next_attempt if fitting else None,
        queued_since=message.queued_since or message.created,
    )


def _proofs(evidence: Sequence[Evidence], kept: Sequence[Kept]) -> tuple[documents.KeptEvidence, ...]:
    return tuple(
        [
            documents.KeptEvidence(proof.kind, proof.media_type, octets)
            for proof, octets in zip(evidence, kept, strict=True)
        ]
    )
