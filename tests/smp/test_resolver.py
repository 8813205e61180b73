"""gateway.smp.resolver: "no" and "no answer" are never the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from gateway.errors import ConfigurationError, LookupUnavailable
from gateway.smp.locator import Naptr
from gateway.smp.resolver import Found, Resolver
from tests.smp.smp_parts import DnsAnswer, scripted_dns

NAME = "eh5boavaktmbgzyh2a63dz4qov33fvp5nsdvqklucfraayoodw6a.iso6523-actorid-upis.sml.test"
RECORD = '100 10 "U" "Meta:SMP" "!.*!https://smp.example.org/!" .'
GOOD = Naptr(order=100, preference=10, flags="U", service="Meta:SMP", regexp="!.*!https://smp.example.org/!")
Fill = Callable[[dns.message.Message], object]


def say(fill: Fill, *, flags: int = dns.flags.AA) -> DnsAnswer:
    def answer(query: dns.message.Message, tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        response.flags |= flags
        fill(response)
        return [response.to_wire(max_size=65_535)]

    return answer


def code(name: str) -> Fill:
    return lambda response: response.set_rcode(dns.rcode.from_text(name))


def records(*texts: str, name: str = NAME, kind: str = "NAPTR", ttl: int = 60) -> Fill:
    return lambda response: response.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *texts))


def soa_of(owner: str, ttl: int = 60, minimum: int = 5) -> Fill:
    text = f"a. b. 1 2 3 4 {minimum}"
    return lambda response: response.authority.append(dns.rrset.from_text(owner, ttl, "IN", "SOA", text))


soa = soa_of("sml.test.")


def together(*fills: Fill) -> Fill:
    return lambda response: [fill(response) for fill in fills]


def silence(query: dns.message.Message, tcp: bool) -> list[bytes]:
    return []


def garbage(query: dns.message.Message, tcp: bool) -> list[bytes]:
    return [b"\x00", b"garbage" * 40, query.to_wire()[:2] + b"\xff" * 10]


def wrong_id(query: dns.message.Message, tcp: bool) -> list[bytes]:
    response = dns.message.make_response(query)
    records('1 1 "U" "Meta:SMP" "!.*!https://evil.example!" .')(response)
    response.id = (query.id + 1) % 65_536
    return [response.to_wire()]


def wrong_question(query: dns.message.Message, tcp: bool) -> list[bytes]:
    other = dns.message.make_query("other.sml.test.", "NAPTR", id=query.id)
    response = dns.message.make_response(other)
    records('1 1 "U" "Meta:SMP" "!.*!https://evil.example!" .', name="other.sml.test")(response)
    return [response.to_wire()]


def truncated(answer: DnsAnswer) -> DnsAnswer:
    def cut(query: dns.message.Message, tcp: bool) -> list[bytes]:
        if tcp:
            return answer(query, tcp)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.TC
        return [response.to_wire()]

    return cut


def in_turn(*answers: DnsAnswer) -> DnsAnswer:
    left = list(answers)
    return lambda query, tcp: (left.pop(0) if len(left) > 1 else left[0])(query, tcp)


def before(first: DnsAnswer, then: DnsAnswer) -> DnsAnswer:
    return lambda query, tcp: [*(first(query, tcp) if not tcp else []), *then(query, tcp)]


async def ask(answer: DnsAnswer, *, seen: list[str] | None = None, try_seconds: float = 0.2) -> Found:
    async with scripted_dns(answer, seen) as address:
        return await Resolver([address], try_seconds=try_seconds).naptr(NAME)


POSITIVE = {
    "one record": say(records(RECORD)),
    "from a resolver": say(records(RECORD), flags=dns.flags.RA),
    "without any flag": say(records(RECORD), flags=0),
    "TTL 0": say(records(RECORD, ttl=0)),
    "TTL 2^31 - 1": say(records(RECORD, ttl=2**31 - 1)),
    "alias": say(together(records("x.other.test.", kind="CNAME"), records(RECORD, name="x.other.test"))),
    "truncated, then TCP": truncated(say(records(RECORD))),
    "SERVFAIL twice, then good": in_turn(say(code("SERVFAIL")), say(code("SERVFAIL")), say(records(RECORD))),
    "silence, then good": in_turn(silence, say(records(RECORD))),
    "garbage first, good one after": before(garbage, say(records(RECORD))),
    "forged id first, good one after": before(wrong_id, say(records(RECORD))),
    "other question first, good one after": before(wrong_question, say(records(RECORD))),
}
NEGATIVE = {
    "NXDOMAIN": (say(code("NXDOMAIN")), "NXDOMAIN"),
    "NXDOMAIN from a resolver": (say(code("NXDOMAIN"), flags=dns.flags.RA), "NXDOMAIN"),
    "NXDOMAIN of an alias's zone": (
        say(together(records("x.other.test.", kind="CNAME"), code("NXDOMAIN"), soa_of("other.test."))),
        "NXDOMAIN",
    ),
    "NXDOMAIN with SOA": (say(together(code("NXDOMAIN"), soa), flags=0), "NXDOMAIN"),
    "nothing, from the zone's own server": (say(lambda response: None, flags=dns.flags.AA), "no NAPTR record"),
    "nothing with SOA": (say(soa, flags=0), "no NAPTR record"),
    "truncated, then NXDOMAIN": (truncated(say(code("NXDOMAIN"))), "NXDOMAIN"),
    "alias to nothing": (say(together(records("x.other.test.", kind="CNAME"), soa)), "no NAPTR record"),
}
UNKNOWN = {
    "SERVFAIL": (say(code("SERVFAIL")), "SERVFAIL"),
    "REFUSED": (say(code("REFUSED")), "REFUSED"),
    "FORMERR": (say(code("FORMERR")), "FORMERR"),
    "NOTIMP": (say(code("NOTIMP")), "NOTIMP"),
    "silence": (silence, "no answer within"),
    "garbage": (garbage, "no "),
    "wrong id": (wrong_id, "no "),
    "wrong question": (wrong_question, "no "),
    "truncated, then silence": (truncated(silence), "no answer within"),
    "truncated, then SERVFAIL": (truncated(say(code("SERVFAIL"))), "SERVFAIL"),
    "referral": (
        say(lambda r: r.authority.append(dns.rrset.from_text("sml.test.", 60, "IN", "NS", "ns.test.")), flags=0),
        "neither records nor a refusal",
    ),
    "nothing, without SOA, from somebody": (say(lambda response: None, flags=0), "neither records nor a refusal"),
    "nothing, from a forwarder that knows no NAPTR": (
        say(lambda response: None, flags=dns.flags.RA),
        "neither records nor a refusal",
    ),
    "NXDOMAIN of the root": (say(together(code("NXDOMAIN"), soa_of("."))), "there is no zone sml.test"),
    "NXDOMAIN of the top-level domain": (say(together(code("NXDOMAIN"), soa_of("test."))), "there is no zone sml.test"),
    "NXDOMAIN from nobody": (say(code("NXDOMAIN"), flags=0), "does not know the zone"),
    "alias without its end": (say(records("x.other.test.", kind="CNAME")), "neither records nor a refusal"),
    "alias loop": (
        say(together(records("x.test.", kind="CNAME"), records(f"{NAME}.", name="x.test", kind="CNAME"))),
        "no",
    ),
}


@pytest.mark.parametrize("answer", POSITIVE.values(), ids=POSITIVE)
async def test_records_are_found(answer: DnsAnswer) -> None:
    found = await ask(answer, try_seconds=1.0)  # a busy machine may take its time for an answer
    assert (found.records, found.no_for) == ((GOOD,), 0)
    assert found.steps[-1].asked == f"NAPTR {NAME}"


@pytest.mark.parametrize(("answer", "says"), NEGATIVE.values(), ids=NEGATIVE)
async def test_a_no_is_an_answer(answer: DnsAnswer, says: str) -> None:
    found = await ask(answer)
    assert found.records == ()
    assert found.says == says


KEPT: dict[str, tuple[DnsAnswer, int]] = {
    "the minimum": (say(together(code("NXDOMAIN"), soa_of("sml.test.", 600, 30))), 30),
    "the TTL": (say(together(code("NXDOMAIN"), soa_of("sml.test.", 20, 30))), 20),
    "no record": (say(soa_of("sml.test.", 600, 30)), 30),
    "NXDOMAIN without SOA": (say(code("NXDOMAIN")), 0),
    "no record, without SOA": (say(lambda response: None), 0),
    "the alias that led to it": (
        say(together(records("x.other.test.", kind="CNAME", ttl=7), code("NXDOMAIN"), soa_of("other.test.", 600, 30))),
        7,
    ),
    "cut, over TCP": (truncated(say(together(code("NXDOMAIN"), soa_of("sml.test.", 600, 30)))), 30),
}


@pytest.mark.parametrize(("answer", "seconds"), KEPT.values(), ids=KEPT)
async def test_a_no_says_how_long_it_may_be_kept(answer: DnsAnswer, seconds: int) -> None:
    found = await ask(answer)
    assert (found.records, found.no_for) == ((), seconds)


@pytest.mark.parametrize(("answer", "says"), UNKNOWN.values(), ids=UNKNOWN)
async def test_no_answer_is_never_a_no(answer: DnsAnswer, says: str) -> None:
    with pytest.raises(LookupUnavailable) as caught:
        await ask(answer)
    assert caught.value.temporary
    assert says in caught.value.steps[-1].answer
    assert len(caught.value.steps) == 3


async def test_a_truncated_answer_is_asked_again_over_tcp() -> None:
    seen: list[str] = []
    found = await ask(truncated(say(records(RECORD))), seen=seen)
    assert seen == ["udp", "tcp"]
    assert found.steps[0].where.endswith("(TCP)")


async def test_the_last_round_goes_over_tcp() -> None:
    seen: list[str] = []
    with pytest.raises(LookupUnavailable):
        await ask(say(code("SERVFAIL")), seen=seen)
    assert seen == ["udp", "udp", "tcp"]


async def test_the_question_announces_large_answers() -> None:
    asked: list[dns.message.Message] = []

    def note(query: dns.message.Message, tcp: bool) -> list[bytes]:
        asked.append(query)
        return say(records(RECORD))(query, tcp)

    await ask(note)
    assert (asked[0].edns, asked[0].payload) == (0, 1232)


async def test_many_records_fit() -> None:
    many = [f'{i} 10 "U" "Meta:SMP" "!.*!https://smp{i}.example.org/!" .' for i in range(600)]
    found = await ask(truncated(say(records(*many))), try_seconds=5.0)
    assert len(found.records) == 600


async def test_another_server_is_asked_when_the_first_is_broken() -> None:
    async with scripted_dns(say(code("SERVFAIL"))) as bad, scripted_dns(say(records(RECORD))) as good:
        found = await Resolver([bad, good], try_seconds=0.2).naptr(NAME)
    assert found.records == (GOOD,)
    assert [step.answer.split()[0] for step in found.steps] == ["SERVFAIL", "NAPTR"]


async def test_one_server_that_says_no_is_not_overruled_by_a_broken_one() -> None:
    async with scripted_dns(say(code("NXDOMAIN"))) as good, scripted_dns(silence) as bad:
        assert (await Resolver([bad, good], try_seconds=0.2).naptr(NAME)).says == "NXDOMAIN"


async def test_nobody_at_the_port_is_no_answer() -> None:
    async with scripted_dns(silence) as address:
        pass
    with pytest.raises(LookupUnavailable):
        await Resolver([address], try_seconds=0.2).naptr(NAME)


async def test_silence_ends_in_time() -> None:
    started = time.monotonic()
    async with scripted_dns(silence) as address:
        with pytest.raises(LookupUnavailable, match="No DNS server answers"):
            await Resolver([address] * 3, try_seconds=0.2).naptr(NAME)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("host", ["dns.example.org", "", "1.2.3", "127.1"])
def test_a_server_is_named_by_its_address(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"network\.dns_servers"):
        Resolver([(host, 53)])


def test_the_systems_servers_are_the_default() -> None:
    try:
        assert Resolver().servers
    except ConfigurationError as error:
        assert "the system names no DNS server" in str(error)
