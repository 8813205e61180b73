"""What can be switched to go wrong in a market, and that each leads to the right verdict; lists and OCSP are real."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from gateway.app import FIRST_ACCOUNT
from gateway.cli import main
from gateway.errors import ConfigurationError, LookupUnavailable
from gateway.model.identifiers import DocumentTypeId
from gateway.model.lifecycle import State
from gateway.model.relation import Reachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.network import front
from gateway.network.authorities import Authorities
from gateway.network.faults import FAULTS, faults_of, set_fault
from gateway.network.market import new_market, read_market
from gateway.pki.watch import Watch
from gateway.security.authority import load_authority
from gateway.security.ocsp import question, read_answer
from gateway.security.revocation import read_list
from gateway.smp.fetch import Timeouts
from tests.trips.conftest import FACTS, NETWORK, Corner, Town, open_town

ORDER = DocumentTypeId("urn:oasis:names:specification:ubl:schema:xsd:Order-2::Order##urn:x::2.1")


@pytest.fixture(scope="module")
def believing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("believing") / "market"
    new_market(directory, 2, now=datetime.now(UTC), revocation=True)
    return directory


@pytest.fixture
async def town(tmp_path: Path, believing: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    monkeypatch.setattr(front, "SLOW_SECONDS", 5.0)
    async with open_town(tmp_path, believing) as town:
        yield town


def watch_of(corner: Corner) -> Watch:
    watch = corner.gateway.certificates.watch
    assert watch is not None
    return watch


async def verdict(town: Town, document_type: DocumentTypeId = BILLING_INVOICE) -> str:
    """What the sender finds about the buyer, asked anew, with fresh lists."""
    lookup = town.sender.gateway.lookup
    lookup.forget()
    watch_of(town.sender).hasten()
    await watch_of(town.sender).settle()
    assert FACTS.buyer.endpoint
    try:
        found = await lookup.find_afresh(FACTS.buyer.endpoint, document_type, BILLING_PROCESS)
    except LookupUnavailable as error:
        return f"indeterminate: {error}"
    return "positive" if isinstance(found, Reachable) else f"negative: {found.text}"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("servfail", "SERVFAIL"),
        ("broken-smp", "status 503"),
        ("forged-smp", "does not fit the document"),
        ("redirect-loop", "redirects again"),
        ("revoked-ap", "revoked since"),
        ("slow-smp", "no answer within"),
    ],
)
async def test_a_fault_leads_to_no_verdict_and_its_end_to_the_right_one(town: Town, fault: str, says: str) -> None:
    town.sender.gateway.lookup._around.fetcher._timeouts = Timeouts(total=1.0 if fault == "slow-smp" else 10.0)
    set_fault(town.market, fault, "gateway2", on=True)
    found = await verdict(town)
    assert found.startswith("indeterminate") and says in found
    town.sender.gateway.lookup._around.fetcher._timeouts = Timeouts()
    set_fault(town.market, fault, "gateway2", on=False)
    assert await verdict(town) == "positive"
    assert faults_of(town.market).all() == {}


async def test_a_lying_smp_says_yes_to_what_nobody_takes(town: Town) -> None:
    assert (await verdict(town, ORDER)).startswith("negative")
    set_fault(town.market, "lying-smp", "", on=True)
    lookup = town.sender.gateway.lookup
    assert FACTS.buyer.endpoint
    found = await lookup.find_afresh(FACTS.buyer.endpoint, ORDER, BILLING_PROCESS)
    assert isinstance(found, Reachable)
    assert any("its list of 2 lacks it" in step.answer for step in found.steps)


async def test_a_fault_of_one_gateway_leaves_the_other_alone(town: Town) -> None:
    set_fault(town.market, "servfail", "gateway1", on=True)
    assert await verdict(town) == "positive"
    assert FACTS.seller.endpoint
    with pytest.raises(LookupUnavailable, match="SERVFAIL"):
        await town.receiver.gateway.lookup.find_afresh(FACTS.seller.endpoint, BILLING_INVOICE, BILLING_PROCESS)


async def test_a_revoked_access_point_is_refused_by_those_it_sends_to(town: Town) -> None:
    for corner in (town.sender, town.receiver):
        await watch_of(corner).settle()
    good = await town.sender.submit(NETWORK)
    await town.sender.work()
    assert (await town.sender.now(good)).state is State.SENT
    set_fault(town.market, "revoked-ap", "gateway1", on=True)
    watch_of(town.receiver).hasten()
    await watch_of(town.receiver).settle()
    number = f"<cbc:ID>{FACTS.number}</cbc:ID>".encode()
    bad = await town.sender.submit(NETWORK.replace(number, b"<cbc:ID>REVOKED-1</cbc:ID>"))
    await town.sender.work()
    now = await town.sender.now(bad)
    assert now.state is not State.SENT
    timeline = await town.sender.gateway.store.timeline(FIRST_ACCOUNT, bad.id)
    assert any("EBMS:0101" in event.reason for event in timeline)


async def test_without_lists_nobody_new_is_believed(tmp_path: Path, believing: Path) -> None:
    set_fault(read_market(believing), "no-lists", "", on=True)
    try:
        async with open_town(tmp_path, believing) as town:
            found = await verdict(town)
            assert found.startswith("indeterminate") and "cannot be judged now" in found
            set_fault(town.market, "no-lists", "", on=False)
            assert await verdict(town) == "positive"
    finally:
        set_fault(read_market(believing), "no-lists", "", on=False)


def test_ocsp_says_what_the_list_says(believing: Path) -> None:
    market, pki = read_market(believing), believing / "pki"
    names = ("root", "ap-ca", "smp-ca")
    authorities = Authorities(market, faults_of(market), {name: load_authority(pki, name) for name in names})
    issuer = authorities.issued["ap-ca"].certificate
    first, second = (
        x509.load_pem_x509_certificate((m.directory / f"{m.seat}.pem").read_bytes()) for m in market.members
    )
    set_fault(market, "revoked-ap", "gateway2", on=True)
    now = datetime.now(UTC)
    for certificate, revoked in ((first, False), (second, True)):
        said = read_answer(authorities.say(question(certificate, issuer)), certificate, issuer, now)
        assert (said.revoked is not None) == revoked
        held = read_list(authorities.list_of("ap-ca"), [issuer], now)
        assert (held.find(certificate.serial_number) is not None) == revoked
    set_fault(market, "revoked-ap", "", on=False)
    for nonsense in (b"", b"x", authorities.list_of("root")):
        assert ocsp.load_der_ocsp_response(authorities.say(nonsense)).response_status.name == "MALFORMED_REQUEST"


def test_the_switches_are_thrown_and_listed_from_the_command_line(
    believing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["network", "fault", str(believing), "lying-smp", "--on", "--gateway", "gateway2"]) == 0
    capsys.readouterr()
    assert main(["network", "fault", str(believing), "--json"]) == 0
    listed = {each["fault"]: each["on"] for each in json.loads(capsys.readouterr().out)}
    assert set(listed) == set(FAULTS) and listed["lying-smp"] == ["gateway2"] and listed["servfail"] == []
    assert main(["network", "fault", str(believing), "lying-smp", "--off"]) == 0
    assert faults_of(read_market(believing)).all() == {}
    for wrong in (["nothing", "--on"], ["servfail"], ["servfail", "--on", "--gateway", "gateway9"]):
        assert main(["network", "fault", str(believing), *wrong]) == 2


def test_a_market_without_revocation_has_no_lists_to_switch(tmp_path: Path) -> None:
    market = new_market(tmp_path / "market", 1, now=datetime.now(UTC))
    with pytest.raises(ConfigurationError, match="--revocation"):
        set_fault(market, "revoked-ap", "", on=True)
    assert market.lists is None
