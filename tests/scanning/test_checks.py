"""Numbers with check digits, amounts and days, as they stand on paper."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scanning import checks


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (checks.organisation, "556721-2047", "5567212047"),
        (checks.organisation, "16556721-2047", "5567212047"),
        (checks.organisation, "556721-2048", None),  # the check digit
        (checks.organisation, "811218-9876", None),  # a person: the third digit is below 2
        (checks.swedish_vat, "SE 556721-2047 01", "5567212047"),
        (checks.swedish_vat, "SE556721204702", None),
        (checks.bankgiro, "160-9908", "1609908"),
        (checks.bankgiro, "160-9909", None),
        (checks.plusgiro, "4 15 12-8", None),
        (checks.iban, "FI21 1234 5600 0007 85", "FI2112345600000785"),
        (checks.iban, "FI21 1234 5600 0007 86", None),
        (checks.norwegian, "NO 974 760 673 MVA", "974760673"),
        (checks.norwegian, "974760674", None),
        (checks.finnish, "FI20774740", "20774740"),
        (checks.finnish, "2077474-1", None),
        (checks.danish, "DK13585628", "13585628"),
        (checks.danish, "13585629", None),
        (checks.finnish_reference, "1234 5672", "12345672"),
        (checks.finnish_reference, "12345671", None),
        (checks.rf_reference, "RF18 5390 0754 7034", "RF18539007547034"),
        (checks.rf_reference, "RF19 5390 0754 7034", None),
        (checks.kid, "1234567897", "1234567897"),
        (checks.kid, "1234567890", None),
        (checks.kid, "12345678", None),
    ],
)
def test_a_number_is_taken_with_its_check_digit_and_not_with_another(read, text, value) -> None:
    assert read(text) == value


def test_kid_by_modulus_11_may_end_in_a_hyphen() -> None:
    found = [f"{n}-" for n in range(1000, 1400) if checks.kid(f"{n}-")]
    assert found
    for text in found[:5]:
        weighed = sum(int(d) * w for d, w in zip(reversed(text[:-1]), (2, 3, 4, 5), strict=True))
        assert weighed % 11 == 1


@given(st.integers(10, 10**20), st.integers(0, 19), st.integers(1, 9))
def test_luhn_sees_every_single_wrong_digit(number: int, place: int, more: int) -> None:
    digits = str(number)
    good = next(f"{digits}{check}" for check in range(10) if checks.luhn(f"{digits}{check}"))
    at = place % len(good)
    assert not checks.luhn(good[:at] + str((int(good[at]) + more) % 10) + good[at + 1 :])


def test_the_length_digit_of_a_swedish_reference_is_a_second_check() -> None:
    assert checks.ocr_reference("49655541719") == "49655541719"
    assert checks.has_length_digit("49655541719")
    assert not checks.has_length_digit("1234566")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 234,50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1,234.50", "1234.50"),
        ("12 345 678,00 kr", "12345678.00"),
        ("SEK 99,90", "99.90"),
        ("-15,00", "-15.00"),
        ("15,00-", "-15.00"),
        ("1.234", None),  # a thousand or one and a bit?
        ("1,5", None),
        ("12,34,56", None),
        ("99999999999,00", None),
        ("٣,٠٠", None),
        ("NaN", None),
    ],
)
def test_amounts(text: str, value: str | None) -> None:
    assert checks.amount(text) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-28", date(2026, 11, 28)),
        ("28.11.2026", date(2026, 11, 28)),
        ("03/04/2026", date(2026, 4, 3)),
        ("20261128", date(2026, 11, 28)),
        ("261128", date(2026, 11, 28)),
        ("28 nov 2026", date(2026, 11, 28)),
        ("1 mars 2026", date(2026, 3, 1)),
        ("2026-02-30", None),
        ("1026-01-01", None),
    ],
)
def test_days(text: str, value: date | None) -> None:
    assert checks.day(text) == value


def test_vat_is_net_times_rate_to_the_ore_half_up() -> None:
    assert checks.rate_of(Decimal("100.50"), Decimal("25.13")) == 25
    assert checks.rate_of(Decimal("100.50"), Decimal("25.12")) is None


@given(st.text(max_size=60))
def test_nothing_that_is_printed_raises(text: str) -> None:
    for read in (checks.organisation, checks.swedish_vat, checks.bankgiro, checks.plusgiro, checks.iban, checks.kid,
                 checks.norwegian, checks.finnish, checks.danish, checks.rf_reference, checks.finnish_reference,
                 checks.ocr_reference, checks.amount, checks.day):  # fmt: skip
        read(text)
