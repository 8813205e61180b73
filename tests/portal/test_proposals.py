"""The page of proposals: decided once, by who may, and by nobody of another account."""

from __future__ import annotations

from gateway.model.person import Role
from gateway.model.proposal import ProposalId, ProposalState
from tests.portal.conftest import Site
from tests.portal.stage import ALPHA, someone


async def _state(site: Site, id: str) -> ProposalState:
    return (await site.gateway.store.relations.proposal(ALPHA, ProposalId(id))).state


async def test_a_clerk_declines_one_with_a_reason_and_it_is_in_the_audit_log(site: Site) -> None:
    visitor = await site.visitor(someone(Role.CLERK))
    page = (await visitor.get("/proposals")).text
    assert "Exempelkund 1 AB" in page and "180,00" in page
    answer = await visitor.send("/proposals/p0/decide", {"decision": "decline", "reason": "de vill ha brev"})
    assert answer.status == 303
    assert await _state(site, "p0") is ProposalState.DECLINED
    deeds = await site.gateway.store.people.deeds(ALPHA, 5)
    assert ("proposal-decline", "p0", "de vill ha brev") in [(one.action, one.subject, one.detail) for one in deeds]


async def test_who_only_reads_and_who_is_of_another_account_decide_nothing(site: Site) -> None:
    reader = await site.visitor(someone(Role.COMPLIANCE))
    assert "/decide" not in (await reader.get("/proposals")).text
    assert (await reader.send("/proposals/p0/decide", {"decision": "decline"})).status == 404
    other = await site.visitor("ekonomi@annat.example")
    assert (await other.send("/proposals/p0/decide", {"decision": "decline"})).status == 404
    assert "Exempelkund 1 AB" not in (await other.get("/proposals")).text
    assert await _state(site, "p0") is ProposalState.OPEN


async def test_what_is_no_decision_changes_nothing(site: Site) -> None:
    visitor = await site.visitor(someone(Role.CLERK))
    assert (await visitor.send("/proposals/p0/decide", {"decision": "perhaps"})).status == 400
    assert await _state(site, "p0") is ProposalState.OPEN
