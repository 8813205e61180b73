"""The relation search as the exchange uses it: :class:`gateway.ports.Lookup` over DNS and SMP. [I/O]

Searches are :mod:`gateway.smp.search`'s; here they are remembered for a while and never made twice at once.
A positive answer is good for 15 minutes. Then, for the rest of an hour, it is used at once and verified again beside
that; what is not confirmed is asked for before its next use, as is everything older. Nothing is kept beyond the end of
endpoint or certificate. A "no" is never kept for an invoice, because it leads to paper: who registered a second ago is
found. A survey uses one for as long as its SOA says, a few minutes at most. Failures are not kept.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import LookupUnavailable, RevocationUnknown, Untrusted
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Step, Unreachable
from gateway.model.survey import Finding, Seen, Tally
from gateway.ports import Clock
from gateway.security.dsig import verify_enveloped
from gateway.security.trust import Role, Trust
from gateway.security.weburl import WebRules
from gateway.smp.beside import Beside, open_beside
from gateway.smp.fetch import Timeouts, open_fetcher
from gateway.smp.memory import Memory, SingleFlight
from gateway.smp.politeness import Fetches, Hosts, Pace, Polite
from gateway.smp.resolver import Resolver
from gateway.smp.search import Search, Surroundings, aged, read_types
from gateway.smp.survey import Survey

log = logging.getLogger(__name__)

POSITIVE_FOR: Final = timedelta(minutes=15)
"""So long a positive answer needs no other word."""
USED_FOR: Final = timedelta(hours=1)
"""So long it is used, while it is verified again."""
PER_SMP: Final = 20.0
"""Requests that a survey makes to one SMP in a second."""
DNS_PER_SECOND: Final = 500.0
"""Questions that a survey asks."""
_REMEMBERED: Final = 10_000

Settle = Callable[[], Awaitable[None]]
"""Fetches the revocation lists that are missing, and comes back when they are here or do not come."""

_Question = tuple[ParticipantId, DocumentTypeId, ProcessId]


@dataclass(frozen=True, slots=True)
class _Known:
    """A positive answer and how long it needs no other word."""

    answer: Reachable
    fresh: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that a participant says it takes; not signed, so for people only."""

    participant: ParticipantId
    smp: str
    document_types: tuple[DocumentTypeId, ...]
    steps: tuple[Step, ...]


class SmpLookup:
    """Finds participants on one network. Made by :meth:`open`."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        trust: Trust,
        zone: str,
        clock: Clock,
        dns_servers: Sequence[tuple[str, int]] = (),
        allow_http: bool = False,
        allow_loopback: bool = False,
        timeouts: Timeouts | None = None,
        settle: Settle | None = None,
        per_smp: float = PER_SMP,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[SmpLookup]:
        """Open the search for one network; no ``dns_servers`` means the system's, no ``tls`` public authorities.

        With ``settle``, a search that lacks only a revocation list waits for it once.

        Raises :class:`~gateway.errors.ConfigurationError` when a DNS server cannot be used.
        """
        rules = WebRules(allow_http=allow_http, allow_loopback=allow_loopback)
        resolver = Resolver(dns_servers)
        async with open_fetcher(rules, timeouts, tls) as fetcher, open_beside() as beside:
            yield cls(fetcher, resolver, trust, zone=zone, clock=clock, settle=settle, per_smp=per_smp, beside=beside)

    def __init__(
        self,
        fetcher: Fetches,
        resolver: Resolver,
        trust: Trust,
        *,
        zone: str,
        clock: Clock,
        settle: Settle | None = None,
        per_smp: float = PER_SMP,
        beside: Beside | None = None,
    ) -> None:
        """Without ``beside``, nothing is verified in the background: what is no longer fresh is asked for first."""
        self._settle = settle
        self._around = Surroundings(fetcher=fetcher, resolver=resolver, trust=trust, zone=zone)
        self._clock = clock
        self._survey = Survey(
            around=self._around,
            clock=clock,
            settle=settle,
            hosts=Hosts(per_second=per_smp),
            dns=Pace(DNS_PER_SECOND, 32),
        )
        self._known: Memory[_Question, _Known] = Memory(_REMEMBERED)
        self._beside = beside
        self._flights: SingleFlight[_Question, Reachable | Unreachable] = SingleFlight()

    async def find(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        """Ask whether and where the participant takes this document; an answer of the last hour may serve.

        Raises ``LookupUnavailable``, which carries the steps, whenever the network does not say yes or no.
        """
        question = (participant, document_type, process)
        now = self._clock.now()
        known = self._known.get(question, now)
        usable = known is not None and self._still_believed(known.answer)
        if known is not None and usable and (now < known.fresh or self._verify(question, known)):
            return known.answer
        return await self._flights.run(question, lambda: self._search(question))

    async def find_afresh(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        """Like :meth:`find`, but asked for now, whatever is remembered. Raises ``LookupUnavailable``."""
        return await self._search((participant, document_type, process))

    async def survey(
        self,
        source: AsyncIterable[Seen],
        note: Callable[[Seen, Finding], Awaitable[None]],
        *,
        most_requests: int | None = None,
        tally: Tally | None = None,
    ) -> Tally:
        """Ask for many, as :class:`gateway.ports.Surveyor` says."""
        return await self._survey.run(source, note, most=most_requests, tally=tally)

    def polite(self) -> SmpLookup:
        """The same search for whoever asks for very many: each SMP is asked at a survey's rate, and left in peace when
        it fails. An invoice does not wait for that."""
        around = self._around
        fetcher = Polite(within=around.fetcher, hosts=self._survey.hosts)
        return SmpLookup(
            fetcher, around.resolver, around.trust, zone=around.zone, clock=self._clock, settle=self._settle
        )

    def forget(self) -> None:
        """Forget every decision: the next questions are all asked of the network."""
        self._known.clear()
        self._around.groups.clear()
        self._around.absent.clear()
        self._survey.forget()

    async def locate(self, participant: ParticipantId) -> str | Unreachable:
        """Ask DNS for the participant's SMP: its base URL. Raises ``LookupUnavailable``."""
        search = self._begin(participant)
        try:
            return await search.locate()
        except LookupUnavailable as error:
            raise _with_steps(error, search) from None

    def signer_of(self, found: Reachable) -> str:
        """Subject of the SMP certificate that signed the answer, as a redirect's ``CertificateUID`` names it."""
        signed = [step.octets for step in found.steps if step.octets]
        believed = verify_enveloped(signed[-1], self._around.trust, Role.SMP, self._clock.now())
        return believed.signer.certificate.subject.rfc4514_string()

    async def document_types(self, participant: ParticipantId) -> Listing | Unreachable:
        """List what the participant takes, without asking for any of it. Raises ``LookupUnavailable``."""
        search = self._begin(participant)
        try:
            smp = await search.locate()
            if isinstance(smp, Unreachable):
                return smp
            group = await search.group(smp)
        except LookupUnavailable as error:
            raise _with_steps(error, search) from None
        if isinstance(group, Unreachable):
            return group
        return Listing(participant=participant, smp=smp, document_types=read_types(group), steps=tuple(search.steps))

    def _verify(self, question: _Question, known: _Known) -> bool:
        """See to it that the answer is verified again; False when that cannot be done beside."""
        return self._beside is not None and self._beside.begin(question, lambda: self._renew(question, known))

    async def _renew(self, question: _Question, known: _Known) -> None:
        """Ask anew; whatever is not a yes ends the old answer, and whoever asks next waits for one of his own."""
        try:
            found = await self._flights.run(question, lambda: self._search(question))
        except LookupUnavailable as error:
            log.info("what is known of %s was not confirmed: %s", question[0].value, error)
        except Exception:
            log.exception("what is known of %s could not be verified", question[0].value)
        else:
            if isinstance(found, Reachable):
                return
        if self._known.get(question, self._clock.now()) is known:
            self._known.drop(question)

    def _begin(self, participant: ParticipantId) -> Search:
        return Search(around=self._around, participant=participant, now=self._clock.now())

    async def _search(self, question: _Question) -> Reachable | Unreachable:
        participant, document_type, process = question
        search = self._begin(participant)
        try:
            answer = await search.endpoint(document_type, process)
        except RevocationUnknown as error:
            search, answer = await self._again(question, search, error)
        except LookupUnavailable as error:
            raise _with_steps(error, search) from None
        if isinstance(answer, Reachable):
            kept = replace(answer, steps=tuple(aged(step) for step in answer.steps))
            until = _until(answer, search.now)
            self._known.put(question, _Known(kept, min(until, search.now + POSITIVE_FOR)), until)
        else:
            self._known.drop(question)
        return answer

    async def _again(
        self, question: _Question, first: Search, error: RevocationUnknown
    ) -> tuple[Search, Reachable | Unreachable]:
        """Wait once for the list that was missing. Raises ``LookupUnavailable``."""
        if self._settle is None:
            raise _with_steps(error, first) from None
        await self._settle()
        participant, document_type, process = question
        search = self._begin(participant)
        try:
            return search, await search.endpoint(document_type, process)
        except (LookupUnavailable, RevocationUnknown) as last:
            raise _with_steps(last, search) from None

    def _still_believed(self, known: Reachable) -> bool:
        """Whether the endpoint's certificate is as good as when it was found: a revocation counts at once."""
        try:
            self._around.trust.believe(known.endpoint.certificate, Role.ACCESS_POINT, self._clock.now())
        except (Untrusted, RevocationUnknown):
            return False
        return True


def _with_steps(error: LookupUnavailable | RevocationUnknown, search: Search) -> LookupUnavailable:
    text = str(error)
    if isinstance(error, RevocationUnknown):
        text = f"{search.participant.value} is registered, but a certificate cannot be judged now: {error}"
    return LookupUnavailable(text, steps=search.steps, remedy=error.remedy)


def _until(answer: Reachable, now: datetime) -> datetime:
    until = now + USED_FOR
    return min(until, answer.endpoint.expires) if answer.endpoint.expires else until
