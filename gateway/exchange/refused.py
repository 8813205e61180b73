"""The other access point has answered with an ebMS error: what it says of the document, and what follows.

A positive answer of the network is remembered for a while. A receiver that moves to another operator meanwhile is not
served at the old one any more; that is no refusal of the invoice, so the network is asked once more before it counts as
one. Source: OASIS ebMS 3.0 Core 6.7; Peppol AS4 profile 2.0.3, PEPPOL:NOT_SERVICED.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import LookupUnavailable, PeerRefused
from gateway.exchange.best_way import explained_event
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.step import Outcome
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, Message
from gateway.model.relation import Reachable
from gateway.model.signals import NOT_SERVICED, EbmsCode
from gateway.ports import Clock, Lookup

_TEMPORARY: Final = frozenset({EbmsCode.CONNECTION_FAILURE, EbmsCode.DELIVERY_FAILURE})

_PATIENCE: Final = 4
"""Attempts after which a refusal counts although nobody can say whether the receiver has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Reads them."""

    lookup: Lookup
    retry: RetryPolicy
    clock: Clock

    async def outcome(self, message: Message, found: Reachable, error: PeerRefused, *, sent_before: bool) -> Outcome:
        """What follows; ``sent_before``: octets of an earlier attempt may have arrived."""
        evidence = (
            (Evidence(kind="error", media_type="application/soap+xml", octets=error.octets),) if error.octets else ()
        )
        if moved := await self._where_now(message, found, error):
            event = self.retry.after(replace(message, sent_octets=sent_before), moved, self.clock.now())
            event = replace(event, sent_octets=sent_before)
        else:
            event = self._event(message, error)
        return Outcome(message=message, event=explained_event(event, error), evidence=evidence)

    async def _where_now(self, message: Message, found: Reachable, error: PeerRefused) -> str:
        """Why it is tried again: the network names another place now, or does not say. Empty: it names the same."""
        if NOT_SERVICED not in error.detail:
            return ""
        who, before = found.participant, found.endpoint
        try:
            now = await self.lookup.find_afresh(who, found.document_type, found.process)
        except LookupUnavailable as unknown:
            if message.attempts >= _PATIENCE:
                return ""  # whoever sent it should hear of it
            return f"{before.seat} does not serve {who.value}, and the relation search got no answer: {unknown}"
        if not isinstance(now, Reachable):
            return ""
        after = now.endpoint
        if (before.url, before.certificate) == (after.url, after.certificate):
            return ""
        place = f"{after.seat} at {after.url}"
        return f"{who.value} has moved: {before.seat} does not serve it any more, the network names {place} now"

    def _event(self, message: Message, error: PeerRefused) -> Event:
        unsigned = "" if error.signed else " (an unsigned answer)"
        repeated = message.attempts > 1 and (
            error.code == EbmsCode.DUPLICATE_DETECTED
            or (error.code == EbmsCode.OTHER and "duplicate" in error.detail.lower())
        )
        if error.code in _TEMPORARY:
            return self.retry.after(message, f"The other access point answered {error}", self.clock.now(), sent=True)
        if repeated:
            # It has the message from an earlier attempt whose receipt was lost: no proof, and no reason to send anew.
            return Event(name="LostTrack", reason=f"The receiver has it already, its receipt was lost: {error}")
        reason = f"The receiver's access point refused it{unsigned}: {error}"
        return Event(name="Rejected", reason=reason, channel="peppol")
