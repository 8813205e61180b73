from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.address import COUNTRIES, country_name, letter_fault, letter_lines
from gateway.model.document import PostalAddress

HERE = PostalAddress(name="Exempel AB", street="Storgatan 1", postal_code="111 22", city="Stockholm", country="SE")


def test_a_letter_within_the_country_names_no_country() -> None:
    assert letter_lines(HERE, "SE") == ("Exempel AB", "Storgatan 1", "111 22 Stockholm")


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"country": "SE"}, ("111 22 Stockholm", "SWEDEN")),
        ({"country": "DE", "postal_code": "10117", "city": "Berlin"}, ("10117 Berlin", "GERMANY")),
        ({"country": "GB", "postal_code": "SW1A 1AA", "city": "London"}, ("London SW1A 1AA", "UNITED KINGDOM")),
        (
            {"country": "US", "postal_code": "10001", "city": "New York", "region": "NY"},
            ("New York NY 10001", "UNITED STATES"),
        ),
        ({"country": "CI", "postal_code": "", "city": "Abidjan"}, ("Abidjan", "CÔTE D'IVOIRE")),
    ],
)
def test_a_letter_abroad_ends_with_the_country_in_capitals(changes: dict[str, str], last: tuple[str, ...]) -> None:
    address = replace(HERE, **changes)
    assert letter_lines(address, "NO")[-2:] == last
    assert letter_fault(address, "NO") == ""


def test_all_lines_stand_in_the_order_of_an_envelope() -> None:
    full = replace(HERE, attention="Ekonomi", additional="Box 7", extra_line="Hus B")
    assert letter_lines(full, "SE") == (
        "Exempel AB",
        "Attn: Ekonomi",
        "Storgatan 1",
        "Box 7",
        "Hus B",
        "111 22 Stockholm",
    )
    assert letter_lines(full, "SE", "sv")[1] == "Att: Ekonomi"
    assert letter_lines(replace(full, attention="Exempel AB"), "SE")[1] == "Storgatan 1"
    assert letter_fault(full, "SE") == ""
    assert len(letter_lines(full, "NO")) == 7 and letter_fault(full, "NO") == ""


def test_a_swedish_postal_code_has_its_blank() -> None:
    assert letter_lines(replace(HERE, postal_code="11122"), "SE")[-1] == "111 22 Stockholm"


def test_line_ends_and_control_characters_make_no_lines() -> None:
    assert letter_lines(replace(HERE, name="Exempel\r\nAB\x00 \u202e x"), "SE")[0] == "Exempel AB x"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"street": "", "postal_code": "", "city": ""}, "no postal address for the receiver on the invoice"),
        ({"name": ""}, "the receiver's postal address has no name"),
        ({"city": ""}, "the receiver's postal address has no city"),
        ({"name": "", "city": ""}, "the receiver's postal address has no name and no city"),
        ({"postal_code": ""}, "the receiver's postal address has no postal code"),
        ({"country": "ZZ"}, 'the receiver\'s country "ZZ" is not a country code'),
        ({"street": "x" * 46}, f'"{"x" * 46}" is longer than the 45 characters that an envelope\'s window shows'),
    ],
)
def test_what_a_postman_could_not_find_is_said(changes: dict[str, str], fault: str) -> None:
    assert letter_fault(replace(HERE, **changes), "SE") == fault


@pytest.mark.parametrize("changes", [{"street": ""}, {"street": "", "additional": "Box 7"}, {"country": ""}])
def test_an_own_postal_code_a_box_or_a_missing_country_are_enough(changes: dict[str, str]) -> None:
    assert letter_fault(replace(HERE, **changes), "SE") == ""


def test_every_country_has_a_name_that_fits_a_line() -> None:
    assert len(COUNTRIES) == 251
    assert all(len(code) == 2 and code.isupper() and 3 < len(name) <= 45 for code, name in COUNTRIES.items())
    assert country_name("SE") == "Sweden" and country_name("??") == "??"
