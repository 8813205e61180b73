"""gateway.exchange.registrar: pauses, ends, and what is done once more; the whole way is in tests/trips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import InvalidAnswer, LostLease, PeerUnavailable, RegisterRefused, RegisterUnavailable
from gateway.exchange.registrar import PAUSES, TESTS_MOST, Registrar
from gateway.model.identifiers import AccountId, DocumentTypeId, ParticipantId, ProcessId
from gateway.model.message import Participant
from gateway.model.registration import Goal, Registration, Stage
from gateway.model.relation import Endpoint, Reachable, Reason, Unreachable
from gateway.model.services import NO_SERVICES

OURS = ParticipantId.parse("0007:5567212047")
MAIN = AccountId("main")
COMPANY = Participant(id=OURS, account=MAIN, name="Exempel AB", country="SE")
HERE = "https://smp.example.org"


@dataclass
class World:
    """Store, SML, network, directory and clock of one participant."""

    time: datetime = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    held: Participant | None = None
    way: Registration | None = None
    smp: str = HERE
    seat: str = "POP000101"
    refuse: Exception | None = None
    refuse_test: Exception | None = None
    entered: int = 0
    told: list[str] = field(default_factory=list)
    asked: list[DocumentTypeId] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    async def participant(self, id: ParticipantId) -> Participant | None:
        return self.held

    async def save_participant(self, participant: Participant) -> None:
        self.held = participant

    async def registration(self, id: ParticipantId) -> Registration | None:
        return self.way

    async def registrations(self, account: AccountId | None = None) -> Sequence[Registration]:
        return [self.way] if self.way else []

    async def due_registrations(self, limit: int) -> Sequence[Registration]:
        due = self.way is not None and self.way.next_attempt is not None and self.way.next_attempt <= self.time
        return [self.way] if due and self.way else []

    async def begin_registration(self, new: Registration, participant: Participant | None = None) -> None:
        self.way, self.held = new, participant or self.held

    async def step_registration(self, before: Registration, after: Registration) -> None:
        if self.way != before:
            raise LostLease("changed")
        self.way = after

    async def end_registration(self, before: Registration) -> None:
        self.way = self.held = None

    async def enter(self, participant: ParticipantId, key: str = "") -> None:
        self.entered += 1
        if self.refuse:
            raise self.refuse

    async def leave(self, participant: ParticipantId) -> None:
        if self.refuse:
            raise self.refuse

    async def hand_over(self, participant: ParticipantId, key: str) -> None:
        return None

    async def locate(self, participant: ParticipantId) -> str | Unreachable:
        if not self.smp:
            return Unreachable(participant=participant, reason=Reason.NOT_REGISTERED, text="NXDOMAIN")
        return self.smp

    async def find_afresh(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        self.asked.append(document_type)
        end = Endpoint(url="https://ap/as4", certificate=b"", seat=self.seat, transport_profile="as4")
        return Reachable(
            participant=participant, document_type=document_type, process=process, endpoint=end, smp=self.smp
        )

    def signer_of(self, found: Reachable) -> str:
        return "CN=PSP000202"

    async def test(self, participant: ParticipantId, endpoint: Endpoint) -> str:
        if self.refuse_test:
            raise self.refuse_test
        return "receipt"

    async def index(self, participant: ParticipantId) -> None:
        self.told.append("index")

    async def forget(self, participant: ParticipantId) -> None:
        self.told.append("forget")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def registrar(world: World) -> Registrar:
    return Registrar(
        store=world,  # type: ignore[arg-type]
        register=world,
        outside=world,
        test=world.test,
        clock=world,
        smp_url=HERE,
        seat="POP000101",
        directory=world,
    )


async def test_the_way_on_and_off_is_told_to_the_directory(world: World, registrar: Registrar) -> None:
    way = await registrar.advance(await registrar.put_on(COMPANY))
    assert way.complete
    assert world.told == ["index"]
    await registrar.put_on(COMPANY)
    assert await registrar.run_once() == 0, "nothing has changed"
    await registrar.advance(await registrar.put_on(replace(COMPANY, name="Exempel Handel AB")))
    assert (world.told, world.entered) == (["index", "index"], 1)
    world.smp = ""
    await registrar.advance(await registrar.take_off(MAIN, OURS))
    assert (world.told[-1], world.held, world.way) == ("forget", None, None)


async def test_what_does_not_work_is_tried_again_with_growing_pauses(world: World, registrar: Registrar) -> None:
    world.refuse = RegisterUnavailable("busy")
    way = await registrar.advance(await registrar.put_on(COMPANY))
    pauses = []
    for _ in range(len(PAUSES) + 2):
        assert way.next_attempt
        pauses.append((way.next_attempt - world.time).total_seconds())
        world.time = way.next_attempt - timedelta(seconds=0.5)
        assert await registrar.run_once() == 0, "not before its time"
        world.time = way.next_attempt
        assert await registrar.run_once() == 1
        assert world.way
        way = world.way
    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert way.problem == "busy"
    world.refuse = None
    assert (await registrar.advance(way)).complete


async def test_a_start_goes_no_further_than_it_wants_also_where_the_last_run_did(
    world: World, registrar: Registrar
) -> None:
    """Whoever starts does not answer yet: looking for itself, or testing itself, would wait for a time-out."""
    begun = await registrar.put_on(COMPANY)
    registered = await registrar.advance(begun, until=Stage.REGISTERED)
    assert registered.stage is Stage.FOUND
    again = await registrar.advance(await registrar.put_on(COMPANY), until=Stage.REGISTERED)
    assert again.stage is Stage.FOUND and not world.asked
    assert (await registrar.advance(again)).complete and world.asked


async def test_a_refusal_stops_until_somebody_calls_again(world: World, registrar: Registrar) -> None:
    world.refuse = RegisterRefused("no", remedy="Ask them.")
    with pytest.raises(RegisterRefused):
        await registrar.advance(await registrar.put_on(COMPANY))
    assert world.way
    assert (world.way.stopped, world.way.problem) == (True, "no Ask them.")
    world.time += timedelta(days=1)
    assert await registrar.run_once() == 0
    world.refuse = None
    way = await registrar.put_on(COMPANY)
    assert (way.stage, [done.stage for done in way.done]) == (Stage.REGISTERED, [Stage.PUBLISHED])
    assert (await registrar.advance(way)).complete


async def test_a_test_message_that_never_comes_stops_after_its_tries(world: World, registrar: Registrar) -> None:
    world.refuse_test = PeerUnavailable("no route", sent=False)
    way = await registrar.advance(await registrar.put_on(COMPANY))
    for _ in range(TESTS_MOST - 1):
        assert not way.stopped
        way = await registrar.advance(way)
    assert (way.stopped, way.stage, way.attempts) == (True, Stage.TESTED, TESTS_MOST)


async def test_a_bug_is_noted_and_tried_again(world: World, registrar: Registrar) -> None:
    world.refuse = ZeroDivisionError("oops")
    way = await registrar.advance(await registrar.put_on(COMPANY))
    assert (way.problem, way.stopped) == ("Unexpected failure: ZeroDivisionError: oops", False)


async def test_an_answer_that_proves_nothing_stops_the_test(world: World, registrar: Registrar) -> None:
    world.refuse_test = InvalidAnswer("signed by another")
    with pytest.raises(InvalidAnswer):
        await registrar.advance(await registrar.put_on(COMPANY))
    assert world.way
    assert world.way.stage is Stage.TESTED


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"smp": ""}, "NXDOMAIN; the zone may need a while"),
        ({"smp": "https://other.example"}, "DNS still leads to the SMP https://other.example"),
        ({"seat": "POP000999"}, "the look-up ends at POP000999, not at POP000101"),
    ],
)
async def test_it_is_found_only_where_we_are(
    world: World, registrar: Registrar, change: dict[str, str], problem: str
) -> None:
    for name, value in change.items():
        setattr(world, name, value)
    way = await registrar.advance(await registrar.put_on(COMPANY))
    assert (way.stage, way.problem) == (Stage.FOUND, problem)
    assert way.next_attempt == world.time + timedelta(seconds=1)


async def test_a_wildcard_is_looked_up_as_something_it_covers(world: World, registrar: Registrar) -> None:
    registered = "peppol-doctype-wildcard::urn:x::Invoice##urn:peppol:pint:billing-1*::2.1"
    company = replace(COMPANY, document_types=((registered, "urn:peppol:bis:billing"),))
    assert (await registrar.advance(await registrar.put_on(company))).complete
    assert {asked.customization for asked in world.asked} == {"urn:peppol:pint:billing-1"}


async def test_one_that_takes_nothing_yet_waits(world: World, registrar: Registrar) -> None:
    way = await registrar.advance(await registrar.put_on(replace(COMPANY, document_types=NO_SERVICES)))
    assert (way.stage, way.problem) == (Stage.FOUND, "it takes no document type yet")


async def test_who_has_moved_is_redirected_also_after_a_restart(world: World, registrar: Registrar) -> None:
    await registrar.advance(await registrar.put_on(COMPANY))
    way = await registrar.advance(await registrar.hand_over(MAIN, OURS, "AAaa11##"))
    assert (way.stage, way.problem) == (Stage.MOVED, "the other SMP has not used the key yet")
    world.smp = "https://other.example"
    way = await registrar.advance(way)
    assert (way.goal, way.complete) == (Goal.AWAY, True)
    assert registrar.moved[OURS].smp == "https://other.example"
    registrar.moved.clear()
    await registrar.refresh()
    assert registrar.moved[OURS].signer == "CN=PSP000202"


async def test_what_somebody_else_has_done_meanwhile_is_not_overwritten(world: World, registrar: Registrar) -> None:
    way = await registrar.put_on(COMPANY)

    async def other(participant: ParticipantId, key: str = "") -> None:
        world.way = replace(way, attempts=7)

    world.enter = other  # type: ignore[method-assign]
    assert await registrar.advance(way) == replace(way, attempts=7)
    assert world.way == replace(way, attempts=7)
