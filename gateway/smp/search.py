"""One relation search: DNS, the participant's SMP, its signed answer, the endpoint. [I/O]

Source: Peppol SML 1.3, SMP 1.4; the rule of three verdicts is ours. Only the network's own clear words lead to
:class:`~gateway.model.relation.Unreachable`: DNS says there is no registration, or a working SMP says with one voice
that it does not have the document type. Whatever is broken, silent, unbelievable or contradicts itself raises
:class:`~gateway.errors.LookupUnavailable`: nobody gets paper because of somebody's broken server or certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from gateway.errors import (
    InvalidAddress,
    InvalidAnswer,
    LookupUnavailable,
    PermanentError,
    RevocationUnknown,
    Untrusted,
)
from gateway.model.identifiers import TRANSPORT_PROFILE, WILDCARD_SCHEME, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Endpoint, Reachable, Reason, Step, Unreachable
from gateway.model.services import BILLING_INVOICE
from gateway.security.dsig import SignedXml, verify_enveloped
from gateway.security.trust import Role, Trust
from gateway.security.weburl import check_url
from gateway.smp.fetch import Fetched
from gateway.smp.locator import query_name, read_location
from gateway.smp.memory import Memory
from gateway.smp.metadata import (
    Redirect,
    ServiceEndpoint,
    ServiceGroup,
    ServiceInformation,
    Unusable,
    candidates,
    choose,
    path,
    read_group,
    read_metadata,
)
from gateway.smp.names import same_name
from gateway.smp.politeness import Fetches
from gateway.smp.resolver import Resolver

_T = TypeVar("_T")
_Failure = LookupUnavailable | RevocationUnknown
_FAILURES: Final = (LookupUnavailable, RevocationUnknown)

_SMALL: Final = 32 * 1024
"""Octets of a signed answer that takes about a millisecond to check."""
_MEND: Final = (
    "Nothing to do here: an invoice waits until it is right. Only the receiver's operator can mend it; tell them this."
)
_SILENT: Final = (
    "Nothing to do: an invoice waits until the SMP answers. If it lasts, tell the receiver's operator, whose SMP it is."
)
GROUP_FOR: Final = timedelta(seconds=60)
"""How long a list of document types serves."""

NO_FOR: Final = timedelta(minutes=5)
"""How long a no of the SML may be kept at most, whatever its SOA says: who registers is seen after that."""

Groups = Memory[tuple[str, ParticipantId], tuple[ServiceGroup, Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every search of one network uses."""

    fetcher: Fetches
    resolver: Resolver
    trust: Trust
    zone: str
    groups: Groups = field(default_factory=lambda: Memory(2_000))
    absent: Memory[ParticipantId, tuple[Unreachable, datetime]] = field(default_factory=lambda: Memory(20_000))
    """Who is not registered, and since when that is known."""


@dataclass(slots=True, kw_only=True)
class Search:
    """The search for one participant at one moment; ``steps`` grows with every question."""

    around: Surroundings
    participant: ParticipantId
    now: datetime
    """One reading of the clock: every comparison of this search uses it."""
    steps: list[Step] = field(default_factory=list)

    async def endpoint(self, document_type: DocumentTypeId, process: ProcessId) -> Reachable | Unreachable:
        """Find where the participant takes this document.

        Raises ``LookupUnavailable``, or ``RevocationUnknown`` when only the word about a certificate is missing; the
        steps so far stand here.
        """
        smp = await self.locate()
        if isinstance(smp, Unreachable):
            return smp
        by = self._by_list if document_type.scheme == WILDCARD_SCHEME else self._by_name
        held = await by(smp, document_type)
        if isinstance(held, Unreachable):
            return held
        information, group = held
        return self._reachable(smp, information, group, document_type, process)

    async def locate(self) -> str | Unreachable:
        """Ask DNS for the participant's SMP, whatever is kept; gives its base URL."""
        zone = self.around.zone
        try:
            found = await self.around.resolver.naptr(query_name(self.participant, zone))
        except LookupUnavailable as error:
            self.steps += error.steps
            raise LookupUnavailable(f"Whether {self._who} is registered cannot be told: {error}") from None
        self.steps += found.steps
        if not found.records:
            text = f"{self._who} is not registered: the SML zone {zone} says {found.says}"
            absent = self._unreachable(Reason.NOT_REGISTERED, text)
            kept = replace(absent, steps=tuple(aged(step) for step in absent.steps))
            until = self.now + min(timedelta(seconds=found.no_for), NO_FOR)
            self.around.absent.put(self.participant, (kept, self.now), until)
            return absent
        self.around.absent.drop(self.participant)
        try:
            return read_location(found.records, self.around.fetcher.rules)
        except InvalidAnswer as error:
            # It is registered: a record that nobody can follow is a fault to mend, not a no.
            text = f"{self._who} is registered, but its record is unusable: {error}"
            raise LookupUnavailable(text, remedy=_MEND) from None

    def absent(self) -> Unreachable | None:
        """The SML's last no, where its SOA lets it be kept until now. Never for what leads to paper."""
        known = self.around.absent.get(self.participant, self.now)
        if known is None or self.now < known[1]:  # the clock was set back: nobody knows how old it is
            return None
        return known[0]

    async def group(self, smp: str) -> ServiceGroup | Unreachable:
        """Ask the SMP for the participant's document types."""
        group = await self._ask_group(smp)
        return self._gone(smp) if group is None else group

    async def sparing(
        self, smp: str, document_type: DocumentTypeId, process: ProcessId, *, by_list: bool
    ) -> Reachable | Unreachable:
        """Ask this SMP with as few requests as may be: one where the signed answer, or the list, is enough.

        ``by_list``: the SMP did not have the document type before, so its list says first whether it has it now.
        Raises like :meth:`endpoint`.
        """
        if by_list or document_type.scheme == WILDCARD_SCHEME:
            held = await self._by_list(smp, document_type)
            if isinstance(held, Unreachable):
                return held
            information, group = held
            return self._reachable(smp, information, group, document_type, process)
        name = str(document_type)
        alone = await self._ask_metadata(smp + path(self.participant, name), name)
        if alone is None:
            return self._denied(smp, await _attempt(self._ask_group(smp, document_type)), document_type)
        return self._reachable(smp, alone, None, document_type, process)

    async def _by_name(
        self, smp: str, document_type: DocumentTypeId
    ) -> tuple[ServiceInformation, ServiceGroup | None] | Unreachable:
        """Ask for exactly this document type, and for the list beside it: one voice alone proves little."""
        information, group = await self._both(smp, document_type)
        if isinstance(information, _FAILURES):
            raise information
        if information is None:
            return self._denied(smp, group, document_type)
        if isinstance(group, ServiceGroup) and not group.lists(document_type):
            self._flag(smp, group, document_type)
        return information, group if isinstance(group, ServiceGroup) else None

    async def _both(
        self, smp: str, document_type: DocumentTypeId
    ) -> tuple[ServiceInformation | _Failure | None, ServiceGroup | _Failure | None]:
        beside = replace(self, steps=[])  # so that the steps stand in the order of the questions
        name = str(document_type)
        async with asyncio.TaskGroup() as tasks:
            metadata = tasks.create_task(_attempt(self._ask_metadata(smp + path(self.participant, name), name)))
            group = tasks.create_task(_attempt(beside._ask_group(smp, document_type)))
        self.steps += beside.steps
        return metadata.result(), group.result()

    def _denied(self, smp: str, group: ServiceGroup | _Failure | None, document_type: DocumentTypeId) -> Unreachable:
        """The SMP says 404 for the document type: does its list agree?"""
        if group is None:
            return self._gone(smp)
        if isinstance(group, _FAILURES):
            text = f"The SMP {smp} says 404 for {shown(document_type)}, but is not well: {group}"
            raise LookupUnavailable(text, remedy=group.remedy)
        if group.lists(document_type):
            raise LookupUnavailable(f"The SMP {smp} says 404 for {shown(document_type)}, but lists it", remedy=_MEND)
        return self._not_taken(smp, group, document_type)

    def _flag(self, smp: str, group: ServiceGroup, document_type: DocumentTypeId) -> None:
        """The SMP signs an endpoint for a document type that its own list lacks: it may say yes to everything.

        The signed answer counts and the unsigned list is a hint: paper must not follow from what nobody signed.
        """
        said = f"no: its list of {len(group.document_types)} lacks it; the signed answer counts"
        self._note(f"Does the list of {self._who} name {shown(document_type)}?", smp, said)

    async def _by_list(
        self, smp: str, document_type: DocumentTypeId
    ) -> tuple[ServiceInformation, ServiceGroup | None] | Unreachable:
        """The registered document type that covers ours best is found in the list (wildcard scheme: others may)."""
        group = await self._ask_group(smp, document_type)
        if group is None:
            return self._gone(smp)
        covering = candidates(document_type, group.document_types)
        if not covering:
            return self._not_taken(smp, group, document_type)
        information = await self._ask_metadata(smp + path(self.participant, covering[0]), covering[0])
        if information is None:
            raise LookupUnavailable(f"The SMP {smp} says 404 for {covering[0]}, but lists it", remedy=_MEND)
        return information, group

    def _reachable(
        self,
        smp: str,
        information: ServiceInformation,
        group: ServiceGroup | None,
        document_type: DocumentTypeId,
        process: ProcessId,
    ) -> Reachable | Unreachable:
        chosen = choose(information, process, TRANSPORT_PROFILE, self.now)
        if isinstance(chosen, Unusable):
            text = f"{self._who} takes {shown(document_type)}, but {chosen.text}"
            return self._unreachable(chosen.reason, text, smp, group)
        return Reachable(
            participant=self.participant,
            document_type=document_type,
            process=process,
            endpoint=self._usable(chosen),
            smp=smp,
            document_types=read_types(group),
            steps=tuple(self.steps),
        )

    def _usable(self, chosen: ServiceEndpoint) -> Endpoint:
        """Check address and certificate. What is wrong with them is the other operator's fault, never a no."""
        try:
            check_url(chosen.url, self.around.fetcher.rules)
            if not chosen.certificate:
                raise Untrusted("The certificate in the SMP's answer is no Base64")
            believed = self.around.trust.believe(chosen.certificate, Role.ACCESS_POINT, self.now)
        except (InvalidAddress, Untrusted) as error:
            raise LookupUnavailable(
                f"{self._who} is registered, but its access point {chosen.url[:120]} cannot be used: {error}",
                remedy=_MEND,
            ) from None
        expires = min(chosen.expiration, believed.expires) if chosen.expiration else believed.expires
        return Endpoint(
            url=chosen.url,
            certificate=chosen.certificate,
            seat=believed.common_name,
            transport_profile=chosen.transport_profile,
            expires=expires,
        )

    async def _ask_group(self, smp: str, document_type: DocumentTypeId | None = None) -> ServiceGroup | None:
        """The list of document types; None when the SMP says 404.

        A kept list serves only where it names the document type: the word "no" is always asked for anew.
        """
        key = (smp, self.participant)
        kept = self.around.groups.get(key, self.now)
        if kept is not None and document_type and candidates(document_type, kept[0].document_types):
            self.steps.append(aged(kept[1]))
            return kept[0]
        fetched = await self._get(smp + path(self.participant))
        if fetched.status == 404:
            self.steps.append(fetched.step("404, this SMP does not know the participant"))
            return None
        try:
            group = read_group(fetched.body, self.participant)
        except InvalidAnswer as error:
            raise self._disbelieve(fetched, error) from None
        step = fetched.step(f"200, lists {len(group.document_types)} document types")
        self.steps.append(step)
        self.around.groups.put(key, (group, step), self.now + GROUP_FOR)
        return group

    async def _ask_metadata(self, url: str, name: str, announced: str = "") -> ServiceInformation | None:
        """The signed answer; None when the SMP says 404. ``announced`` is the signer that a redirect named."""
        fetched = await self._get(url)
        if fetched.status == 404 and not announced:
            self.steps.append(fetched.step("404, this SMP does not have the document type"))
            return None
        try:
            if fetched.status == 404:
                raise InvalidAnswer("another SMP redirects to it, but it says 404")
            signed = await self._verified(fetched.body)
            signer = signed.signer
            if announced and not same_name(announced, signer.certificate.subject):
                raise Untrusted(
                    f"The redirect announced the signer “{announced[:200]}”, "
                    f"but it is signed by {signer.certificate.subject.rfc4514_string()}"
                )
            answer = read_metadata(signed.root, self.participant, name)
            if isinstance(answer, Redirect) and announced:
                raise InvalidAnswer("the SMP that we were redirected to redirects again")
        except RevocationUnknown as error:
            self.steps.append(
                fetched.step(f"{fetched.status}, but its signer cannot be judged yet: {error}", keep=True)
            )
            raise
        except PermanentError as error:
            raise self._disbelieve(fetched, error) from None
        if isinstance(answer, Redirect):
            self.steps.append(
                fetched.step(f"200, signed by {signer.common_name}, redirects to {answer.href[:200]}", keep=True)
            )
            return await self._ask_metadata(answer.href, name, answer.certificate_uid or "nobody")
        self.steps.append(fetched.step(f"200, signed by {signer.common_name}", keep=True))
        return answer

    async def _verified(self, octets: bytes) -> SignedXml:
        """Check the signature: of a usual answer here, since handing it to a thread costs as much again."""
        job = partial(verify_enveloped, octets, self.around.trust, Role.SMP, self.now)
        return job() if len(octets) <= _SMALL else await asyncio.to_thread(job)

    async def _get(self, url: str) -> Fetched:
        try:
            return await self.around.fetcher.get(url)
        except LookupUnavailable as error:
            self.steps += error.steps
            raise LookupUnavailable(f"{self._who} is registered, but {error}", remedy=_SILENT) from None

    def _disbelieve(self, fetched: Fetched, error: PermanentError) -> LookupUnavailable:
        self.steps.append(fetched.step(f"{fetched.status}, but not to be believed: {error}", keep=True))
        text = f"The answer of the SMP {fetched.host} about {self._who} does not count: {error}"
        return LookupUnavailable(text, remedy=_MEND)

    def _not_taken(self, smp: str, group: ServiceGroup, document_type: DocumentTypeId) -> Unreachable:
        if group.unreadable:
            raise LookupUnavailable(
                f"The list of the SMP {smp} lacks {shown(document_type)}, but holds {group.unreadable} entries that "
                "cannot be read",
                remedy=_MEND,
            )
        listed = f"{len(group.document_types)} document types, not this one" if group.document_types else "none"
        text = f"{self._who} does not take {shown(document_type)}: its SMP {smp} lists {listed}"
        return self._unreachable(Reason.NO_DOCUMENT_TYPE, text, smp, group)

    def _gone(self, smp: str) -> Unreachable:
        text = f"{self._who} is registered in the SML, but the SMP {smp} does not know it (404)"
        return self._unreachable(Reason.BROKEN_REGISTRATION, text, smp)

    def _unreachable(self, reason: Reason, text: str, smp: str = "", group: ServiceGroup | None = None) -> Unreachable:
        return Unreachable(
            participant=self.participant,
            reason=reason,
            text=text,
            smp=smp,
            document_types=read_types(group),
            steps=tuple(self.steps),
        )

    def _note(self, asked: str, smp: str, said: str) -> None:
        self.steps.append(Step(asked=asked, where=smp, answer=said, milliseconds=0.0))

    @property
    def _who(self) -> str:
        return self.participant.value


async def _attempt(question: Awaitable[_T]) -> _T | _Failure:
    try:
        return await question
    except _FAILURES as error:
        return error


def read_types(group: ServiceGroup | None) -> tuple[DocumentTypeId, ...]:
    """Those of the listed document types that are well-formed."""
    found: list[DocumentTypeId] = []
    for name in group.document_types if group else ():
        try:
            found.append(DocumentTypeId.parse(name))
        except InvalidAddress:
            continue
    return tuple(found)


def shown(document_type: DocumentTypeId) -> str:
    """A name for people: ``Peppol BIS Billing 3 Invoice``, or the root element with its customization."""
    if document_type.customization == BILLING_INVOICE.customization:
        return f"Peppol BIS Billing 3 {document_type.name}"
    return f"{document_type.name} ({document_type.customization or 'without customization'})"


def aged(step: Step) -> Step:
    """The step of an earlier search, marked as such."""
    if step.answer.endswith(_KEPT):
        return step
    return replace(step, answer=step.answer + _KEPT, milliseconds=0.0)


_KEPT: Final = " (kept from an earlier search)"
