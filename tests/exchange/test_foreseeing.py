"""What would happen to an invoice today: the decision's own sentences, from stored answers, and never a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.exchange.foreseeing import Foreseeing, Foreseen
from gateway.model.counterpart import Counterpart, CounterpartId, Identifier, Origin, PartyKind, Profile, Quality, Role
from gateway.model.document import PostalAddress
from gateway.model.identifiers import AccountId
from gateway.model.message import Direction, Route
from gateway.model.relating import EvidenceId, LookupEvidence, Relation, RelationState, Verdict

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ACCOUNT = AccountId("exempel-ab")
KEY = "0007:5567212047"
ONE = Counterpart(
    id=CounterpartId("c1"),
    account=ACCOUNT,
    role=Role.CUSTOMER,
    name="Exempelkund 1 AB",
    country="SE",
    kind=PartyKind.BUSINESS,
    email="faktura@kund.example",
    address=PostalAddress(name="Exempelkund 1 AB", street="Storgatan 1", city="Exempelstad"),
    identifiers=(Identifier(scheme="0007", value="5567212047", origin=Origin.MASTER_DATA),),
    created=NOW,
    updated=NOW,
)


class Now:
    def now(self) -> datetime:
        return NOW


class Rows:
    async def profile(self, account: AccountId) -> Profile:
        return Profile()


class Stored:
    relations = Rows()


def said(verdict: Verdict, ago: timedelta = timedelta(hours=1), key: str = KEY) -> LookupEvidence:
    return LookupEvidence(
        id=EvidenceId("e1"), account=ACCOUNT, participant=key, asked="SML", verdict=verdict, text="x", time=NOW - ago
    )


async def look(
    one: Counterpart, evidence: Sequence[LookupEvidence] = (), ways: Sequence[Relation] = (), **more: Any
) -> Foreseen:
    nothing: Any = Stored()
    channels = more.get("channels", ("email", "print"))
    foreseeing = Foreseeing(store=nothing, lookup=nothing, clock=Now(), channels=channels, country="SE")
    return await foreseeing.foresee(one, ways, evidence)


async def test_a_recent_yes_goes_as_e_invoice_and_a_recent_no_as_mail() -> None:
    assert (await look(ONE, [said(Verdict.POSITIVE)])).outlook == "peppol"
    assert (await look(ONE, [said(Verdict.NEGATIVE)])).outlook == "email"


async def test_dont_know_waits_and_no_answer_is_no_answer() -> None:
    assert (await look(ONE, [said(Verdict.INDETERMINATE)])).outlook == "wait"
    assert (await look(ONE)).outlook == "ask"
    assert (await look(ONE, [said(Verdict.NEGATIVE, timedelta(days=8))])).outlook == "ask", "too old to be believed"
    other = Identifier(scheme="0088", value="7300010000001", origin=Origin.MASTER_DATA)
    two = replace(ONE, identifiers=(*ONE.identifiers, other))
    assert (await look(two, [said(Verdict.NEGATIVE)])).outlook == "ask", "one of two addresses was not asked for"


async def test_an_explicit_route_is_that_route_whatever_the_network_says() -> None:
    assert (await look(replace(ONE, route=Route.PRINT), [said(Verdict.POSITIVE)])).outlook == "print"


async def test_the_next_way_is_taken_where_one_lacks_its_address_and_the_sentence_says_so() -> None:
    without = await look(replace(ONE, email=""), [said(Verdict.NEGATIVE)])
    assert without.outlook == "print"
    assert any("ingen e-postadress" in one.sv for one in without.said)
    bad = replace(ONE, email_quality=Quality.BAD, address=PostalAddress())
    assert (await look(bad, [said(Verdict.NEGATIVE)])).outlook == "none"


async def test_without_a_number_the_network_says_nothing_and_who_opted_out_is_not_asked() -> None:
    assert (await look(replace(ONE, identifiers=()))).outlook == "email"
    assert (await look(replace(ONE, opt_out=("peppol", "email")))).outlook == "print"


async def test_a_public_buyer_without_e_invoice_is_for_a_person() -> None:
    assert (await look(replace(ONE, kind=PartyKind.PUBLIC), [said(Verdict.NEGATIVE)])).outlook == "hold"


async def test_a_receiver_that_is_left_alone_waits_until_then() -> None:
    until = NOW + timedelta(hours=3)
    alone = Relation(
        account=ACCOUNT,
        counterpart=ONE.id,
        direction=Direction.OUT,
        state=RelationState.QUARANTINED,
        participant=KEY,
        since=NOW,
        next_check=until,
        created=NOW,
        updated=NOW,
    )
    found = await look(ONE, [said(Verdict.POSITIVE)], [alone])
    assert (found.outlook, found.until) == ("wait", until)
