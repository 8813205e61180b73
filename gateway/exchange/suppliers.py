"""Suppliers whose invoices come on paper or as PDF: asked for e-invoices, and whether they send them is measured.

Everything follows from the documents that are here, looked at anew every hour: who sent paper in the last year and
could send e-invoices is proposed; the first e-invoice closes an accepted proposal; paper after that opens it again. So
nothing is done while a page is read, and a process that dies loses nothing. That a supplier can *send* is in no
register: what speaks for it is that it sends to others here (only yes or no, and only of accounts that ``share``), that
the network has it as a receiver, so that it has an operator, or that it writes often enough to be worth asking.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import GatewayError, LookupUnavailable, LostLease
from gateway.exchange.ids import new_document_id
from gateway.exchange.meeting import counterpart_of
from gateway.exchange.proposing import Proposing
from gateway.model.counterpart import Counterpart, Role
from gateway.model.document import Company
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Direction
from gateway.model.proposal import Proposal, ProposalState, Volume
from gateway.model.relating import EvidenceId, LookupEvidence, Relation, Verdict
from gateway.model.relation import Reachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Changes, Clock, Lookup, Store
from gateway.routing.matching import match
from gateway.routing.savings import YEAR, volumes_of
from gateway.ubl.candidates import candidates

log = logging.getLogger(__name__)

OFTEN: Final = 3
"""Documents a year from which on a supplier is asked although nothing says that it can send."""
_PAPER: Final = ("scan", "pdf")
_EACH: Final = timedelta(hours=1)
_ASKED_AGAIN: Final = timedelta(hours=20)
_REMEMBERED: Final = 50_000
_MOST: Final = 500
"""Suppliers of an account in one turn, those with most paper first."""
_P: Final = ProposalState


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppliers:
    """Proposes and measures, for every account that has an address on the network."""

    store: Store
    lookup: Lookup
    clock: Clock
    proposing: Proposing
    _asked: dict[str, tuple[datetime, str]] = field(default_factory=dict, init=False)
    """By address: until when the answer of the network is good enough, and the seat of its operator, if it has one."""

    async def run(self) -> None:
        """Take a turn every hour, until cancelled."""
        while True:
            try:
                await self.turn()
            except GatewayError as error:
                log.warning("suppliers are looked at later: %s", error)
            except Exception:
                log.exception("suppliers are looked at in an hour")
            await asyncio.sleep(_EACH.total_seconds())

    async def turn(self) -> int:
        """Look at the suppliers of every account; gives how many proposals changed. Raises ``StoreUnavailable``."""
        changed = 0
        for account in sorted({one.account for one in await self.store.participants()}):
            changed += await self._account(account)
        return changed

    async def _account(self, account: AccountId) -> int:
        volumes = await self.store.relations.volumes(account, Direction.IN, self.clock.now() - YEAR)
        paper = sorted((one for one in volumes if one.kind in _PAPER), key=lambda one: -one.documents)
        changed, seen = 0, set[str]()
        for one in paper[:_MOST]:
            supplier, new = await self._supplier(account, one)
            if supplier.id in seen:
                continue
            seen.add(supplier.id)
            try:
                changed += await self._judge(supplier, volumes, new=new)
            except LostLease:  # a person was quicker
                log.info("a supplier has changed meanwhile; it is looked at in an hour")
        return changed

    async def _supplier(self, account: AccountId, one: Volume) -> tuple[Counterpart, bool]:
        """Whose paper it is, as the register has it; one that it has not is made of what the paper says."""
        rows, company = self.store.relations, _company(one)
        keys = [candidate.participant.value for candidate in candidates(company)]
        known: Sequence[Counterpart] = await rows.known_by(account, Role.SUPPLIER, keys) if keys else ()
        if not known and one.name:
            known = await rows.named(account, Role.SUPPLIER, one.name)
        found = match(company, keys, known).counterpart
        if found is not None:
            return found, False
        return counterpart_of(account, company, Role.SUPPLIER, keys, self.clock.now()), True

    async def _judge(self, supplier: Counterpart, volumes: Sequence[Volume], *, new: bool) -> int:
        known = None if new else await self.proposing.about(supplier.account, supplier, Direction.IN)
        mine = [one for one in volumes if volumes_of(supplier, [one])]
        electronic, paper = _last(mine, electronic=True), _last(mine, electronic=False)
        if known is not None and known.state in (_P.ACCEPTED, _P.CONVERTED):
            return await self._followed(known, electronic, paper)
        if electronic is not None and (paper is None or electronic >= paper):
            if known is None or known.state not in (_P.OPEN, _P.SNOOZED):
                return 0
            await self.store.relations.commit(self.proposing.gone(known, self.clock.now()))
            return 1  # it sends them already, without being asked
        return await self._propose(supplier, mine, known, new=new)

    async def _followed(self, known: Proposal, electronic: datetime | None, paper: datetime | None) -> int:
        """Whether what was accepted came true, and whether it lasts."""
        now = self.clock.now()
        if known.state is _P.ACCEPTED:
            decided = known.decided or known.updated
            if electronic is None or electronic <= decided:
                return 0
            changes = self.proposing.converted(known, now)
        elif (
            paper is not None and paper > (known.converted or known.updated) and (not electronic or paper > electronic)
        ):
            changes = self.proposing.relapsed(known, now)
        else:
            return 0
        await self.store.relations.commit(changes)
        return 1

    async def _propose(
        self, supplier: Counterpart, mine: Sequence[Volume], known: Proposal | None, *, new: bool
    ) -> int:
        if known is not None and self.proposing.rests(known):
            return 0  # nobody is asked
        now = self.clock.now()
        evidence = await self._evidence(supplier)
        often = sum(one.documents for one in mine if one.kind in _PAPER) >= OFTEN
        if not (evidence or often):
            return 0
        way = Relation(
            account=supplier.account,
            counterpart=supplier.id,
            direction=Direction.IN,
            document_type=str(BILLING_INVOICE),
            process=str(BILLING_PROCESS),
            since=now,
            created=now,
            updated=now,
        )
        proposal = await self.proposing.propose(
            supplier,
            way,
            present="scan",
            risks=() if evidence else ("cannot-send",),
            evidence=[row.id for row in evidence],
            known=known,
        )
        if proposal is None:
            return 0
        counterparts = ((supplier, None),) if new else ()
        await self.store.relations.commit(
            Changes(counterparts=counterparts, evidence=tuple(evidence), proposals=(proposal,))
        )
        return 1

    async def _evidence(self, supplier: Counterpart) -> list[LookupEvidence]:
        """What says that it can send; empty where nothing does, and no answer is nothing."""
        for one in supplier.addresses:
            if await self.store.relations.sends_to_others(supplier.account, one.key):
                text = "It sends e-invoices to another account here"
                return [self._row(supplier, one.key, "documents of accounts that share", text)]
        for one in supplier.addresses:
            if seat := await self._operator(one.key):
                text = f"It takes e-invoices itself, at {seat}: it has an operator"
                return [self._row(supplier, one.key, f"SML and SMP for {one.key}", text)]
        return []

    async def _operator(self, participant: str) -> str:
        """The seat at which it takes invoices; empty where it does not, or there was no answer. Asked once a day."""
        now = self.clock.now()
        until, seat = self._asked.get(participant, (now, ""))
        if until > now:
            return seat
        try:
            found = await self.lookup.find(ParticipantId(participant), BILLING_INVOICE, BILLING_PROCESS)
        except LookupUnavailable:
            return ""
        seat = found.endpoint.seat if isinstance(found, Reachable) else ""
        if len(self._asked) >= _REMEMBERED:
            self._asked.clear()
        self._asked[participant] = now + _ASKED_AGAIN, seat
        return seat

    def _row(self, supplier: Counterpart, participant: str, asked: str, text: str) -> LookupEvidence:
        now = self.clock.now()
        return LookupEvidence(
            id=EvidenceId(new_document_id(now)),
            account=supplier.account,
            counterpart=supplier.id,
            participant=participant,
            document_type=str(BILLING_INVOICE),
            asked=asked,
            verdict=Verdict.POSITIVE,
            text=text,
            time=now,
        )


def _company(one: Volume) -> Company:
    scheme, _, number = one.receiver.partition(":")
    address = replace(Company().address, country="SE" if scheme == "0007" else "")
    if scheme == "0007" and number:
        return Company(name=one.name, legal_id=number, legal_id_scheme="0007", address=address)
    vat = one.receiver if not number and one.receiver[:2].isalpha() else ""
    return Company(name=one.name, vat_id=vat, address=address)


def _last(mine: Sequence[Volume], *, electronic: bool) -> datetime | None:
    """When the last e-invoice, or the last paper, came."""
    times = [one.last for one in mine if one.last is not None and (one.kind in _PAPER) is not electronic]
    return max(times, default=None)
