"""Letters that came back: the postal address is marked, and the receiver is searched for on the network once more.

The search is owed from the commit of the mark on and made by the post room's next turn, with the decision of every
invoice: what is found becomes a relation or a proposal. No answer is no no: it is asked again, until there is one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import GatewayError, InvalidDocument, LookupUnavailable, LostLease, NotFound
from gateway.exchange import relations
from gateway.exchange.addresses import Addresses
from gateway.exchange.routing import Routing
from gateway.exchange.step import describe_steps, facts_of, lookup_evidence
from gateway.exchange.threads import in_thread_if_large
from gateway.model.addresses import Cause, FailedAddress
from gateway.model.document import Facts
from gateway.model.identifiers import DocumentId
from gateway.model.letter import ReturnReason
from gateway.model.lifecycle import NOTED, Event
from gateway.model.message import Message, PayloadKind
from gateway.model.relation import Reachable
from gateway.ports import Clock, Lookup, Store
from gateway.routing.words import Said, way_detail
from gateway.ubl.submission import read_accepted

log = logging.getLogger(__name__)

_AT_ONCE: Final = 20
_FIRST: Final = timedelta(minutes=15)
_LONGEST: Final = timedelta(days=1)
_GIVEN_UP: Final = timedelta(days=90)
"""After that the next invoice is soon enough: it searches all the same."""
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "network": ("nästa faktura går som e-faktura", "the next invoice goes as an e-invoice"),
    "proposed": ("e-faktura föreslås", "an e-invoice is proposed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """What follows from a letter that came back."""

    store: Store
    clock: Clock
    routing: Routing | None = None
    lookup: Lookup | None = None
    """Without both of them nothing is searched for."""

    async def came_back(self, message: Message, reason: ReturnReason, said: str) -> None:
        """Mark the address on the invoice, and owe a search. Raises ``StoreUnavailable``."""
        facts = await self._facts(message)
        if facts is None:
            log.warning("the document of a letter that came back cannot be read", extra={"document": message.id})
            return
        addresses = Addresses(store=self.store, clock=self.clock)
        search = self.routing is not None and self.lookup is not None
        await addresses.failed(message, facts.receiver, "print", Cause(reason.value), said, search=search)

    async def search(self) -> int:
        """Search for those who are owed one; gives how many were."""
        if self.routing is None or self.lookup is None:
            return 0
        owed = await self.store.addresses.searches(_AT_ONCE)
        for one in owed:
            again = None
            try:
                again = await self._search(one, self.routing, self.lookup)
            except (NotFound, InvalidDocument):  # erased meanwhile
                log.info("there is nothing left to search with", extra={"document": one.document})
            except GatewayError as error:
                log.warning("a receiver is searched for later: %s", error, extra={"document": one.document})
                again = self.clock.now() + _FIRST
            except Exception:  # of ours: it holds up no other letter
                log.exception("a receiver is searched for tomorrow", extra={"document": one.document})
                again = self.clock.now() + _LONGEST
            await self.store.addresses.searched(one.id, again)
        return len(owed)

    async def _search(self, owed: FailedAddress, routing: Routing, lookup: Lookup) -> datetime | None:
        """Search, keep and tell what was found; gives when to ask again, where there was no answer."""
        message = await self.store.get(owed.account, DocumentId(owed.document))
        facts, now = await self._facts(message), self.clock.now()
        if facts is None:
            return None
        way = await routing.look(message, facts)
        if not way.plan.ask or way.plan.wait is not None:
            return way.plan.wait
        try:
            found = await relations.search(lookup, way.wanted, facts.document_type, facts.process)
        except LookupUnavailable as error:
            pause = min(_LONGEST, max(_FIRST, now - owed.since))
            again = now + pause if now - owed.since < _GIVEN_UP else None
            log.info("no answer about who a letter came back from: %s", error, extra={"document": message.id})
            return again
        choice = await routing.choose(way, message, facts, found)
        said = Said(
            step="search",
            sv="Brevet kom tillbaka och mottagaren söktes på nytt: finns inte i nätverket",
            en="The letter came back and the receiver was searched for anew: not on the network",
        )
        if isinstance(found, Reachable):
            sv, en = _WORDS["network" if choice.way == "network" else "proposed"]
            at = found.participant.value
            said = Said(
                step="search",
                sv=f"Brevet kom tillbaka och mottagaren söktes på nytt: {at} tar emot e-fakturor, {sv}",
                en=f"The letter came back and the receiver was searched for anew: {at} takes e-invoices, {en}",
            )
        detail = {"steps": describe_steps(found.steps), **way_detail([*choice.said, said])}
        try:
            event = Event(name=NOTED, reason=said.en, detail=detail)
            await self.store.record(message, event, lookup_evidence(found.steps), keep_lease=True)
        except LostLease:
            return now + _FIRST  # it is in work
        return None

    async def _facts(self, message: Message) -> Facts | None:
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        if not isinstance(octets, bytes):
            return None
        return facts_of(await in_thread_if_large(len(octets), read_accepted, octets))
