"""Which identifiers are looked up for a company, in which order."""

from __future__ import annotations

import pytest

from gateway.model.document import Company, PostalAddress
from gateway.model.identifiers import ParticipantId
from gateway.ubl import invoice
from gateway.ubl.candidates import MAX_CANDIDATES, candidates
from tests.ubl.ubl_parts import example


def _values(company: Company) -> list[str]:
    return [candidate.participant.value for candidate in candidates(company)]


def _in(country: str, *, legal_id: str = "", vat_id: str = "") -> Company:
    return Company(legal_id=legal_id, vat_id=vat_id, address=PostalAddress(country=country))


def test_the_electronic_address_comes_first_then_party_legal_and_vat() -> None:
    company = Company(
        endpoint=ParticipantId.parse("0088:7300010000001"),
        identifiers=(("0060", "123456789"), ("0007", "5567987606")),
        legal_id="5567987606",
        legal_id_scheme="0007",
        vat_id="SE556712340001",
        address=PostalAddress(country="SE"),
    )
    found = candidates(company)
    assert [c.participant.value for c in found][:4] == [
        "0088:7300010000001",
        "0060:123456789",
        "0007:5567987606",
        "0007:5567123400",
    ]
    assert found[0].origin == "electronic address"
    assert found[2].origin == "legal identifier 5567987606"
    assert found[3].origin == "VAT number SE556712340001"


@pytest.mark.parametrize("written", ["556721-2047", "5567212047", "165567212047", "55 67 21 20 47"])
def test_a_swedish_number_is_found_in_every_spelling(written: str) -> None:
    assert _values(_in("SE", legal_id=written)) == ["0007:5567212047", "0088:7365567212048"]


def test_a_swedish_vat_number_gives_the_organisation_number() -> None:
    assert _values(_in("SE", vat_id="SE556721204701"))[0] == "0007:5567212047"


@pytest.mark.parametrize(("number", "gln"), [("5567212047", "7365567212048"), ("5561043539", "7365561043532")])
def test_the_gln_of_a_swedish_company_is_derived(number: str, gln: str) -> None:
    assert f"0088:{gln}" in _values(_in("SE", legal_id=number))


def test_a_number_with_a_wrong_check_digit_is_not_looked_up() -> None:
    assert _values(_in("SE", legal_id="5567212048")) == []
    assert (
        _values(Company(identifiers=(("0088", "7300010000002"), ("0192", "991825828"), ("0208", "0848934497")))) == []
    )


@pytest.mark.parametrize("gln", ["00", "14977", "73000100000011"])
def test_a_gln_has_exactly_thirteen_digits(gln: str) -> None:
    assert _values(Company(identifiers=(("0088", gln),))) == []


def test_a_gln_may_end_in_the_check_digit_zero() -> None:
    assert _values(Company(identifiers=(("0088", "7080001113360"),))) == ["0088:7080001113360"]


def test_the_electronic_address_is_taken_as_written_even_with_a_wrong_check_digit() -> None:
    assert _values(Company(endpoint=ParticipantId.parse("0007:1234567890"))) == ["0007:1234567890"]


@pytest.mark.parametrize(
    ("removed", "now"),
    [
        ("9955:SE556721204701", "0007:5567212047"),
        ("9908:991825827", "0192:991825827"),
        ("9956:0848934496", "0208:0848934496"),
        ("9906:IT12345678903", "0211:it12345678903"),
        ("9955:nonsense", "9955:nonsense"),
    ],
)
def test_a_removed_scheme_is_translated_to_its_successor(removed: str, now: str) -> None:
    assert _values(Company(endpoint=ParticipantId.parse(removed))) == [now]


def test_a_deprecated_scheme_still_works_and_its_successor_comes_after() -> None:
    endpoint = ParticipantId.parse("9909:NO991825827MVA")
    assert _values(Company(endpoint=endpoint)) == ["9909:no991825827mva", "0192:991825827"]


@pytest.mark.parametrize(
    ("company", "first"),
    [
        (_in("NO", vat_id="NO991825827MVA"), "0192:991825827"),
        (_in("DK", vat_id="DK13585628"), "0184:13585628"),
        (_in("FI", legal_id="2077474-0"), "0216:003720774740"),
        (_in("BE", vat_id="BE0848.934.496"), "0208:0848934496"),
        (_in("DE", vat_id="DE123456788"), "9930:de123456788"),
        (_in("FR", legal_id="784301772"), "0225:784301772"),
        (_in("", vat_id="SE556721204701"), "0007:5567212047"),
    ],
)
def test_each_country_has_its_first_choice(company: Company, first: str) -> None:
    assert _values(company)[0] == first


def test_nothing_known_gives_no_candidate() -> None:
    assert candidates(Company(name="Exempel Bageri")) == ()
    assert candidates(invoice.read(example("letter")).buyer)[0].participant.value == "0007:5567121388"


def test_each_identifier_is_asked_once_and_there_are_at_most_twelve() -> None:
    numbers = tuple(("0130", f"A{number}") for number in range(30))
    assert len(_values(Company(identifiers=numbers))) == MAX_CANDIDATES
    assert _values(Company(identifiers=(("0130", "A"), ("0130", "a")))) == ["0130:a"]
