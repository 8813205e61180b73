"""Paper and PDF in: a file is committed, read, weighed, and becomes a document, a question to a person, or a refusal.

The file is on disk before anything looks at it. What is read is judged here: the same invoice that came before is not
delivered twice, a supplier with another bank account than ever before waits for a person. What is delivered is a
document like any other; it never goes onto the network.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

from gateway.errors import Conflict, LostLease, Overloaded, TemporaryError
from gateway.exchange.antivirus import Antivirus
from gateway.exchange.ids import new_document_id
from gateway.exchange.in_work import InWork
from gateway.exchange.paper import Paper, Structured, fields_needed, structured_of
from gateway.model.identifiers import AccountId
from gateway.model.message import Participant
from gateway.model.scan import Field, Reading, Scan, ScanState, Supplier
from gateway.ports import Clock, Incoming, Store, Taken

log = logging.getLogger(__name__)

LARGEST: Final = 20_000_000
"""Octets of a file; more is refused before it is kept."""
_EVIDENCE_MOST: Final = 256_000
_LEFT_AFTER: Final = timedelta(minutes=10)
"""A file that was taken so long ago and is not read: its reader died."""
_LOOK_SECONDS: Final = 60.0
_MOST_WAITING: Final = 200
_ODD: Final = re.compile(r"[^\w .()+-]")

REVIEW_FIELDS: Final = (
    "Some values could not be read with certainty; a person looks at them.",
    "Några uppgifter kunde inte läsas säkert; en person tittar på dem.",
)
_UNREADABLE: Final = (
    "The file could not be read, by a fault of ours or of the disk; a person looks at it.",
    "Filen kunde inte läsas på grund av ett fel hos oss eller på disken; en person tittar på den.",
)
_ANEW: Final = ("Send a clean file instead.", "Skicka en ren fil i stället.")
_NEW_ACCOUNT: Final = (
    "{name} has never used the bank account {account} before (known: {known}). Ask the supplier by a number that you"
    " know, not by one on the invoice.",
    "{name} har aldrig använt kontot {account} tidigare (känt: {known}). Fråga leverantören på ett nummer som du redan"
    " har, inte på ett som står på fakturan.",
)


SuppliersOf = Callable[[Collection[str]], Awaitable[Sequence[Supplier]]]


class Reads(Protocol):
    """Reads a file; the sandbox stands behind it."""

    async def read(
        self, octets: bytes, *, file_name: str, media_type: str, own: Collection[str], suppliers_of: SuppliersOf
    ) -> Reading:
        """Everything that could be read of it; never raises for what is in the file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scans:
    """Implements :class:`~gateway.ports.Intake`, and what a person does afterwards is in :mod:`.reviewing`."""

    store: Store
    reader: Reads
    paper: Paper
    clock: Clock
    antivirus: Antivirus | None = None
    largest: int = LARGEST
    in_work: InWork[Taken] = field(default_factory=lambda: InWork(seconds=120.0))

    async def hand_in(self, incoming: Incoming) -> Taken:
        """Commit, read, commit what became of it.

        Raises ``Overloaded``, ``StoreUnavailable``, ``Conflict``; ``ScannerUnavailable`` and ``AtRest`` where the virus
        scanner is away: the file is here all the same, and is read as soon as it answers.
        """
        if len(self.in_work) >= _MOST_WAITING:
            raise Overloaded("Many files are being read at the moment")
        key = (incoming.account, incoming.key)
        taken, first = await self.in_work.once(key, lambda: self._take(incoming))
        return taken if first else replace(taken, repeated=True)

    async def _take(self, incoming: Incoming) -> Taken:
        now = self.clock.now()
        if not incoming.key:
            raise Conflict("A file needs a key by which a repeat is known")
        too_large = len(incoming.octets) > self.largest
        new = Scan(
            id=new_document_id(now),
            account=incoming.account,
            key=incoming.key[:500],
            state=ScanState.TAKEN,
            source=incoming.source,
            sender=printable(incoming.sender)[:200],
            file_name=safe_name(incoming.file_name),
            media_type=printable(incoming.media_type)[:100],
            created=now,
            updated=now,
        )
        proofs = incoming.evidence if sum(len(one.octets) for one in incoming.evidence) <= _EVIDENCE_MOST else ()
        begun = await self.store.reviews.begin(new, b"" if too_large else incoming.octets, proofs)
        scan = begun.scan
        if not begun.new:
            if scan.size and not await self._is_same(scan, incoming.octets):
                raise Conflict("The same key came before with another file", remedy="Give each file a key of its own.")
            if scan.state is not ScanState.TAKEN:
                return replace(told(scan), repeated=True)
        return told(await self._read(scan, incoming.octets, incoming.media_type))

    async def _is_same(self, scan: Scan, octets: bytes) -> bool:
        from hashlib import sha256

        return scan.sha256 == sha256(octets).hexdigest()

    async def _read(self, scan: Scan, octets: bytes, media_type: str) -> Scan:
        if (refused := await self._refused(scan, octets)) is not None:
            return refused
        reading, participants = await self._open(scan, octets, media_type)
        read = replace(
            scan,
            media_type=reading.media_type or scan.media_type,
            channel=reading.channel,
            pages=reading.pages,
            rungs=reading.rungs,
            fields=reading.fields,
            receiver=receiver_of(reading, participants),
        )
        try:
            return await self._settle(scan, read, reading, octets)
        except LostLease:  # another process has read it too
            return await self.store.reviews.get(scan.account, scan.id)

    async def _refused(self, scan: Scan, octets: bytes) -> Scan | None:
        """Refused because of what the virus scanner says. Raises ``ScannerUnavailable``, ``AtRest``: it stays taken."""
        if self.antivirus is None or len(octets) > self.largest:  # that is refused unread
            return None
        suspicion = await self.antivirus.of_file(octets, scan.file_name)
        if suspicion is None:
            return None
        log.warning("quarantined: %s", suspicion.english, extra={"scan": scan.id})
        en, sv = (f"{said}. {more}" for said, more in zip((suspicion.english, suspicion.swedish), _ANEW, strict=True))
        after = replace(scan, state=ScanState.REFUSED, hold="virus", reason=en, reason_sv=sv)
        try:
            return await self.store.reviews.settle(scan, after)
        except LostLease:  # another process has read it too
            return await self.store.reviews.get(scan.account, scan.id)

    async def _open(self, scan: Scan, octets: bytes, media_type: str) -> tuple[Reading, Sequence[Participant]]:
        own, participants = await self._own(scan.account)
        reading = await self.reader.read(
            octets if len(octets) <= self.largest else b"\0" * (self.largest + 1),
            file_name=scan.file_name,
            media_type=media_type,
            own=own,
            suppliers_of=partial(self.store.reviews.suppliers, scan.account),
        )
        return reading, participants

    async def embedded(self, scan: Scan, fields: Mapping[str, Field], octets: bytes) -> Structured | None:
        """The UBL in the file, read again, where it says what these fields say. Raises ``Overloaded``."""
        if "xml" not in scan.rungs:
            return None
        reading, _ = await self._open(scan, octets, scan.media_type)
        if reading.refusal is not None and not reading.xml:
            raise Overloaded("The file could not be opened once more", remedy="Try again.")
        if any(value_of(fields, name) != one.value for name, one in reading.fields.items()):
            return None
        return await structured_of(reading.xml)

    async def _settle(self, before: Scan, read: Scan, reading: Reading, octets: bytes) -> Scan:
        refused = reading.refusal
        settle = self.store.reviews.settle
        if refused is not None:
            state, hold = (ScanState.REFUSED, "") if refused.final else (ScanState.REVIEW, "document")
            after = replace(read, state=state, reason=refused.en, reason_sv=refused.sv)
            return await settle(before, replace(after, hold="document" if hold else ""), reading.crops)
        structured = await structured_of(reading.xml)
        if fields_needed(read.fields, structured=structured is not None):
            en, sv = REVIEW_FIELDS
            after = replace(read, state=ScanState.REVIEW, hold="fields", reason=en, reason_sv=sv)
            return await settle(before, after, reading.crops)
        if (warning := await self.new_account(read)) is not None:
            en, sv = warning
            after = replace(read, state=ScanState.REVIEW, hold="bank_account", reason=en, reason_sv=sv)
            return await settle(before, after, reading.crops)
        delivered = await self.paper.deliver(read, octets, structured=structured)
        return await settle(before, delivered, reading.crops)

    async def new_account(self, scan: Scan) -> tuple[str, str] | None:
        """Why a person must look when a known supplier wants its money somewhere else; None when nothing is odd."""
        account = value_of(scan.fields, "account")
        known = await self.store.reviews.suppliers(scan.account, [value_of(scan.fields, "supplier")])
        if not known or not known[0].accounts or account in known[0].accounts or not account:
            return None
        said = {
            "name": known[0].name or known[0].id,
            "account": account,
            "known": ", ".join(sorted(known[0].accounts)[:5]),
        }
        return _NEW_ACCOUNT[0].format(**said), _NEW_ACCOUNT[1].format(**said)

    async def _own(self, account: AccountId) -> tuple[set[str], Sequence[Participant]]:
        """Numbers and names of the account's own participants: never a supplier's."""
        participants = await self.store.participants(account)
        own = {f"SE{one.id.value[5:15]}" for one in participants if one.id.icd == "0007"}
        return own | {one.name for one in participants if one.name}, participants

    async def finish_what_was_left(self) -> int:
        """Read what was taken and not read to the end because its reader died. Gives how many.

        What cannot be read even now is for a person; it keeps none of the others from being read.
        """
        read = 0
        for scan in await self.store.reviews.unread(self.clock.now() - _LEFT_AFTER, 20):
            try:
                octets = await self.store.reviews.octets(scan.account, scan.id)
                await self._read(scan, octets, "")
                read += 1
            except TemporaryError as error:
                log.warning("the scan %s is read later: %s", scan.id, error)
            except Exception:
                log.exception("the scan %s cannot be read; a person is asked", scan.id)
                en, sv = _UNREADABLE
                after = replace(scan, state=ScanState.REVIEW, hold="document", reason=en, reason_sv=sv)
                with suppress(LostLease):  # it has moved on since
                    await self.store.reviews.settle(scan, after)
        return read

    async def watch(self) -> None:
        """Look every minute for what was left; until cancelled."""
        while True:
            try:
                await self.finish_what_was_left()
            except TemporaryError as error:
                log.warning("what was left of scans is read later: %s", error)
            except Exception:  # whatever it is: the gateway goes on, and the file stays where it is
                log.exception("a scan that was left could not be read")
            await asyncio.sleep(_LOOK_SECONDS)


def told(scan: Scan) -> Taken:
    """What whoever handed it in is told."""
    words = {
        ScanState.ACCEPTED: ("accepted", "The invoice was read and is on its way.", "Fakturan är läst och på väg."),
        ScanState.DUPLICATE: ("duplicate", "This invoice is here already.", "Fakturan finns redan."),
        ScanState.REFUSED: ("refused", scan.reason, scan.reason_sv),
    }
    verdict, en, sv = words.get(scan.state, ("review", scan.reason or REVIEW_FIELDS[0], scan.reason_sv))
    if scan.hold == "bank_account" and verdict == "review":
        en, sv = REVIEW_FIELDS  # whoever sent it does not hear what we noticed
    return Taken(
        id=scan.id,
        verdict=verdict,  # type: ignore[arg-type]
        reason=en,
        reason_sv=sv or REVIEW_FIELDS[1],
        document=scan.document,
    )


def receiver_of(reading: Reading, participants: Sequence[Participant]) -> str:
    """For which of the account's participants it is: the one whose number is on the page, else the only or first."""
    for one in participants:
        if f"SE{one.id.value[5:15]}" in reading.mentions:
            return one.id.value
    return participants[0].id.value if participants else ""


def value_of(fields: Mapping[str, Field], name: str) -> str:
    """The value of a field, empty where there is none."""
    found = fields.get(name)
    return found.value if found else ""


def printable(text: str) -> str:
    """Without control characters and line breaks."""
    return "".join(c for c in text if c.isprintable())


def safe_name(text: str) -> str:
    """A file name to show and to attach: its last part, of plain characters, at most 100."""
    last = re.split(r"[\\/]", printable(text))[-1]
    return _ODD.sub("_", last).strip(" .")[-100:] or "scan"
