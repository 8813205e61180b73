"""The mailbox as a whole: what listens, what fetches, what sends answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError
from gateway.mailbox.authentication import TextRecords
from gateway.mailbox.imap import Fetching
from gateway.mailbox.listener import listening
from gateway.mailbox.reception import Post, Reception, send_promised
from gateway.mailbox.settings import Settings
from gateway.model.mail import Returned
from gateway.ports import Clock, Store
from gateway.ports.intake import Intake

log = logging.getLogger(__name__)

_ANSWERS_SECONDS: Final = 5.0
_DNS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Everything of ``[mailbox]``. One process of a gateway runs it; of several nodes each may."""

    reception: Reception

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Listen, if that is wanted; gives the address or empty text. Raises ``ConfigurationError``, ``OSError``."""
        if self.reception.settings.listen is None:
            yield ""
            return
        async with listening(self.reception) as address:
            yield address

    async def run(self) -> None:
        """Fetch and answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self.reception.settings.imap is not None:
                tasks.create_task(Fetching(reception=self.reception).run())
            if self.reception.post is not None:
                tasks.create_task(self._answer(self.reception.post))

    async def _answer(self, post: Post) -> None:
        while True:
            try:
                while await send_promised(self.reception.store, post, self.reception.clock) >= 50:
                    pass
            except GatewayError as error:
                log.error("no answers are sent now: %s", error)
            except Exception:
                log.exception("no answers are sent now")
            await asyncio.sleep(_ANSWERS_SECONDS)


def open_mailbox(
    settings: Settings,
    *,
    store: Store,
    clock: Clock,
    bounced: Callable[[Returned], Awaitable[str]],
    post: Post | None,
    intake: Intake | None,
    dns_servers: Sequence[tuple[str, int]] = (),
) -> Mailbox:
    """Put it together; nothing listens yet."""
    return Mailbox(
        reception=Reception(
            settings=settings,
            store=store,
            clock=clock,
            bounced=bounced,
            post=post,
            intake=intake,
            text_records=text_records(dns_servers),
        )
    )


def text_records(servers: Sequence[tuple[str, int]] = ()) -> TextRecords:
    """Asks these DNS servers, else the system's; blocks for five seconds at most."""

    def ask(name: str) -> bytes | None:
        import dns.exception
        import dns.resolver

        try:
            resolver = dns.resolver.Resolver(configure=not servers)
            if servers:
                resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
            for record in resolver.resolve(name, "TXT", lifetime=_DNS_SECONDS):
                return b"".join(record.strings)
        except dns.exception.DNSException as error:
            log.info("no TXT record of %s: %s", name, type(error).__name__)
        return None

    return ask
