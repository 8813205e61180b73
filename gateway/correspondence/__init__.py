"""Mail in both directions, put together: what comes in, and what it means for what went out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.exchange.bounces import Bounces
from gateway.exchange.outbound import Outbound
from gateway.ports import Channel, Clock, Store
from gateway.ports.intake import Intake

if TYPE_CHECKING:
    from gateway.correspondence.answering import Answering
    from gateway.mailbox.opening import Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondence:
    """``[mailbox]``, open or not. Without it no bounce is heard of, and a mail stays DISPATCHED."""

    mailbox: Mailbox
    bounces: Bounces
    answering: Answering

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Listen, if that is wanted; gives the address or empty text. Raises ``ConfigurationError``, ``OSError``."""
        async with self.mailbox.open() as address:
            yield address

    async def run(self) -> None:
        """Fetch, answer, and settle what did not come back, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.mailbox.run())
            tasks.create_task(self.bounces.run())


def open_correspondence(
    config: Config,
    *,
    store: Store,
    outbound: Outbound,
    clock: Clock,
    channels: Mapping[str, Channel],
    intake: Intake | None,
) -> Correspondence | None:
    """Put it together, if there is a ``[mailbox]``. Raises ``ConfigurationError`` with every problem."""
    if config.mailbox is None:
        return None
    # Not before it is known that they are needed: they make the start longer.
    from gateway.correspondence.answering import Answering
    from gateway.fallback.mailing import Mailing
    from gateway.mailbox.opening import open_mailbox
    from gateway.mailbox.settings import Settings

    settings = Settings.read(config.mailbox, "mailbox", config.base)
    bounces = Bounces(store=store, outbound=outbound, clock=clock, window=settings.bounce_window)
    mailing = channels.get("email")
    post = mailing if isinstance(mailing, Mailing) else None
    mailbox = open_mailbox(
        settings,
        store=store,
        clock=clock,
        bounced=bounces.note,
        post=post,
        intake=intake,
        dns_servers=tuple((server.host, server.port) for server in config.network.dns_servers),
    )
    answering = Answering(store=store, clock=clock, post=post)
    return Correspondence(mailbox=mailbox, bounces=bounces, answering=answering)
