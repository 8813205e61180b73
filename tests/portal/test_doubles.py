"""A document that may be an earlier one again: what a clerk sees of it, and decides."""

from __future__ import annotations

from dataclasses import replace

from gateway.exchange.doubles import Doubles, Policy
from gateway.model.lifecycle import State
from gateway.model.message import Message
from gateway.model.person import Role
from gateway.ubl import invoice
from tests.exchange.conftest import sample
from tests.portal.conftest import Site
from tests.portal.stage import ALPHA, someone

NUMBER = invoice.read(sample("network")).number.encode()
FRESH = sample("network").replace(b">" + NUMBER + b"<", b">DUBBEL-1<", 1)


async def twice(site: Site, policy: Policy) -> tuple[Message, Message]:
    """Handed in twice, and worked on."""
    outbound = replace(site.gateway.outbound, doubles=Doubles(policy=policy))
    first, second = [(await outbound.submit(ALPHA, FRESH)).message for _ in range(2)]
    worker = replace(site.gateway.worker, outbound=outbound)
    while await worker.run_once():
        pass
    return first, await site.gateway.store.get(ALPHA, second.id)


async def test_a_double_is_told_with_a_link_to_the_earlier_one(site: Site) -> None:
    first, second = await twice(site, "warn")
    clerk = await site.visitor(someone(Role.CLERK))
    for language, words in (
        ("sv", ("Inlämnat tidigare", "Möjlig dubblett av", "exakt samma dokument har lämnats in tidigare")),
        ("en", ("Handed in before", "Possible double of", "exactly the same document was handed in before")),
    ):
        page = (await clerk.get(f"/documents/{second.id}?language={language}")).text
        assert all(word in page for word in (*words, f'href="/documents/{first.id}"'))
        assert words[0] not in (await clerk.get(f"/documents/{first.id}?language={language}")).text


async def test_one_that_is_held_needs_a_person_who_sends_it(site: Site) -> None:
    first, second = await twice(site, "hold")
    assert second.state is State.FAILED
    clerk = await site.visitor(someone(Role.CLERK))
    place = f"/documents/{second.id}"
    for language, words in (
        ("sv", ("Möjlig dubblett", "Hålls kvar", "Skicka ändå", "Skicka inte", "Väntar på en person")),
        ("en", ("Possible double", "Held", "Send it all the same", "Leave it unsent", "Held for a person")),
    ):
        page = (await clerk.get(f"{place}?language={language}")).text
        assert all(word in page for word in (*words, f'href="/documents/{first.id}"'))
        assert f"{place}/resend" not in page
        needs = (await clerk.get(f"/?language={language}")).text.split("figures")[0]
        assert words[0] in needs and place in needs
    assert (await clerk.send(f"{place}/requeue")).status == 303
    assert (await site.gateway.store.get(ALPHA, second.id)).state is State.ACCEPTED
    assert place not in (await clerk.get("/")).text.split("figures")[0]


async def test_one_that_is_left_unsent_stays_and_needs_nobody(site: Site) -> None:
    _, second = await twice(site, "hold")
    clerk = await site.visitor(someone(Role.CLERK))
    assert (await clerk.send(f"/documents/{second.id}/handled")).status == 303
    assert f"/documents/{second.id}" not in (await clerk.get("/")).text.split("figures")[0]
    assert (await site.gateway.store.get(ALPHA, second.id)).state is State.FAILED
