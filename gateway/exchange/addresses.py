"""Addresses that failed: what came back marks them, nothing more goes there, a person says that they are good.

A mark stands on the address itself, for it is the invoice that says where a mail or letter goes; where the register has
a counterpart with this address, its quality says the same.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import LostLease, NotFound
from gateway.exchange.meeting import keys_of
from gateway.model.addresses import (
    Cause,
    Channel,
    FailedAddress,
    FailedId,
    failed_id,
    mail_key,
    post_key,
    post_line,
)
from gateway.model.counterpart import Counterpart, CounterpartId, Quality, Role
from gateway.model.document import Company
from gateway.model.identifiers import AccountId
from gateway.model.message import Message
from gateway.ports import Changes, Clock, Store
from gateway.routing.matching import match
from gateway.ubl.candidates import candidates

log = logging.getLogger(__name__)

_SAID_MOST: Final = 500
_CHANNELS: Final[tuple[Channel, ...]] = ("email", "print")
_FIELDS: Final[dict[Channel, str]] = {"email": "email_quality", "print": "address_quality"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Marks, asks and lifts."""

    store: Store
    clock: Clock

    async def failed(
        self, message: Message, receiver: Company, channel: Channel, cause: Cause, said: str, *, search: bool = False
    ) -> FailedAddress | None:
        """Something sent to the receiver of this document came back. None where it names no such address.

        ``search``: it is to be searched for on the network anew. Raises ``StoreUnavailable``.
        """
        key = _key(receiver, channel)
        if not key:
            return None
        now, counterpart = self.clock.now(), await self._counterpart(message.account, receiver)
        mark = FailedAddress(
            id=failed_id(message.account, channel, key),
            account=message.account,
            channel=channel,
            address=_line(receiver, channel),
            cause=cause,
            said=said[:_SAID_MOST],
            document=message.id,
            counterpart=counterpart.id if counterpart else "",
            since=now,
            search_at=now if search else None,
        )
        await self.store.addresses.mark(mark)
        if counterpart is not None and key in _keys(counterpart, channel):
            await self._grade(counterpart, channel, Quality.BAD)
        return mark

    async def refusals(self, account: AccountId, receiver: Company) -> Mapping[str, FailedAddress]:
        """Which channels may not be used for this receiver now, because its address there failed."""
        ids = {failed_id(account, channel, key): channel for channel in _CHANNELS if (key := _key(receiver, channel))}
        return {ids[one.id]: one for one in await self.store.addresses.failed(account, list(ids))}

    async def settle(self, of: Counterpart, said: Collection[str], actor: str) -> None:
        """A person has said of these addresses of a counterpart that they are good or bad.

        ``said``: the fields ``email_quality`` and ``address_quality``, as far as the person named them.
        """
        for channel in _CHANNELS:
            if _FIELDS[channel] not in said:
                continue
            quality = getattr(of, _FIELDS[channel])
            ids = [failed_id(of.account, channel, key) for key in _keys(of, channel)]
            known = await self.store.addresses.failed(of.account, ids)
            if quality is Quality.BAD and not known:
                for id_ in ids:
                    await self.store.addresses.mark(self._said(of, channel, id_))
            elif quality is not Quality.BAD:
                for one in known:
                    await self.store.addresses.lift(of.account, one.id, actor)

    async def lift(self, account: AccountId, id: FailedId, actor: str) -> None:
        """The address is good, says a person. Raises ``NotFound``."""
        known = await self.store.addresses.failed(account, [id])
        await self.store.addresses.lift(account, id, actor)
        for mark in known:
            with suppress(NotFound):
                one = await self.store.relations.counterpart(account, CounterpartId(mark.counterpart))
                if getattr(one, _FIELDS[mark.channel]) is Quality.BAD:
                    await self._grade(one, mark.channel, Quality.UNKNOWN)

    def _said(self, of: Counterpart, channel: Channel, id_: FailedId) -> FailedAddress:
        return FailedAddress(
            id=id_,
            account=of.account,
            channel=channel,
            address=of.email if channel == "email" else post_line(of.address.name or of.name, of.address),
            cause=Cause.SAID,
            counterpart=of.id,
            since=self.clock.now(),
        )

    async def _counterpart(self, account: AccountId, receiver: Company) -> Counterpart | None:
        rows = self.store.relations
        keys = keys_of([one.participant for one in candidates(receiver)])
        known = await rows.known_by(account, Role.CUSTOMER, keys) if keys else ()
        if not known and receiver.shown_name:
            known = await rows.named(account, Role.CUSTOMER, receiver.shown_name)
        return match(receiver, keys, known).counterpart

    async def _grade(self, counterpart: Counterpart, channel: Channel, quality: Quality) -> None:
        """Say in the register what is known of the address; the mark counts all the same when somebody was quicker."""
        now = self.clock.now()
        if channel == "email":
            after = replace(counterpart, updated=now, email_quality=quality)
        else:
            after = replace(counterpart, updated=now, address_quality=quality)
        try:
            await self.store.relations.commit(Changes(counterparts=((after, counterpart.updated),)))
        except LostLease:
            log.info("somebody has changed a counterpart meanwhile; its address is marked all the same")


def _key(receiver: Company, channel: Channel) -> str:
    if channel == "email":
        return mail_key(receiver.email)
    return post_key(receiver.address.name or receiver.shown_name, receiver.address)


def _line(receiver: Company, channel: Channel) -> str:
    if channel == "email":
        return receiver.email.strip()
    return post_line(receiver.address.name or receiver.shown_name, receiver.address)


def _keys(of: Counterpart, channel: Channel) -> list[str]:
    """The keys of the register's address, under each of the counterpart's names."""
    if channel == "email":
        return [key] if (key := mail_key(of.email)) else []
    names = dict.fromkeys((*([of.address.name] if of.address.name else ()), *of.all_names))
    return [key for name in names if (key := post_key(name, of.address))]
