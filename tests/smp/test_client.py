"""gateway.smp.client: the search is remembered as long as it may be, and never made twice at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import ConfigurationError, LookupUnavailable
from gateway.model.identifiers import ParticipantId
from gateway.model.relation import Reachable, Reason, Unreachable
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Lookup
from gateway.smp import zone
from gateway.smp.client import Listing, SmpLookup
from gateway.smp.metadata import path
from tests.smp.smp_parts import BUYER, NOW, OTHER, ZONE, FixedClock, Network, searching, status

METADATA = path(BUYER, str(BILLING_INVOICE))


async def find(network: Network, participant: ParticipantId = BUYER) -> Reachable | Unreachable:
    return await network.lookup.find(participant, BILLING_INVOICE, BILLING_PROCESS)


def at(network: Network, **later: float) -> None:
    network.clock.time = NOW + timedelta(**later)


async def test_it_fits_the_socket(network: Network) -> None:
    lookup: Lookup = network.lookup
    network.smp.all_well()
    assert isinstance(await lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS), Reachable)


async def test_a_positive_answer_is_kept_for_fifteen_minutes_and_says_so(network: Network) -> None:
    network.smp.all_well()
    first = await find(network)
    at(network, minutes=14, seconds=59)
    second = await find(network)
    assert network.smp.asked.count(METADATA) == 1
    assert isinstance(first, Reachable) and isinstance(second, Reachable)
    assert second.endpoint == first.endpoint
    assert all(step.answer.endswith("(kept from an earlier search)") for step in second.steps)
    assert not any("kept" in step.answer for step in first.steps)
    assert network.smp.asked.count(METADATA) == 1


async def verified(network: Network) -> None:
    """Come back when nothing is being verified any more."""
    assert network.lookup._beside is not None
    await network.lookup._beside.settled()


async def test_past_its_freshness_it_is_used_at_once_and_verified_beside_that(network: Network) -> None:
    network.smp.all_well()
    first = await find(network)
    at(network, minutes=15)
    network.smp.metadata(network.smp.signed(url="http://127.0.0.1:18998/as4"))
    old = [await find(network) for _ in range(20)]
    assert network.smp.asked.count(METADATA) == 1
    assert isinstance(first, Reachable) and all(isinstance(o, Reachable) and o.endpoint == first.endpoint for o in old)
    await verified(network)
    assert network.smp.asked.count(METADATA) == 2
    new = await find(network)
    assert isinstance(new, Reachable) and new.endpoint.url == "http://127.0.0.1:18998/as4"
    assert network.smp.asked.count(METADATA) == 2


async def test_an_answer_of_an_hour_is_asked_for_before_it_is_used(network: Network) -> None:
    network.smp.all_well()
    await find(network)
    at(network, hours=1)
    found = await find(network)
    assert network.smp.asked.count(METADATA) == 2 and not any("kept" in step.answer for step in found.steps)


async def test_a_no_while_it_is_verified_ends_the_old_answer(network: Network) -> None:
    network.smp.all_well()
    await find(network)
    at(network, minutes=16)
    network.zone_file.write_text(f'{{"zone": "{ZONE}", "participants": {{}}}}')
    assert isinstance(await find(network), Reachable)
    await verified(network)
    assert isinstance(await find(network), Unreachable)


async def test_what_could_not_be_verified_is_asked_for_before_its_next_use(network: Network) -> None:
    network.smp.all_well()
    await find(network)
    at(network, minutes=16)
    network.smp.answers[METADATA] = status(503)
    assert isinstance(await find(network), Reachable)
    await verified(network)
    with pytest.raises(LookupUnavailable):
        await find(network)
    network.smp.all_well()
    assert isinstance(await find(network), Reachable)


async def test_a_certificate_that_has_ended_is_not_used_while_it_is_verified(network: Network) -> None:
    network.smp.all_well()
    end = network.pki.ap.certificate.not_valid_after_utc
    network.clock.time = end - timedelta(minutes=20)
    await find(network)
    network.clock.time = end - timedelta(seconds=1)
    assert isinstance(await find(network), Reachable)
    await verified(network)
    network.clock.time = end
    with pytest.raises(LookupUnavailable, match="expired"):
        await find(network)


async def test_a_no_to_somebody_else_ends_what_is_known(network: Network) -> None:
    network.smp.all_well()
    await find(network)
    network.zone_file.write_text(f'{{"zone": "{ZONE}", "participants": {{}}}}')
    assert isinstance(await network.lookup.find_afresh(BUYER, BILLING_INVOICE, BILLING_PROCESS), Unreachable)
    assert isinstance(await find(network), Unreachable)


async def test_what_there_is_no_room_to_verify_beside_is_asked_for_first(network: Network) -> None:
    network.smp.all_well()
    async with searching(network.pki, network.dns, network.clock, most_beside=0) as lookup:
        for _ in range(2):
            found = await lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
            at(network, minutes=16)
    assert network.smp.asked.count(METADATA) == 2 and not any("kept" in step.answer for step in found.steps)


async def test_a_positive_answer_is_not_kept_beyond_the_endpoint(network: Network) -> None:
    network.smp.all_well()
    network.smp.metadata(network.smp.signed(expiration=NOW + timedelta(minutes=1)))
    assert isinstance(await find(network), Reachable)
    at(network, minutes=1, seconds=1)
    found = await find(network)
    assert isinstance(found, Unreachable) and found.reason is Reason.EXPIRED


async def test_a_positive_answer_is_not_kept_beyond_the_certificate(network: Network) -> None:
    network.smp.all_well()
    end = network.pki.ap.certificate.not_valid_after_utc
    network.clock.time = end - timedelta(minutes=1)
    assert isinstance(await find(network), Reachable)
    network.clock.time = end
    with pytest.raises(LookupUnavailable, match="expired"):
        await find(network)


async def test_a_no_is_never_kept_because_it_leads_to_paper(network: Network) -> None:
    assert isinstance(await find(network, OTHER), Unreachable)
    zone.register(network.zone_file, OTHER, network.smp.url)
    found = await find(network, OTHER)
    assert isinstance(found, Unreachable) and found.reason is Reason.BROKEN_REGISTRATION


async def test_a_failure_is_not_kept(network: Network) -> None:
    network.smp.answers[METADATA] = status(503)
    for _ in range(2):
        with pytest.raises(LookupUnavailable):
            await find(network)
    assert network.smp.asked.count(METADATA) == 2
    network.smp.all_well()
    assert isinstance(await find(network), Reachable)


async def test_who_asks_for_many_leaves_an_smp_that_fails_in_peace_and_an_invoice_asks_all_the_same(
    network: Network,
) -> None:
    network.smp.answers = {METADATA: status(503), path(BUYER): status(503)}
    network.lookup._survey.hosts.rests = (0.01, 600.0)
    many = network.lookup.polite()
    said = []
    for _ in range(6):
        with pytest.raises(LookupUnavailable) as caught:
            await many.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
        said.append(caught.value.steps[1].answer)
    assert said[0] == "status 503" and "not asked: it gave no usable answer" in said[-1]
    asked = len(network.smp.asked)
    with pytest.raises(LookupUnavailable, match="not asked"):
        await many.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert len(network.smp.asked) == asked
    network.smp.all_well()
    assert isinstance(await find(network), Reachable), "an invoice waits for nobody's rest"


async def test_the_list_serves_for_both_kinds_of_document(network: Network) -> None:
    network.smp.all_well()
    await find(network)
    found = await network.lookup.find(BUYER, BILLING_CREDIT_NOTE, BILLING_PROCESS)
    assert network.smp.asked.count(path(BUYER)) == 1
    assert found.steps[-1].answer == "200, lists 2 document types (kept from an earlier search)"


async def test_a_kept_list_never_says_no(network: Network) -> None:
    network.smp.group(BILLING_CREDIT_NOTE)
    network.smp.metadata(network.smp.signed(BILLING_CREDIT_NOTE), BILLING_CREDIT_NOTE)
    await network.lookup.find(BUYER, BILLING_CREDIT_NOTE, BILLING_PROCESS)
    network.smp.all_well()
    assert isinstance(await find(network), Reachable)


async def test_a_hundred_invoices_to_one_buyer_ask_once(network: Network) -> None:
    network.smp.all_well()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(find(network)) for _ in range(100)]
    assert all(isinstance(task.result(), Reachable) for task in asking)
    assert network.smp.asked.count(METADATA) == 1


async def test_the_document_types_of_a_participant_are_listed(network: Network) -> None:
    network.smp.all_well()
    found = await network.lookup.document_types(BUYER)
    assert isinstance(found, Listing)
    assert found.document_types == (BILLING_INVOICE, BILLING_CREDIT_NOTE)
    assert found.smp == network.smp.url
    assert len(found.steps) == 2


async def test_listing_says_no_and_does_not_know_as_finding_does(network: Network) -> None:
    nobody = await network.lookup.document_types(OTHER)
    assert isinstance(nobody, Unreachable) and nobody.reason is Reason.NOT_REGISTERED
    gone = await network.lookup.document_types(BUYER)
    assert isinstance(gone, Unreachable) and gone.reason is Reason.BROKEN_REGISTRATION
    network.smp.answers[path(BUYER)] = status(500)
    with pytest.raises(LookupUnavailable) as caught:
        await network.lookup.document_types(BUYER)
    assert len(caught.value.steps) == 2


async def test_open_puts_the_parts_together(network: Network) -> None:
    network.smp.all_well()
    async with SmpLookup.open(
        trust=network.pki.trust,
        zone=ZONE,
        clock=FixedClock(),
        dns_servers=[network.dns],
        allow_http=True,
        allow_loopback=True,
    ) as lookup:
        assert isinstance(await lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS), Reachable)


async def test_the_strict_rules_are_the_default(network: Network) -> None:
    network.smp.all_well()
    async with SmpLookup.open(
        trust=network.pki.trust, zone=ZONE, clock=FixedClock(), dns_servers=[network.dns]
    ) as lookup:
        with pytest.raises(LookupUnavailable, match="not https"):
            await lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert network.smp.asked == []


async def test_a_dns_server_that_is_no_address_is_a_configuration_error(network: Network) -> None:
    with pytest.raises(ConfigurationError):
        async with SmpLookup.open(
            trust=network.pki.trust, zone=ZONE, clock=FixedClock(), dns_servers=[("dns.example.org", 53)]
        ):
            pass


async def test_dns_that_is_down_is_no_answer_with_steps(network: Network) -> None:
    async with searching(network.pki, ("127.0.0.1", 1), FixedClock()) as lookup:
        with pytest.raises(LookupUnavailable, match="cannot be told") as caught:
            await lookup.find(BUYER, BILLING_INVOICE, BILLING_PROCESS)
    assert len(caught.value.steps) == 3
