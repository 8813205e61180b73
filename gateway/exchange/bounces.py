"""What came back of our mails: noted at its document, which goes on by the next channel when the mail is lost.

A mail server's 250 is no delivery. For some days (``[mailbox] bounce_window``) the mail may come back; when it does,
its address is quarantined, the document is diverted, and the timeline says why. When nothing came, the document is
DELIVERED. What comes back later still counts. Each of these is one commit, and the same report twice is one.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from gateway.errors import GatewayError, LostLease, Overloaded
from gateway.exchange.outbound import Outbound
from gateway.exchange.step import facts_of
from gateway.exchange.threads import in_thread_if_large
from gateway.model.addresses import Cause
from gateway.model.document import Company
from gateway.model.lifecycle import NOTED, Event, State
from gateway.model.mail import Kind, Returned
from gateway.model.message import Evidence, Message, PayloadKind
from gateway.ports import Clock, Store
from gateway.routing.words import Said
from gateway.ubl.submission import read_accepted

log = logging.getLogger(__name__)

_CHANNEL: Final = "email"
_PAGE: Final = 200
_LONGEST_PAUSE: Final = 60.0
_WORDS: Final[dict[Kind, tuple[str, str]]] = {
    "hard": ("adressen tar inte emot e-post", "the address takes no mail"),
    "soft": ("den kunde inte levereras", "it could not be delivered"),
    "delay": ("den är försenad, och försöken fortsätter", "it is delayed, and still tried"),
    "delivered": ("den ligger i mottagarens brevlåda", "it is in the receiver's mailbox"),
    "auto-reply": ("mottagarens brevlåda svarade av sig själv", "the receiver's mailbox answered by itself"),
    "complaint": ("mottagaren klagade på den som oönskad", "the receiver complained of it as unwanted"),
    "reply": ("någon svarade på den", "somebody answered it"),
    "unclear": (
        "en e-postserver rapporterade något som inte går att tolka",
        "a mail server reported something that is not understood",
    ),
}
_MOST: Final = 20
"""Reports of one mail that are kept although they move nothing: whoever got it could send any number of them."""
_LATEST: Final = timedelta(days=30)
"""After a mail counted as delivered: no mail server tries for as long, so what comes later moves nothing."""
_CAUSES: Final[dict[Kind, Cause]] = {"hard": Cause.BOUNCED, "complaint": Cause.COMPLAINED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounces:
    """Both ends of a mail's story: it came back, or it did not."""

    store: Store
    outbound: Outbound
    clock: Clock
    window: timedelta = timedelta(days=3)
    """How long a mail may come back before its document counts as delivered."""

    async def note(self, returned: Returned) -> str:
        """Record it at its document, once, and tell in one sentence what followed.

        Raises ``Overloaded`` while the document is in work at this moment, or ``StoreUnavailable``: later again.
        """
        message = await self.store.mail.document(returned.document)
        if message is None:
            return f"{returned.document} is no longer here"
        evidence = Evidence(kind="bounce", media_type="message/rfc822", octets=returned.octets)
        known = await self.store.evidence(message.account, message.id)
        told = [proof.octets for _, _, proof in known if proof.kind == "bounce"]
        if evidence.octets in told:
            return f"{message.id}: it was noted before"
        if message.state in (State.ACCEPTED, State.DIVERTED):
            # In doubt after an earlier try, or between two channels: what is in hand is recorded first.
            raise Overloaded(f"{message.id} is in work at this moment; hand the report in again later")
        if returned.kind in _CAUSES and (receiver := await self._receiver(message)) is not None:
            cause, said = _CAUSES[returned.kind], _said_by(returned)
            await self.outbound.addresses.failed(message, receiver, "email", cause, said)
        event = await self._event(message, returned)
        if event.name == NOTED and len(told) >= _MOST:
            return f"{message.id}: {_MOST} reports were noted, and no more are"
        event = replace(event, detail={**event.detail, "mail": _detail(returned)})
        try:
            await self.store.record(message, event, [evidence])
        except LostLease:
            raise Overloaded(f"{message.id} has just moved on; hand the report in again later") from None
        log.info("%s: %s", event.name, event.reason, extra={"document": message.id})
        return f"{message.id}: {event.name}"

    async def settle(self) -> int:
        """DISPATCHED by mail, and nothing came back in time: DELIVERED. Gives how many."""
        before = self.clock.now() - self.window
        found, settled = await self.store.mail.quiet(_CHANNEL, before, _PAGE), 0
        for message in found:
            reason = f"No bounce came within {_days(self.window)} after the mail server took it"
            try:
                await self.store.record(message, Event(name="Delivered", reason=reason))
                settled += 1
            except LostLease:
                log.info("it has moved on", extra={"document": message.id})
        return settled

    async def run(self) -> None:
        """Settle what is due, again and again."""
        pause = min(_LONGEST_PAUSE, max(0.2, self.window.total_seconds() / 4))
        while True:
            try:
                while await self.settle() == _PAGE:  # (those in work elsewhere come at the next turn)
                    pass
            except GatewayError as error:
                log.error("mails are not settled now: %s", error)
            except Exception:
                log.exception("mails are not settled now")
            await asyncio.sleep(pause)

    async def _event(self, message: Message, returned: Returned) -> Event:
        ours = message.channel == _CHANNEL
        late = ", after it counted as delivered" if message.state is State.DELIVERED else ""
        aged = message.state is State.DELIVERED and self.clock.now() - message.updated > _LATEST
        if returned.failed and ours and message.state in (State.DISPATCHED, State.DELIVERED) and not aged:
            sv = f"E-posten kom tillbaka: {_why(returned, 0)}{', efter att den räknats som levererad' if late else ''}"
            en = f"The e-mail came back: {_why(returned)}{late}"
            return await self.outbound.came_back(message, Said(step="channel", sv=sv, en=en))
        if returned.failed and ours and message.state is State.UNKNOWN:
            return Event(name="Rejected", reason=f"The e-mail came back: {_why(returned)}", sent_octets=False)
        if returned.kind == "delivered" and ours and message.state in (State.DISPATCHED, State.UNKNOWN):
            return Event(name="Delivered", reason=f"The mail server says: {_why(returned)}")
        return Event(name=NOTED, reason=f"About the e-mail: {_why(returned)}")

    async def _receiver(self, message: Message) -> Company | None:
        """To whom we sent it; a mail server further on may name another address."""
        octets = await self.store.content(message.id, PayloadKind.DOCUMENT)
        if not isinstance(octets, bytes):  # above any document that is mailed
            return None
        submission = await in_thread_if_large(len(octets), read_accepted, octets)
        return facts_of(submission).receiver


def _said_by(returned: Returned) -> str:
    """What the mail server said, and which one."""
    said = " ".join(part for part in (returned.status, returned.words) if part)
    return f"{said}{f', {returned.reporter}' if returned.reporter else ''}"


def _why(returned: Returned, place: int = 1) -> str:
    """In Swedish (0) or English (1)."""
    said = " ".join(part for part in (returned.status, returned.words) if part)
    by = f" ({('enligt', 'says')[place]} {returned.reporter})" if returned.reporter else ""
    whom = f"{returned.address}: " if returned.address else ""
    return f"{whom}{_WORDS[returned.kind][place]}{f': {said}' if said else ''}{by}"


def _detail(returned: Returned) -> dict[str, object]:
    values = {
        "kind": returned.kind,
        "address": returned.address,
        "status": returned.status,
        "words": returned.words,
        "reporter": returned.reporter,
    }
    return {key: value for key, value in values.items() if value}


def _days(window: timedelta) -> str:
    hours = window.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours >= 1 else f"{window.total_seconds():g} seconds"
