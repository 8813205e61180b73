"""Random outages of the relation search: how many letters are printed for receivers of whom there was no answer.

    python -m benchmarks.outages [--outages 10000] [--seed 7]

The answer must be 0. Decision, holding, diverting, worker, sweep and search are the gateway's own over a real store;
only DNS and the SMPs are played, so that they fail in every way that is known, at random moments: before an invoice
comes, between two questions, in the middle of a sweep, for days. Receivers are in use, waiting to be accepted, or not
on the network at all; of some one address is denied with authority while another gives no answer. A receiver that is
not there once the outage is over gets its letter: that count shows that the channel works.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from stdnum import luhn

from benchmarks.outage_world import ACCOUNT, KINDS, OF_DNS, ZONE, Receiver, World
from gateway.errors import LookupUnavailable
from gateway.exchange.inbound import Inbound
from gateway.exchange.outbound import Outbound
from gateway.exchange.proposing import Proposing
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.routing import make_routing
from gateway.exchange.sweeping import Sweeping
from gateway.exchange.verifying import Verifying
from gateway.exchange.worker import Worker
from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, Role
from gateway.model.identifiers import MessageId
from gateway.model.lifecycle import State
from gateway.model.message import Message, Outgoing, Parcel
from gateway.model.relation import Endpoint
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.model.signals import Handover, Receipt
from gateway.ports import Changes, Delivery
from gateway.security.authority import issue, new_pki
from gateway.security.keys import load_identity
from gateway.security.trust import Trust
from gateway.smp.client import SmpLookup
from gateway.store import SqlStore, open_store

_WAVE: Final = 400


@dataclass(slots=True)
class Clock:
    """Moves when the simulation moves it."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.time


@dataclass(slots=True)
class Channel:
    """Mail is switched off; letters are counted."""

    world: World
    receiver_of: dict[str, Receiver]
    name: str = "print"
    confirms: bool = False

    def serves(self, parcel: Parcel) -> str:
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        receiver = self.receiver_of[parcel.message.number]
        receiver.letters += 1
        receiver.wrong += bool(receiver.fails)
        return Handover(reference="batch", text="handed to the bureau")


class Transport:
    """Every access point takes what it gets."""

    async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
        receipt = Receipt(
            message_id=MessageId("r@x"),
            ref_to=outgoing.message_id,
            signer=endpoint.seat,
            received_at=datetime.now(UTC),
            octets=b"<receipt/>",
        )
        return Delivery(receipt=receipt, soap=b"<soap/>", milliseconds=1.0)


@dataclass(slots=True)
class Tally:
    """What came out."""

    outages: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    """Answers of the world that were none, by kind."""
    wrong_letters: int = 0
    """Letters for a receiver of whom there was no answer."""
    changed: int = 0
    """Relations that no answer has changed."""
    letters: int = 0
    """Letters after an authoritative "no"."""
    sent: int = 0
    given_up: int = 0
    """Documents that wait for a person after five days without an answer."""
    other: int = 0
    """Documents that are anything else in the end."""
    sweeps: int = 0


@dataclass(slots=True, kw_only=True)
class Wave:
    """Some hundred outages side by side over one store."""

    store: SqlStore
    clock: Clock
    world: World
    worker: Worker
    outbound: Outbound
    sweeping: Sweeping
    chance: random.Random
    tally: Tally
    documents: dict[str, Message] = field(default_factory=dict)

    async def run(self) -> None:
        everybody = list(self.world.receivers.values())
        for receiver in everybody:
            if receiver.in_use:
                await self._submit(receiver, 0)
        await self._settle()
        self._forward(timedelta(hours=1))
        for receiver in everybody:
            if self.chance.random() < 0.2:
                receiver.late = True
            else:
                receiver.fails = self.chance.choice(KINDS)
                receiver.second = not receiver.registered and self.chance.random() < 0.5
        before = {one.number: await self._ways(one) for one in everybody if one.fails}
        for receiver in everybody:
            await self._submit(receiver, 1)
        for receiver in everybody:
            receiver.fails = receiver.fails or self.chance.choice(KINDS)
        for _ in range(self.chance.randint(2, 4)):
            await self._settle()
            if self.chance.random() < 0.4:
                await self.sweeping.begin(ACCOUNT, "outages")
                await self.sweeping.run_once()
                self.tally.sweeps += 1
            self._forward(timedelta(minutes=self.chance.choice((1, 5, 20, 90, 600, 2000))))
            for receiver in everybody:
                if self.chance.random() < 0.3:
                    receiver.fails = self.chance.choice(OF_DNS if receiver.second else KINDS)
        await self._settle()
        for receiver in everybody:
            if receiver.number in before and await self._ways(receiver) != before[receiver.number]:
                self.tally.changed += 1
        over = [one for one in everybody if self.chance.random() < 0.9]
        for receiver in over:
            receiver.fails = ""
        for _ in range(4):
            self._forward(timedelta(hours=3))
            await self._settle()
        if len(over) < len(everybody):
            for _ in range(5):
                self._forward(timedelta(days=1, hours=2))
                await self._settle()
        await self._count()

    async def _submit(self, receiver: Receiver, place: int) -> None:
        added = await self.outbound.submit(ACCOUNT, receiver.invoice(int(receiver.number) * 10 + place))
        if place:
            self.documents[receiver.number] = added.message

    async def _settle(self) -> None:
        while await self.worker.run_once():
            pass

    async def _ways(self, receiver: Receiver) -> list[tuple[object, ...]]:
        known = await self.store.relations.known_by(ACCOUNT, Role.CUSTOMER, [receiver.participant.value])
        ways = [way for one in known for way in await self.store.relations.relations(ACCOUNT, one.id)]
        return [(way.state, way.participant, way.seat, way.denied) for way in ways]

    def _forward(self, span: timedelta) -> None:
        self.clock.time += span

    async def _count(self) -> None:
        self.tally.outages += len(self.world.receivers)
        self.tally.questions += self.world.answers
        for number, message in self.documents.items():
            receiver, now = self.world.receivers[number], await self.store.get(ACCOUNT, message.id)
            self.tally.wrong_letters += receiver.wrong
            if now.state in (State.SENT, State.DELIVERED) and not receiver.letters:
                self.tally.sent += 1
            elif receiver.letters and not receiver.wrong:
                self.tally.letters += 1
            elif now.state is State.FAILED and receiver.fails:
                self.tally.given_up += 1
            elif not receiver.wrong:
                self.tally.other += 1


async def wave(directory: Path, pki: Path, chance: random.Random, tally: Tally, count: int) -> None:
    """So many outages over a store of their own."""
    clock = Clock()
    anchors = {n: x509.load_pem_x509_certificate((pki / f"{n}.pem").read_bytes()) for n in ("ap-ca", "smp-ca", "root")}
    trust = Trust([anchors["ap-ca"], anchors["root"]], [anchors["smp-ca"], anchors["root"]])
    ap = load_identity(pki / "POP000101.pem", pki / "POP000101.key.pem", section="as4")
    smp = load_identity(pki / "PSP000201.pem", pki / "PSP000201.key.pem", section="smp")
    world = World(receivers={}, smp=smp, foreign=ap, certificate=ap.der)
    for place, digits in enumerate(chance.sample(range(100_000, 999_999), count)):
        number = f"556{digits}" + luhn.calc_check_digit(f"556{digits}")
        registered = chance.random() < 0.6
        receiver = Receiver(number=number, registered=registered, in_use=registered and chance.random() < 0.7)
        world.place(receiver, 10_000 + place, derived(number))
    letters = Channel(world, {f"F{int(n) * 10 + p}": r for n, r in world.receivers.items() for p in (0, 1)})
    retry = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), window=timedelta(days=5))
    async with open_store("sqlite:gateway.db", directory / "payloads", clock=clock, base=directory) as store:
        await store.first_account(ACCOUNT, "hash")
        lookup = SmpLookup(world, world, trust, zone=ZONE, clock=clock, per_smp=200.0)  # type: ignore[arg-type]
        routing = make_routing(store, clock, ("print",), "SE")
        numbers = itertools.count(1)
        outbound = Outbound(
            store=store,
            lookup=lookup,
            transport=Transport(),
            channels={"print": letters},
            clock=clock,
            retry=retry,
            pack=lambda octets: gzip.compress(octets, mtime=0),
            message_id=lambda: MessageId(f"m{next(numbers)}@outages"),
            country="SE",
            routing=routing,
        )
        verifying = Verifying(
            proposing=Proposing(store=store, clock=clock), clock=clock, channels=("print",), country="SE"
        )
        sweeping = Sweeping(store=store, clock=clock, surveyor=lookup, verifying=verifying, owner="outages")
        worker = Worker(
            store=store,
            outbound=outbound,
            inbound=Inbound(store=store, deliveries={}, clock=clock, retry=retry),
            clock=clock,
            retry=retry,
            at_once=64,
        )
        await every_kind_is_no_answer(lookup, world)
        await _register(store, world, clock.now())
        going = Wave(
            store=store,
            clock=clock,
            world=world,
            worker=worker,
            outbound=outbound,
            sweeping=sweeping,
            chance=chance,
            tally=tally,
        )
        await going.run()


async def every_kind_is_no_answer(lookup: SmpLookup, world: World) -> None:
    """Each outage is one indeed; and without one the answer is what it is."""
    receiver = next(iter(world.receivers.values()))
    was, receiver.registered = receiver.registered, True
    for kind in KINDS:
        receiver.fails = kind
        try:
            found = await lookup.find_afresh(receiver.participant, BILLING_INVOICE, BILLING_PROCESS)
        except LookupUnavailable:
            lookup.forget()
            continue
        raise AssertionError(f"{kind} was taken for an answer: {found}")
    receiver.fails = ""
    await lookup.find_afresh(receiver.participant, BILLING_INVOICE, BILLING_PROCESS)
    lookup.forget()
    receiver.registered = was
    world.answers.clear()


async def _register(store: SqlStore, world: World, now: datetime) -> None:
    """Half of them stand in the account's own register."""
    rows: list[tuple[Counterpart, None]] = []
    for place, one in enumerate(world.receivers.values()):
        if place % 2:
            continue
        own = Identifier(scheme="0007", value=one.number, origin=Origin.MASTER_DATA)
        more = Identifier(scheme="0088", value=derived(one.number), origin=Origin.DERIVED)
        rows.append(
            (
                Counterpart(
                    id=CounterpartId(f"c{one.number}"),
                    account=ACCOUNT,
                    role=Role.CUSTOMER,
                    number=one.number,
                    name=f"Exempelkund {one.number} AB",
                    country="SE",
                    identifiers=(own, more),
                    created=now,
                    updated=now,
                ),
                None,
            )
        )
    await store.relations.commit(Changes(counterparts=tuple(rows)))


def derived(number: str) -> str:
    from gateway.model.numbers import derived_gln

    return derived_gln(number)


async def simulate(outages: int, seed: int, told: Any = None) -> Tally:
    """So many outages; the same for the same seed."""
    chance, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory() as folder:
        pki, now = Path(folder) / "pki", datetime.now(UTC)
        new_pki(pki, now=now - timedelta(hours=1))
        issue(pki, "smp", "PSP000201", now=now - timedelta(hours=1))
        issue(pki, "ap", "POP000101", now=now - timedelta(hours=1))
        for number in range(0, outages, _WAVE):
            directory = Path(folder) / f"wave{number}"
            directory.mkdir()
            await wave(directory, pki, chance, tally, min(_WAVE, outages - number))
            if told:
                told(tally)
    return tally


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--outages", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    started = time.perf_counter()

    def told(tally: Tally) -> None:
        print(f"  {tally.outages:,} outages, {tally.wrong_letters} letters without an answer", file=sys.stderr)

    tally = asyncio.run(simulate(given.outages, given.seed, told))
    print(f"{tally.outages:,} outages (seed {given.seed}) in {time.perf_counter() - started:.0f} s")
    print(f"  questions without an answer        {sum(tally.questions.values()):>8,} of {len(tally.questions)} kinds")
    print(f"  letters while there was no answer  {tally.wrong_letters:>8,}")
    print(f"  relations changed by no answer     {tally.changed:>8,}")
    print(f"  sent over the network afterwards   {tally.sent:>8,}")
    print(f"  letters after a clear no           {tally.letters:>8,}")
    print(f"  waiting for a person after 5 days  {tally.given_up:>8,}")
    print(f"  anything else                      {tally.other:>8,}")
    print(f"  sweeps meanwhile                   {tally.sweeps:>8,}")
    return 1 if tally.wrong_letters or tally.changed or tally.other else 0


if __name__ == "__main__":
    sys.exit(main())
