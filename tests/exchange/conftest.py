"""The exchange over a real store, with a network and channels that say what a test tells them to."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from gateway.errors import GatewayError
from gateway.exchange.breakers import Breakers
from gateway.exchange.inbound import Inbound
from gateway.exchange.outbound import Outbound
from gateway.exchange.retry import RetryPolicy
from gateway.exchange.routing import make_routing
from gateway.exchange.worker import Worker
from gateway.model.identifiers import TRANSPORT_PROFILE, AccountId, DocumentTypeId, MessageId, ParticipantId, ProcessId
from gateway.model.message import Message, Outgoing, Parcel, TimelineEntry
from gateway.model.relation import Endpoint, Reachable, Reason, Step, Unreachable
from gateway.model.signals import Handover, Receipt
from gateway.ports import Delivery
from gateway.store import SqlStore, open_store
from tests.conftest import FakeClock

if TYPE_CHECKING:
    from tests.exchange.sweep_parts import Swept

ACCOUNT = AccountId("main")
OTHER = AccountId("other")


def sample(name: str) -> bytes:
    """One of the invoices that ship with the gateway."""
    return resources.files("gateway.ubl").joinpath(f"examples/{name}.xml").read_bytes()


@dataclass(slots=True)
class ScriptedLookup:
    """Answers what the test put into it: an endpoint, a "no", or an exception; "no" to everything else."""

    answers: dict[str, Endpoint | GatewayError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    afresh: list[str] = field(default_factory=list)
    found_afresh: Endpoint | GatewayError | Literal["same"] | None = "same"
    """What is there when it is asked for past what is remembered."""

    async def find(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        self.asked.append(participant.value)
        return self._answer(participant, document_type, process, self.answers.get(participant.value))

    async def find_afresh(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        self.afresh.append(participant.value)
        found = self.answers.get(participant.value) if self.found_afresh == "same" else self.found_afresh
        return self._answer(participant, document_type, process, found)

    def _answer(
        self,
        participant: ParticipantId,
        document_type: DocumentTypeId,
        process: ProcessId,
        answer: Endpoint | GatewayError | None,
    ) -> Reachable | Unreachable:
        step = Step(asked=f"NAPTR {participant.value}", where="dns", answer="NXDOMAIN", milliseconds=1.0)
        if isinstance(answer, GatewayError):
            raise answer
        if answer is None:
            text = f"{participant.value} is not registered"
            return Unreachable(participant=participant, reason=Reason.NOT_REGISTERED, text=text, steps=(step,))
        return Reachable(
            participant=participant,
            document_type=document_type,
            process=process,
            endpoint=answer,
            smp="smp",
            steps=(step,),
        )


@dataclass(slots=True)
class ScriptedTransport:
    """Raises the next error of its list, or gives a receipt; keeps what was sent."""

    errors: list[GatewayError] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)

    async def send(self, outgoing: Outgoing, endpoint: Endpoint) -> Delivery:
        self.sent.append(outgoing)
        if self.errors:
            raise self.errors.pop(0)
        receipt = Receipt(
            message_id=MessageId("r@x"),
            ref_to=outgoing.message_id,
            signer=endpoint.seat,
            received_at=datetime(2026, 11, 25, tzinfo=UTC),
            octets=b"<receipt/>",
        )
        return Delivery(receipt=receipt, soap=b"<soap/>", milliseconds=12.0)


@dataclass(slots=True)
class ScriptedChannel:
    """A fallback channel: takes parcels, or raises the next error of its list."""

    name: str
    refusal: str = ""
    confirms: bool = False
    errors: list[GatewayError] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)

    def serves(self, parcel: Parcel) -> str:
        return self.refusal

    async def dispatch(self, parcel: Parcel) -> Handover:
        if self.errors:
            raise self.errors.pop(0)
        self.parcels.append(parcel)
        return Handover(reference="ref", text=f"handed to {self.name}")


ENDPOINT = Endpoint(
    url="http://127.0.0.1:1/as4", certificate=b"der", seat="POP000002", transport_profile=TRANSPORT_PROFILE
)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Everything of one gateway but its edges."""

    store: SqlStore
    clock: FakeClock
    lookup: ScriptedLookup
    transport: ScriptedTransport
    email: ScriptedChannel
    print: ScriptedChannel
    outbound: Outbound
    inbound: Inbound
    worker: Worker

    async def settle(self) -> None:
        """Do every step that is due now."""
        while await self.worker.run_once():
            pass

    async def submit(self, octets: bytes, **more: object) -> Message:
        return (await self.outbound.submit(ACCOUNT, octets, **more)).message  # type: ignore[arg-type]

    async def now(self, message: Message) -> Message:
        return await self.store.get(message.account, message.id)

    async def events(self, message: Message) -> list[TimelineEntry]:
        return list(await self.store.timeline(message.account, message.id))


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The address of a new database: SQLite, where the module does not ask for both."""
    if getattr(request, "param", "sqlite") == "postgresql":
        return str(request.getfixturevalue("postgres").new_database())
    return "sqlite:gateway.db"


@pytest.fixture
async def exchange(tmp_path: Path, clock: FakeClock, database: str) -> AsyncIterator[Exchange]:
    async with open_store(database, tmp_path / "payloads", clock=clock, base=tmp_path) as store:
        await store.first_account(ACCOUNT, "hash")
        lookup, transport = ScriptedLookup(), ScriptedTransport()
        email, letters = ScriptedChannel("email"), ScriptedChannel("print")
        retry = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), window=timedelta(days=5))
        breakers = Breakers(lambda: clock.now().timestamp())
        outbound = Outbound(
            store=store,
            lookup=lookup,
            transport=transport,
            channels={"email": email, "print": letters},
            clock=clock,
            retry=retry,
            pack=lambda octets: gzip.compress(octets, mtime=0),
            message_id=_ids(),
            country="SE",
            breakers=breakers,
            routing=make_routing(store, clock, ("email", "print"), "SE"),
        )
        inbound = Inbound(
            store=store,
            deliveries={"default": ScriptedChannel("inbox")},
            clock=clock,
            retry=retry,
            breakers=breakers,
        )
        worker = Worker(store=store, outbound=outbound, inbound=inbound, clock=clock, retry=retry, at_once=8)
        yield Exchange(
            store=store,
            clock=clock,
            lookup=lookup,
            transport=transport,
            email=email,
            print=letters,
            outbound=outbound,
            inbound=inbound,
            worker=worker,
        )


def _ids():  # type: ignore[no-untyped-def]
    numbers = iter(range(1, 1_000_000))
    return lambda: MessageId(f"m{next(numbers)}@test")


@pytest.fixture
def swept(exchange: Exchange) -> Swept:
    """The same with a sweep."""
    from tests.exchange.sweep_parts import ScriptedSurveyor, Swept, sweeping_of

    surveyor = ScriptedSurveyor(exchange.clock)
    return Swept(exchange=exchange, surveyor=surveyor, sweeping=sweeping_of(exchange, surveyor))
