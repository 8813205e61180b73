"""gateway.smp.locator: names for DNS, and NAPTR records read strictly."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidAnswer
from gateway.model.identifiers import ParticipantId
from gateway.security.weburl import WebRules
from gateway.smp.locator import Naptr, label, query_name, read_location

STRICT = WebRules()


@pytest.mark.parametrize(
    ("participant", "expected"),
    [
        ("9915:test", "eh5boavaktmbgzyh2a63dz4qov33fvp5nsdvqklucfraayoodw6a"),
        ("9915:helger", "xaspi62pj5mhtmoctwvma5h7nxtovckgda3yquqzex3hc46xp46a"),
        ("0088:123abc", "y7dzfxaf3d4cjz4kcgrxtec6twvcga4ky7zwa5boif6mswd4tdrq"),
        ("0088:123ABC", "y7dzfxaf3d4cjz4kcgrxtec6twvcga4ky7zwa5boif6mswd4tdrq"),
        ("0010:5798000000001", "xukhfqabqziki3ykvr2fhr4snfa3pf5vpq6k4tonv3lmvsy5arvq"),
        ("0088:1234567890123", "sjsyvccmqyjxk3weuapffq4x3umcrf4qryherj4vovhmonh7gccq"),
        ("0007:5567212047", "rcsczagm4pzm6pilbkkqmravs5mnw5sjup4cotxn6e4ah3kcmodq"),
        ("0242:000306", "ruslvhnsd3wsiewze5l6zqlggde6pvkp4ewan2v4ellildm6pvka"),
    ],
)
def test_published_vectors(participant: str, expected: str) -> None:
    assert label(ParticipantId.parse(participant)) == expected
    name = query_name(ParticipantId.parse(participant), "participant.sml.prod.tech.peppol.org.")
    assert name == f"{expected}.iso6523-actorid-upis.participant.sml.prod.tech.peppol.org"


def test_an_identifier_made_without_parsing_gives_the_same_name() -> None:
    assert label(ParticipantId("0088:123ABC")) == label(ParticipantId.parse("0088:123abc"))


def naptr(
    regexp: str = "!.*!https://smp.example.org/!",
    order: int = 100,
    preference: int = 10,
    flags: str = "U",
    service: str = "Meta:SMP",
) -> Naptr:
    return Naptr(order=order, preference=preference, flags=flags, service=service, regexp=regexp)


@pytest.mark.parametrize(
    ("record", "url"),
    [
        (naptr(), "https://smp.example.org"),
        (naptr("!^.*$!https://smp.example.org/path!"), "https://smp.example.org/path"),
        (naptr("!.*!https://smp.example.org//!"), "https://smp.example.org/"),
        (naptr(flags="u", service="meta:smp"), "https://smp.example.org"),
    ],
)
def test_the_forms_in_use_are_read(record: Naptr, url: str) -> None:
    assert read_location([record], STRICT) == url


def test_lowest_order_counts_before_lowest_preference() -> None:
    records = [
        naptr("!.*!https://c.example.org!", 200, 1),
        naptr("!.*!https://b.example.org!", 100, 20),
        naptr("!.*!https://a.example.org!", 100, 10),
        naptr("!.*!https://other.example.org!", 1, 1, service="Meta:Other"),
    ]
    assert read_location(records, STRICT) == "https://a.example.org"


def test_a_record_that_cannot_be_followed_does_not_hide_a_good_one() -> None:
    records = [naptr("!.*!http://a.example.org!", 1), naptr("!.*!https://b.example.org!", 2)]
    assert read_location(records, STRICT) == "https://b.example.org"


@pytest.mark.parametrize(
    "regexp",
    [
        *("", "!", "!!!", "!.*!!", ".*!https://smp.example.org!", "!.*!https://smp.example.org"),
        *("!.*!https://smp.example.org!i", "!.*!https://smp.example.org!x!", "#.*#https://smp.example.org#"),
        *("/.*/https:..smp.example.org/", "!.+!https://smp.example.org!", "!(.*)!https://smp.example.org/\\1!"),
        *("!^(.*)$!https://\\1.example.org!", "!.*!https://smp.example.org/\\!", "!.*!http://smp.example.org!"),
        *("!.*!https://127.0.0.1!", "!.*!https://[::1]!", "!.*!https://u@smp.example.org!", "!.*!https://localhost!"),
        *("!.*!https://smp.example.org:8080!", "!.*!smp.example.org!", "!.*!https://smp.example.org/?q!"),
        *("!.*!https://smp.example.org/ x!", "!.*!https://smp.example.org/#!", "!.*!ftp://smp.example.org!"),
        *("!.*!https://2130706433/!", "!.*!https://0x7f.1!", "!.*!javascript:alert(1)!", "!.*!\thttps://a.example!"),
        "!.*!https://smp.example.org/" + "a" * 600 + "!",
    ],
)
def test_only_the_strict_form_is_followed(regexp: str) -> None:
    with pytest.raises(InvalidAnswer, match="cannot be followed"):
        read_location([naptr(regexp)], STRICT)


@pytest.mark.parametrize("record", [naptr(service="https://smp.example.org"), naptr(flags="S"), naptr(service="")])
def test_records_of_other_services_are_no_smp(record: Naptr) -> None:
    with pytest.raises(InvalidAnswer, match="Meta:SMP"):
        read_location([record], STRICT)


def test_a_private_network_may_use_http_and_loopback() -> None:
    rules = WebRules(allow_http=True, allow_loopback=True)
    assert read_location([naptr("!.*!http://127.0.0.1:8082/!")], rules) == "http://127.0.0.1:8082"


def test_of_a_thousand_records_the_lowest_order_counts_and_few_are_tried() -> None:
    """DNS gives records in any order."""
    assert read_location([naptr(service="Meta:Other")] * 1_000 + [naptr()], STRICT)
    broken = [naptr(regexp="!x!", order=1 + number) for number in range(1_000)]
    with pytest.raises(InvalidAnswer, match="cannot be followed"):
        read_location([*broken, naptr(order=2_000)], STRICT)
