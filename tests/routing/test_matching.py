"""Parties are one when number and name agree; digits alone never make them one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, Role
from gateway.model.document import Company, PostalAddress
from gateway.model.identifiers import AccountId
from gateway.routing.matching import alike, match

NOW = datetime(2026, 11, 25, tzinfo=UTC)
KEY = "0007:5567212047"


def known(id_: str, name: str, *, number: str = "5567212047", scheme: str = "0007", **more: Any) -> Counterpart:
    numbers = (Identifier(scheme=scheme, value=number, origin=more.pop("of", Origin.MASTER_DATA)),) if number else ()
    return Counterpart(
        id=CounterpartId(id_),
        account=AccountId("a"),
        role=Role.CUSTOMER,
        name=name,
        identifiers=numbers,
        created=NOW,
        updated=NOW,
        **more,
    )


BUYER = Company(name="Nordisk Kontorsmaterial AB", address=PostalAddress(postal_code="903 26", country="SE"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Nordisk Kontorsmaterial AB", "NORDISK KONTORSMATERIAL AKTIEBOLAG (publ)", True),
        ("Åkeri Öst AB", "Akeri Ost", True),
        ("Kalmar Kommun", "Kalmar kommun, Barn- och utbildningsförvaltningen", True),
        ("Nordisk Kontorsmaterial", "Nordisk Kontorsmateriel", True),
        ("Norra Bygg AB", "Södra Bygg AB", False),
        ("Bygg AB", "Bygg & Plåt i Umeå AB", False),
        ("AB", "AB", True),
        ("", "", False),
    ],
)
def test_names_that_may_be_of_one_party(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is same is alike(other, one)


def test_number_and_name_make_a_match() -> None:
    assert match(BUYER, [KEY], [known("c", "Nordisk kontorsmaterial")]).counterpart
    assert match(BUYER, [KEY], [known("c", "Annat", names=("Nordisk Kontorsmaterial",))]).counterpart


def test_digits_alone_make_none_and_a_person_hears_of_it() -> None:
    found = match(BUYER, [KEY], [known("c", "Helt Annat Bolag AB")])
    assert found.counterpart is None and found.name_mismatch and found.doubt
    assert "Helt Annat Bolag AB" in found.doubt.en


def test_the_same_digits_in_another_scheme_or_of_an_operator_are_another_number() -> None:
    other = known("c", "Nordisk Kontorsmaterial AB", scheme="0192")
    assert match(BUYER, [KEY], [other]).counterpart is None
    eid = known("c", "Nordisk Kontorsmaterial AB", of=Origin.OPERATOR_EID, address=PostalAddress(postal_code="11122"))
    assert match(BUYER, [KEY], [eid]).counterpart is None


def test_several_with_number_and_name_need_the_exact_name() -> None:
    rows = [known("c1", "Nordisk Kontorsmaterial AB"), known("c2", "Nordisk Kontorsmaterial AB Umeå")]
    assert (one := match(BUYER, [KEY], rows).counterpart) and one.id == "c1"
    twins = [known("c1", "Nordisk Kontorsmaterial AB"), known("c2", "Nordisk Kontorsmaterial")]
    found = match(BUYER, [KEY], twins)
    assert found.counterpart is None and found.doubt


def test_a_name_alone_is_enough_only_in_the_same_place() -> None:
    row = known("c", "Nordisk Kontorsmaterial AB", number="", address=PostalAddress(postal_code="90326"))
    assert match(BUYER, [], [row]).counterpart
    away = known("c", "Nordisk Kontorsmaterial AB", number="", address=PostalAddress(postal_code="111 22"))
    assert match(BUYER, [], [away]).counterpart is None


def test_one_that_an_invoice_brought_stays_doubtful_beside_the_registers_own() -> None:
    rows = [
        known("born", "Nordisk Kontorsmaterial AB", origin=Origin.INVOICE),
        known("own", "Helt Annat Bolag AB"),
    ]
    found = match(BUYER, [KEY], rows)
    assert found.counterpart and found.counterpart.id == "born" and found.name_mismatch
