"""The quick reading of DNS answers says what the library says, or nothing."""

from __future__ import annotations

import random

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from dns.rdtypes.IN.NAPTR import NAPTR

from gateway.smp.dnswire import Usual, answers, is_cut, read_usual, write_question

NAME = "a" * 52 + ".iso6523-actorid-upis.sml.test"
QUESTION = write_question(NAME, 4711, 1232)
GOOD = ('100 10 "U" "Meta:SMP" "!.*!http://smp.example.org!" .', '200 1 "u" "meta:smp" "!^.*$!https://x!" .')
SOA = "sml.test. 60 IN SOA ns.sml.test. h.sml.test. 1 2 3 4 60"


def answer(*records: str, code: int = 0, above: str = "", owner: str = NAME, edns: int = 0) -> dns.message.Message:
    response = dns.message.make_response(dns.message.from_wire(QUESTION))
    response.flags |= dns.flags.AA
    response.set_rcode(code)  # type: ignore[arg-type]
    if edns < 0:
        response.use_edns(False)
    for record in records:
        response.answer.append(dns.rrset.from_text(owner + ".", 60, "IN", "NAPTR", record))
    if above:
        name, ttl, _, kind, data = above.split(" ", 4)
        response.authority.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    return response


def test_the_question_is_the_one_that_the_library_writes() -> None:
    query = dns.message.make_query(NAME, "NAPTR", use_edns=0, payload=1232)
    query.id = 4711
    assert query.to_wire() == QUESTION
    for wrong in ("", "a..b", "x" * 64 + ".test", "é.test"):
        with pytest.raises(ValueError):
            write_question(wrong, 1, 1232)


@pytest.mark.parametrize("edns", [0, -1])
@pytest.mark.parametrize("records", [GOOD[:1], GOOD])
def test_records_are_read_as_the_library_reads_them(records: tuple[str, ...], edns: int) -> None:
    response = answer(*records, edns=edns)
    found = read_usual(response.to_wire(), QUESTION)
    assert found is not None
    theirs = [item for rrset in dns.message.from_wire(response.to_wire()).answer for item in rrset]
    assert [(r.order, r.preference, r.flags, r.service, r.regexp) for r in found.records] == [
        (i.order, i.preference, i.flags.decode(), i.service.decode(), i.regexp.decode())
        for i in theirs
        if isinstance(i, NAPTR)
    ]


def test_nxdomain_of_the_zone_is_a_no() -> None:
    assert read_usual(answer(code=3, above=SOA).to_wire(), QUESTION) == Usual((), 60)


@pytest.mark.parametrize(
    ("ttl", "minimum", "seconds"),
    [(60, 10, 10), (10, 60, 10), (3600, 900, 900), (0, 60, 0), (60, 0, 0), (2**31 - 1, 2**32 - 1, 2**31 - 1)],
)
def test_a_no_may_be_kept_for_the_lesser_of_ttl_and_minimum(ttl: int, minimum: int, seconds: int) -> None:
    soa = SOA.replace("sml.test. 60", f"sml.test. {ttl}").replace("4 60", f"4 {minimum}")
    assert read_usual(answer(code=3, above=soa).to_wire(), QUESTION) == Usual((), seconds)


def test_a_ttl_with_its_first_bit_set_is_none() -> None:
    wire = answer(code=3, above=SOA).to_wire()
    ttl = (60).to_bytes(4)
    assert wire.count(ttl) == 2, "the TTL and the minimum"
    assert read_usual(wire.replace(ttl, b"\xff\0\0\0", 1), QUESTION) == Usual((), 0)


def test_an_soa_without_its_numbers_is_left_to_the_library() -> None:
    wire = answer(code=3, above=SOA, edns=-1).to_wire()
    data = wire[wire.index(b"\x02ns\xc0") :]
    head = wire[: -len(data) - 2]
    assert read_usual(head + len(data).to_bytes(2) + data, QUESTION) == Usual((), 60)
    assert read_usual(head + (21).to_bytes(2) + data[:21], QUESTION) is None


@pytest.mark.parametrize(
    "response",
    [
        answer(),
        answer(code=3),
        answer(code=3, above=SOA.replace("sml.test. 60", "test. 60")),
        answer(code=3, above=SOA.replace("sml.test. 60", ". 60")),
        answer(code=3, above="sml.test. 60 IN NS ns.sml.test."),
        answer(GOOD[0], code=3, above=SOA),
        answer(code=2),
        answer(code=5),
        answer(GOOD[0], above=SOA),
        answer(GOOD[0], owner="b.sml.test"),
        answer('1 1 "U" "Meta:SMP" "" other.sml.test.'),
        answer(GOOD[0], code=16),
    ],
)
def test_whatever_else_is_left_to_the_library(response: dns.message.Message) -> None:
    assert read_usual(response.to_wire(), QUESTION) is None


def test_damaged_answers_are_never_read_as_another_no_or_yes() -> None:
    """Each octet changed in turn, and each length: nothing, or what the library reads as well."""
    chance = random.Random(6)
    for response in (answer(*GOOD), answer(code=3, above=SOA)):
        wire = response.to_wire()
        for place in range(len(wire)):
            for changed in (wire[:place], wire[:place] + bytes([chance.randrange(256)]) + wire[place + 1 :]):
                if len(changed) < 12 or not answers(changed, QUESTION) or is_cut(changed):
                    continue
                found = read_usual(changed, QUESTION)
                if found is None:
                    continue
                try:
                    theirs = dns.message.from_wire(changed)
                except dns.exception.DNSException:
                    assert found.records == (), "only the data of the SOA, which nobody needs, may be damaged"
                    continue
                items = [item for rrset in theirs.answer for item in rrset]
                assert len(items) == len({(r.order, r.preference, r.flags, r.service, r.regexp) for r in found.records})
                assert (theirs.rcode() == 3) == (found.records == ())


def test_an_answer_to_another_question_is_none() -> None:
    wire = answer(GOOD[0]).to_wire()
    assert answers(wire, QUESTION) and answers(wire.replace(b"a" * 52, b"A" * 52), QUESTION)
    assert not answers(wire, write_question(NAME, 4712, 1232))
    assert not answers(wire, write_question("b" * 52 + NAME[52:], 4711, 1232))
    assert not answers(QUESTION, QUESTION) and not answers(wire[:20], QUESTION) and not answers(b"", QUESTION)
