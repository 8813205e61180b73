"""gateway.model.schemes: every scheme of the code list, and what a person is told about an identifier."""

from __future__ import annotations

import re
from datetime import date

import pytest

from gateway.errors import InvalidAddress
from gateway.model.schemes import State, read_own, read_typed, scheme_of, schemes, service_provider

DAY = date(2026, 11, 28)


def test_the_list_has_what_9_7_has() -> None:
    states = [scheme.state for scheme in schemes().values()]
    assert (len(states), states.count(State.ACTIVE)) == (105, 84)
    assert (states.count(State.DEPRECATED), states.count(State.REMOVED)) == (5, 16)
    for scheme in schemes().values():
        re.compile(scheme.pattern)
        assert (scheme.state is State.REMOVED) <= (not scheme.registrable and scheme.removed is not None)
        assert not scheme.successor or schemes()[scheme.successor].state is State.ACTIVE


def test_a_removed_scheme_says_what_to_write_instead() -> None:
    with pytest.raises(InvalidAddress) as caught:
        read_typed("9955:SE556012579001", DAY)
    assert str(caught.value) == "9955 (SE:VAT) was removed in 2023, use 0007:5560125790"
    assert "0007:5560125790" in caught.value.remedy
    with pytest.raises(InvalidAddress, match=r"9901 \(DK:CPR\) was removed in 2023$"):
        read_typed("9901:0101010101", DAY)
    with pytest.raises(InvalidAddress, match=r"use 0216 \(FI:OVT2\)"):
        read_typed("0215:x", DAY)


def test_a_scheme_is_removed_on_its_day_and_not_before() -> None:
    assert "is deprecated: it still works" in read_typed("0193:abcd", date(2026, 7, 6)).warnings[0]
    with pytest.raises(InvalidAddress, match="was removed in 2026"):
        read_typed("0193:abcd", date(2026, 7, 7))


def test_a_deprecated_scheme_works_with_a_warning_but_not_for_somebody_new() -> None:
    typed = read_typed("9909:NO991825827MVA", DAY)
    assert typed.participant.value == "9909:no991825827mva"
    assert typed.warnings == ("9909 (NO:VAT) is deprecated: it still works, use 0192:991825827",)
    with pytest.raises(InvalidAddress, match=r"nobody new may be registered under it, use 0192:991825827"):
        read_own("9909:NO991825827MVA", DAY, strict=False)


def test_nobody_is_registered_where_the_list_says_no() -> None:
    assert read_typed("0205:abc", DAY).warnings == ()
    with pytest.raises(InvalidAddress, match="nobody may be registered under 0205"):
        read_own("0205:abc", DAY, strict=False)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("5567212047", "Did you mean 0007:5567212047?"),
        ("SE556721204701", "Did you mean 0007:5567212047?"),
        ("556721-2047", "Did you mean 0007:5567212047?"),
        ("7300010000001", "Did you mean 0088:7300010000001?"),
    ],
)
def test_a_bare_number_gets_a_proposal(text: str, remedy: str) -> None:
    with pytest.raises(InvalidAddress, match="has no scheme before it") as caught:
        read_typed(text, DAY)
    assert caught.value.remedy == remedy


def test_a_scheme_that_is_not_in_the_list_is_a_warning_and_refused_only_for_our_own() -> None:
    assert read_typed("0070:5567212047", DAY).warnings == (
        "0070 is no scheme of code list 9.7; did you mean 0007:5567212047?",
    )
    assert read_own("0999:x", DAY, strict=False).warnings
    with pytest.raises(InvalidAddress, match="0999 is no scheme"):
        read_own("0999:x", DAY, strict=True)


@pytest.mark.parametrize(
    "value",
    [
        "0007:5567212047",
        "0007:2021001173",
        "0002:784301772",
        "0088:7300010000001",
        "0192:991825827",
        "0208:0848934496",
        "0242:000306",
        "0184:12345674",
        "0216:003723327487",
        "0151:83914571673",
        "0106:12345678",
        "9930:de136695976",
        "0225:784301772",
        "0204:04011000-1234512345-06",
    ],
)
def test_good_numbers_pass(value: str) -> None:
    typed = read_own(value, DAY, strict=True)
    assert (typed.participant.value, typed.warnings) == (value, ())


@pytest.mark.parametrize(
    "value",
    [
        "0007:5567212048",
        "0002:784301773",
        "0009:78430177200000",
        "0088:7300010000002",
        "0192:991825828",
        "0208:0848934497",
        "0151:83914571674",
        "0196:1201743389",
        "0198:dk12345675",
        "0199:5493001kjtiigc8y1r13",
    ],
)
def test_a_wrong_check_digit_is_a_warning_except_for_our_own_in_a_real_network(value: str) -> None:
    assert "check digit" in read_typed(value, DAY).warnings[0]
    assert "check digit" in read_own(value, DAY, strict=False).warnings[0]
    with pytest.raises(InvalidAddress, match="check digit"):
        read_own(value, DAY, strict=True)


def test_the_form_counts_for_our_own_and_is_mended() -> None:
    warned = read_typed("0007:556721-2047", DAY).warnings[0]
    assert "does not have the form" in warned and warned.endswith(" Write 0007:5567212047.")
    with pytest.raises(InvalidAddress, match="does not have the form") as caught:
        read_own("0007:556721-2047", DAY, strict=False)
    assert caught.value.remedy == "Write 0007:5567212047."
    assert read_own("0235:9999999999", DAY, strict=True).warnings  # live participants have such numbers


def test_check_digits_that_only_we_know_never_refuse() -> None:
    assert "check digit" in read_own("9930:de136695977", DAY, strict=True).warnings[0]


def test_a_service_provider_has_an_identifier_of_its_seat() -> None:
    assert service_provider("pop000306").value == "0242:000306"
    with pytest.raises(InvalidAddress, match="is no seat"):
        service_provider("POP306")
    assert scheme_of("0242") is not None
    assert scheme_of("0001") is None
