"""gateway.smp.survey: many participants, one question to DNS each, SMPs asked seldom and politely."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

import dns.flags
import dns.message
import dns.rrset
import pytest
from aiohttp import web

from gateway.errors import LookupUnavailable
from gateway.model.identifiers import ParticipantId
from gateway.model.relation import Reachable, Reason, Unreachable
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.model.survey import Deferred, Finding, Seen, Tally, Unchanged
from gateway.ports import Surveyor
from gateway.smp import zone
from gateway.smp.fetch import Fetched
from gateway.smp.metadata import path
from gateway.smp.politeness import Hosts, Pace, Polite, Spent
from gateway.smp.search import Search
from gateway.smp.survey import FRESH, share
from tests.smp.smp_parts import BUYER, NOW, OTHER, FixedClock, Network, Pki, scripted_dns, searching, status, xml

RESTS = (0.01, 0.01, 600.0)
METADATA = path(BUYER, str(BILLING_INVOICE))


def seen(participant: ParticipantId = BUYER, **last: object) -> Seen:
    return Seen(participant=participant, document_type=BILLING_INVOICE, process=BILLING_PROCESS, **last)  # type: ignore[arg-type]


async def each(items: Iterable[Seen]) -> AsyncIterator[Seen]:
    for item in items:
        yield item


async def survey(lookup: Surveyor, *items: Seen, most: int | None = None) -> tuple[list[tuple[Seen, Finding]], Tally]:
    found: list[tuple[Seen, Finding]] = []

    async def note(one: Seen, finding: Finding) -> None:
        found.append((one, finding))

    tally = await lookup.survey(each(items), note, most_requests=most)
    assert tally.participants == len(items) == len(found)
    return found, tally


async def one(network: Network, item: Seen, most: int | None = None) -> tuple[Finding, Tally]:
    found, tally = await survey(network.lookup, item, most=most)
    return found[0][1], tally


def turn_of(participant: ParticipantId = BUYER) -> timedelta:
    """How long after the last answer its SMP is asked again."""
    return FRESH * (1 + share(participant.value))


async def test_who_is_not_registered_costs_one_question_and_no_request(network: Network) -> None:
    finding, tally = await one(network, seen(OTHER))
    assert isinstance(finding, Unreachable) and finding.reason is Reason.NOT_REGISTERED
    assert (tally.questions, tally.requests) == (1, 0)


async def test_who_is_new_costs_one_request(network: Network) -> None:
    network.smp.all_well()
    finding, tally = await one(network, seen())
    assert isinstance(finding, Reachable) and finding.endpoint.seat == "POP000101"
    assert (tally.questions, tally.requests) == (1, 1)
    assert network.smp.asked == [METADATA]


async def test_the_second_night_costs_one_question(network: Network) -> None:
    network.smp.all_well()
    finding, tally = await one(network, seen(smp=network.smp.url, asked=NOW - timedelta(days=1)))
    assert isinstance(finding, Unchanged)
    assert (finding.smp, finding.asked) == (network.smp.url, NOW - timedelta(days=1))
    assert [step.asked.split()[0] for step in finding.steps] == ["NAPTR"]
    assert (tally.questions, tally.requests) == (1, 0)
    assert network.smp.asked == []


async def test_the_smp_is_asked_again_on_the_participants_own_day(network: Network) -> None:
    network.smp.all_well()
    early = await one(network, seen(smp=network.smp.url, asked=NOW - turn_of() + timedelta(seconds=1)))
    assert isinstance(early[0], Unchanged)
    late, tally = await one(network, seen(smp=network.smp.url, asked=NOW - turn_of()))
    assert isinstance(late, Reachable) and tally.requests == 1


def test_the_days_are_spread_over_two_weeks() -> None:
    days = [int(14 * share(f"0007:{number:010}")) for number in range(14_000)]
    assert set(days) == set(range(14))
    assert all(900 < days.count(day) < 1100 for day in range(14))


async def test_who_moved_to_another_smp_is_asked_for_at_once(network: Network) -> None:
    network.smp.all_well()
    finding, _ = await one(network, seen(smp="http://127.0.0.1:1", asked=NOW - timedelta(days=1)))
    assert isinstance(finding, Reachable) and finding.smp == network.smp.url


@pytest.mark.parametrize(
    ("ends", "last_asked", "again"),
    [(timedelta(days=6), timedelta(days=3), True), (timedelta(days=6), timedelta(days=1), False)],
    ids=["ends soon", "ends soon, asked yesterday"],
)
async def test_an_endpoint_that_ends_soon_is_asked_for_every_other_day(
    network: Network, ends: timedelta, last_asked: timedelta, again: bool
) -> None:
    network.smp.all_well()
    finding, _ = await one(network, seen(smp=network.smp.url, asked=NOW - last_asked, expires=NOW + ends))
    assert isinstance(finding, Reachable if again else Unchanged)


async def test_a_no_needs_both_voices_once_and_then_one_request_each_time(network: Network) -> None:
    network.smp.group(BILLING_CREDIT_NOTE)
    first, tally = await one(network, seen())
    assert isinstance(first, Unreachable) and first.reason is Reason.NO_DOCUMENT_TYPE and tally.requests == 2
    item = seen(smp=first.smp, reason=first.reason, asked=NOW - turn_of())
    network.lookup.forget()
    again, tally = await one(network, item)
    assert isinstance(again, Unchanged) and again.asked == NOW and tally.requests == 1
    network.lookup.forget()
    network.smp.all_well()
    now_it_does, _ = await one(network, item)
    assert isinstance(now_it_does, Reachable)


async def test_no_answer_is_never_a_no(network: Network, pki: Pki) -> None:
    def servfail(question: dns.message.Message, tcp: bool) -> list[bytes]:
        response = dns.message.make_response(question)
        response.set_rcode(2)
        return [response.to_wire()]

    async with scripted_dns(servfail) as address, searching(pki, address, FixedClock()) as lookup:
        found, tally = await survey(lookup, seen(smp=network.smp.url, asked=NOW))
    finding = found[0][1]
    assert isinstance(finding, LookupUnavailable) and len(finding.steps) == tally.questions == 3

    network.smp.at(BILLING_INVOICE, status(503))
    finding, _ = await one(network, seen())
    assert isinstance(finding, LookupUnavailable) and "503" in finding.steps[-1].answer
    network.smp.at(BILLING_INVOICE, status(404))  # and no list: 404 twice is the SMP's word
    finding, _ = await one(network, seen())
    assert isinstance(finding, Unreachable) and finding.reason is Reason.BROKEN_REGISTRATION


class _Zone:
    """DNS that says no as often as it is asked, with this SOA, and counts."""

    def __init__(self, *, ttl: int, minimum: int, soa: bool = True, code: int = 3) -> None:
        self.soa = dns.rrset.from_text("sml.test.", ttl, "IN", "SOA", f"ns. hostmaster. 1 2 3 4 {minimum}")
        self.has_soa, self.code, self.asked = soa, code, 0

    def __call__(self, question: dns.message.Message, tcp: bool) -> list[bytes]:
        self.asked += 1
        response = dns.message.make_response(question)
        response.flags |= dns.flags.AA
        response.set_rcode(self.code)  # type: ignore[arg-type]
        response.authority += [self.soa] if self.has_soa else []
        return [response.to_wire()]


@pytest.mark.parametrize(
    ("ttl", "minimum", "seconds"),
    [(60, 20, 20), (20, 60, 20), (86_400, 86_400, 300)],
    ids=["the minimum", "the TTL", "five minutes"],
)
async def test_a_no_of_the_sml_serves_other_accounts_as_long_as_its_soa_says(
    pki: Pki, ttl: int, minimum: int, seconds: int
) -> None:
    says, clock = _Zone(ttl=ttl, minimum=minimum), FixedClock()
    async with scripted_dns(says) as address, searching(pki, address, clock) as lookup:
        for passed, questions in ((0, 1), (seconds - 1, 1), (seconds, 2)):
            clock.time = NOW + timedelta(seconds=passed)
            found, _ = await survey(lookup, seen())
            assert isinstance(found[0][1], Unreachable) and says.asked == questions
            kept = found[0][1].steps[-1].answer.endswith("(kept from an earlier search)")
            assert kept is (passed == seconds - 1), "who reads it sees that it is no new word"


@pytest.mark.parametrize(
    ("says", "each_time"),
    [
        (_Zone(ttl=600, minimum=600, soa=False), 1),
        (_Zone(ttl=0, minimum=600), 1),
        (_Zone(ttl=600, minimum=600, code=2), 3),
    ],
    ids=["without SOA", "TTL 0", "SERVFAIL with an SOA"],
)
async def test_what_may_not_be_kept_is_asked_for_each_time(pki: Pki, says: _Zone, each_time: int) -> None:
    async with scripted_dns(says) as address, searching(pki, address, FixedClock()) as lookup:
        for times in (1, 2):
            await survey(lookup, seen())
            assert says.asked == times * each_time


async def test_a_clock_that_was_set_back_makes_no_old_no_young(pki: Pki) -> None:
    says, clock = _Zone(ttl=60, minimum=60), FixedClock()
    async with scripted_dns(says) as address, searching(pki, address, clock) as lookup:
        await survey(lookup, seen())
        clock.time = NOW - timedelta(hours=1)
        await survey(lookup, seen())
    assert says.asked == 2


async def test_an_invoice_never_gets_a_kept_no_and_its_new_answer_ends_it(network: Network) -> None:
    gone, _ = await one(network, seen(OTHER))
    assert isinstance(gone, Unreachable)
    zone.register(network.zone_file, OTHER, network.smp.url)
    kept, tally = await one(network, seen(OTHER))
    assert isinstance(kept, Unreachable) and kept.reason is Reason.NOT_REGISTERED and tally.questions == 0
    asked = await network.lookup.find(OTHER, BILLING_INVOICE, BILLING_PROCESS)
    assert isinstance(asked, Unreachable) and asked.reason is Reason.BROKEN_REGISTRATION
    now, _ = await one(network, seen(OTHER))
    assert isinstance(now, Unreachable) and now.reason is Reason.BROKEN_REGISTRATION


async def test_requests_end_where_they_are_used_up(network: Network) -> None:
    people = [ParticipantId.parse(f"0088:73000100000{n}") for n in ("01", "18", "25", "32")]
    for each_one in people:
        zone.register(network.zone_file, each_one, network.smp.url)
        signed = network.smp.signed(participant=each_one)
        network.smp.answers[path(each_one, str(BILLING_INVOICE))] = xml(signed)
    found, tally = await survey(network.lookup, *(seen(person) for person in people), most=3)
    kinds = [type(finding) for _, finding in found]
    assert kinds.count(Reachable) == 3 and kinds.count(Deferred) == 1
    assert tally.requests == len(network.smp.asked) == 3


async def test_half_of_the_requests_are_kept_for_who_is_new(network: Network) -> None:
    network.smp.all_well()
    due = seen(smp=network.smp.url, asked=NOW - 2 * FRESH)
    finding, _ = await one(network, due, most=1)
    assert isinstance(finding, Reachable)
    finding, _ = await one(network, due, most=0)
    assert isinstance(finding, Unchanged)


async def test_two_accounts_that_ask_the_same_are_one_question(network: Network) -> None:
    network.smp.all_well()
    found, tally = await survey(network.lookup, *[seen() for _ in range(50)])
    assert all(isinstance(finding, Reachable) for _, finding in found)
    assert (tally.questions, tally.requests) == (1, 1)


async def test_a_silent_smp_keeps_nobody_else_waiting(network: Network) -> None:
    network.smp.all_well()
    hang = asyncio.Event()

    async def silence(request: web.Request) -> web.StreamResponse:
        await hang.wait()
        return web.Response(status=503)

    silent = [ParticipantId.parse(f"0192:{number}") for number in range(100_000_000, 100_000_040)]
    for each_one in silent:
        zone.register(network.zone_file, each_one, network.second.url)
        network.second.answers[path(each_one, str(BILLING_INVOICE))] = silence
    told: asyncio.Queue[tuple[ParticipantId, Finding]] = asyncio.Queue()

    async def note(item: Seen, finding: Finding) -> None:
        told.put_nowait((item.participant, finding))

    patient = searching(network.pki, network.dns, network.clock, try_seconds=8, total=100)
    async with patient as lookup, asyncio.TaskGroup() as tasks:
        items = [*(seen(each_one) for each_one in silent), seen()]
        running = tasks.create_task(lookup.survey(each(items), note))
        participant, finding = await asyncio.wait_for(told.get(), 60)
        assert (participant, type(finding)) == (BUYER, Reachable)
        running.cancel()
        hang.set()


class _Scripted:
    """Fetches what the test says."""

    def __init__(self, network: Network, fails: int) -> None:
        self.rules = network.lookup._around.fetcher.rules
        self.fails, self.asked = fails, 0

    async def get(self, url: str) -> Fetched:
        self.asked += 1
        if self.asked <= self.fails:
            raise LookupUnavailable("503")
        return Fetched(status=404, body=b"", url=url, host="smp", milliseconds=0.0)


async def ask(polite: Polite, times: int) -> list[str]:
    said = []
    for _ in range(times):
        try:
            said.append(str((await polite.get("http://smp.example.org/x")).status))
        except LookupUnavailable as error:
            said.append(str(error))
    return said


async def test_an_smp_that_fails_rests_and_is_asked_again(network: Network) -> None:
    within = _Scripted(network, fails=4)
    polite = Polite(within=within, hosts=Hosts(per_second=1000, rests=RESTS))
    assert await ask(polite, 6) == ["503", "503", "503", "503", "404", "404"]
    assert polite.tally.requests == 6


async def test_an_smp_that_goes_on_failing_is_not_asked_any_more(network: Network) -> None:
    within = _Scripted(network, fails=99)
    polite = Polite(within=within, hosts=Hosts(per_second=1000, rests=RESTS))
    said = await ask(polite, 10)
    assert (
        within.asked == 5
        and said[-1] == "the SMP smp.example.org was not asked: it gave no usable answer 5 times in a row"
    )


async def test_requests_to_one_smp_keep_their_pace() -> None:
    pace, loop = Pace(per_second=200, burst=5), asyncio.get_running_loop()
    started = loop.time()
    for _ in range(5):
        await pace.turn()
    at_once = loop.time() - started
    for _ in range(20):
        await pace.turn()
    assert at_once < loop.time() - started and loop.time() - started >= 20 / 200 - 0.001


async def test_what_is_used_up_stays_used_up(network: Network) -> None:
    polite = Polite(within=_Scripted(network, fails=0), hosts=Hosts(per_second=1000), most=1)
    await polite.get("http://smp.example.org/x")
    with pytest.raises(Spent):
        await polite.get("http://smp.example.org/x")


async def test_what_the_caller_raises_ends_the_survey(network: Network) -> None:
    async def note(item: Seen, finding: Finding) -> None:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError, match="the database is gone"):
        await network.lookup.survey(each([seen(OTHER), seen()]), note)


async def test_a_fault_of_ours_with_one_participant_keeps_no_other_from_being_asked(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.smp.all_well()
    right = Search.locate

    async def wrong(search: Search) -> str | Unreachable:
        if search.participant == OTHER:
            raise ZeroDivisionError
        return await right(search)

    monkeypatch.setattr(Search, "locate", wrong)
    found, _ = await survey(network.lookup, seen(OTHER), seen())
    by = {item.participant: finding for item, finding in found}
    assert isinstance(by[OTHER], LookupUnavailable) and isinstance(by[BUYER], Reachable)


def test_who_is_asked_for_twice_as_late_as_fresh_is_always_due() -> None:
    last: datetime = NOW - 2 * FRESH
    assert all(last + FRESH * (1 + share(f"0088:{n}")) <= NOW for n in range(1000))
