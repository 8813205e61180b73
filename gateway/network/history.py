"""The year before the demonstration: a small company with forty customers and ten suppliers.

Written into its store as it would have been.

Nothing of it crossed a network; it is what the store of such a company looks like: counterparts, documents with their
timelines, and the ledger of costs. Month by month more of it is electronic. Everything that the demonstration then
shows is done by the running gateway itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.app import Gateway, open_gateway
from gateway.config import Config
from gateway.exchange.following import Following
from gateway.exchange.ids import new_document_id
from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, PartyKind, Role
from gateway.model.document import Facts, PostalAddress
from gateway.model.identifiers import AccountId, InstanceId, MessageId
from gateway.model.lifecycle import Event, State
from gateway.model.message import Direction, Message, PayloadKind, TimelineEntry
from gateway.ports import Arrival, Changes
from gateway.ubl import invoice

CUSTOMERS: Final = 40
SUPPLIERS: Final = 10
MONTHS: Final = 12
_LETTERS: Final = (17, 23, 31)
"""Customers who get letters to the end, whatever the others do."""
_TOWNS: Final = (("Kalmar", "392 32"), ("Umeå", "903 26"), ("Visby", "621 57"), ("Lund", "223 50"), ("Falun", "791 30"))
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class _Past:
    """A clock that is set to when something happened."""

    time: datetime

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One document of the past and how it went."""

    day: datetime
    who: Counterpart
    channel: str
    number: str
    amount: Decimal


def company_number(place: int, role: Role) -> str:
    """A number of the right form with a good check digit (Luhn), of no company: they begin with 559999."""
    digits = f"559999{place + (500 if role is Role.SUPPLIER else 0):03}"
    doubled = [int(d) * (2 if at % 2 == 0 else 1) for at, d in enumerate(digits)]
    return digits + str(-sum(d // 10 + d % 10 for d in doubled) % 10)


async def write_history(config: Config, template: bytes, now: datetime) -> int:
    """Fill the store of a gateway that is not running yet; gives how many documents it has then.

    ``template`` is an invoice of the company, of which those of the past are made.
    """
    clock = _Past(now - MONTHS * 31 * _DAY)
    async with open_gateway(config, clock=clock) as gateway:
        account = await gateway.store.operation.operator()
        assert account is not None  # opening has made it
        parties = [_counterpart(place, role, account, clock.time) for role, place in _everybody()]
        changes = Changes(counterparts=tuple((party, None) for party in parties))
        await gateway.store.relations.commit(changes)
        facts, count = invoice.read(template), 0
        for step in _steps(parties, now):
            await _write(gateway, clock, account, step, template, facts)
            count += 1
        clock.time = now
        await Following(follower=gateway.store.money).catch_up()
    return count


def _everybody() -> Iterator[tuple[Role, int]]:
    for place in range(1, CUSTOMERS + 1):
        yield Role.CUSTOMER, place
    for place in range(1, SUPPLIERS + 1):
        yield Role.SUPPLIER, place


def _counterpart(place: int, role: Role, account: AccountId, since: datetime) -> Counterpart:
    word = "Exempelkund" if role is Role.CUSTOMER else "Exempelleverantör"
    name = f"{word} {place} AB"
    town, code = _TOWNS[place % len(_TOWNS)]
    street = f"Storgatan {place}"
    mails = role is Role.CUSTOMER and place % 5 == 2
    preferred = {"email": "email", "print": "print"}.get(_way(place, role, MONTHS - 1), "")
    return Counterpart(
        id=CounterpartId(str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{role}-{place}.example"))),
        account=account,
        role=role,
        number=f"{'K' if role is Role.CUSTOMER else 'L'}{1000 + place}",
        name=name,
        country="SE",
        kind=PartyKind.BUSINESS,
        identifiers=(Identifier(scheme="0007", value=company_number(place, role), origin=Origin.MASTER_DATA),),
        address=PostalAddress(name=name, street=street, postal_code=code, city=town, country="SE"),
        email=f"faktura@kund{place}.example" if mails else "",
        preferred=preferred if role is Role.CUSTOMER else "",
        created=since,
        updated=since,
    )


def _way(place: int, role: Role, month: int) -> str:
    """How this one's invoices went in that month: more and more of them as data."""
    if role is Role.SUPPLIER:
        return "peppol" if place <= 3 + month // 4 else "pdf" if place % 2 else "scan"
    if place in _LETTERS:
        return "print"
    if place % 5 == 2:
        return "email"
    return "peppol" if place % 13 <= 3 + month * 2 // 3 else "print"


def _steps(parties: list[Counterpart], now: datetime) -> Iterator[_Step]:
    """Every other month an invoice to each customer, and one of each supplier; the oldest first."""
    number = 4000
    for month in range(MONTHS):
        begin = now - (MONTHS - month) * 30 * _DAY
        for place, who in enumerate(parties):
            if (place + month) % 2:
                continue
            number += 1
            own = place + 1 if who.role is Role.CUSTOMER else place + 1 - CUSTOMERS
            yield _Step(
                day=begin + timedelta(days=place % 27, hours=place % 9),
                who=who,
                channel=_way(own, who.role, month),
                number=str(number) if who.role is Role.CUSTOMER else f"L{own}-{number}",
                amount=Decimal(1250 + 375 * (number * 7 % 31)),
            )


async def _write(
    gateway: Gateway, clock: _Past, account: AccountId, step: _Step, template: bytes, facts: Facts
) -> None:
    clock.time = step.day.astimezone(UTC)
    out = step.who.role is Role.CUSTOMER
    octets = _document(step, template, facts)
    number = step.who.identifiers[0].value
    ours = facts.seller.endpoint.value if facts.seller.endpoint else ""
    sender, receiver = (ours, f"0007:{number}") if out else (f"0007:{number}", ours)
    us, them = facts.seller.shown_name, step.who.name
    message = Message(
        id=new_document_id(clock.time),
        account=account,
        direction=Direction.OUT if out else Direction.IN,
        state=State.ACCEPTED if out else State.RECEIVED,
        channel="" if out else step.channel,
        reason="" if out else _REASONS["in", step.channel],
        sender=sender,
        receiver=receiver,
        document_type=str(facts.document_type),
        process=str(facts.process),
        number=step.number,
        issue_date=step.day.date(),
        due_date=step.day.date() + 30 * _DAY,
        amount=step.amount,
        currency="SEK",
        seller_name=us if out else them,
        buyer_name=them if out else us,
        message_id=MessageId(f"{uuid.uuid4()}@history.example"),
        instance_id=InstanceId(str(uuid.uuid4())),
        size=len(octets),
        created=clock.time,
        updated=clock.time,
    )
    first = "Accepted" if out else "Received"
    entry = TimelineEntry(time=clock.time, event=first, reason=message.reason or "It is valid and stored")
    arrival = Arrival(message=message, payloads={PayloadKind.DOCUMENT: octets}, entry=entry)
    stored = (await gateway.store.add_once(arrival)).message
    for event in _events(step.channel, out=out):
        clock.time += timedelta(minutes=3)
        stored = await gateway.store.record(stored, event)


def _events(channel: str, *, out: bool) -> list[Event]:
    if not out:
        return [Event(name="Delivered", reason="C4 has acknowledged it")]
    if channel == "peppol":
        return [Event(name="Sent", reason=_REASONS["out", "peppol"], channel="peppol", sent_octets=True)]
    detail: dict[str, Any] = {"channel": channel, "country": "SE"}
    return [
        Event(name="Diverted", reason=_REASONS["out", channel], channel=channel),
        Event(name="Dispatched", reason="It is handed over", detail=detail),
        Event(name="Delivered", reason="Nothing came back in time"),
    ]


_REASONS: Final = {
    ("out", "peppol"): "The customer is on the network; its access point signed the receipt",
    ("out", "email"): "E-mail because not on the network: the number was not registered (NXDOMAIN)",
    ("out", "print"): "Letter because not on the network, and no e-mail address is known",
    ("in", "peppol"): "It came over the network",
    ("in", "pdf"): "It came as PDF by e-mail",
    ("in", "scan"): "It came on paper and was scanned",
}


def _document(step: _Step, template: bytes, facts: Facts) -> bytes:
    """The template with another number, day and counterpart."""
    text = template.decode()
    text = text.replace(f"<cbc:ID>{facts.number}</cbc:ID>", f"<cbc:ID>{step.number}</cbc:ID>", 1)
    text = text.replace(f">{facts.issue_date}<", f">{step.day.date()}<", 1)
    text = text.replace(f">{facts.due_date}<", f">{step.day.date() + 30 * _DAY}<", 1)
    old, new = facts.buyer.shown_name, step.who.name
    if step.who.role is Role.SUPPLIER:
        text = text.replace(facts.seller.shown_name, new).replace(old, facts.seller.shown_name)
    else:
        text = text.replace(old, new)
    return text.encode()
