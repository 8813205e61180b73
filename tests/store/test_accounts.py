"""Accounts, keys and participants."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from store_parts import EXEMPEL, NORDISK, START, plain

from gateway.errors import Conflict, NotFound
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.message import Participant
from gateway.store import SqlStore

OURS = ParticipantId.parse("0007:5567212047")
FULL = Participant(
    id=OURS,
    account=EXEMPEL,
    name="Exempel AB",
    country="SE",
    delivery="folder",
    document_types=(("busdox-docid-qns::a::b##c::2.1", "cenbii-procid-ubl::p"),),
    created=START,
)


async def test_a_participant_comes_back_as_it_was(store: SqlStore) -> None:
    await store.save_participant(FULL)
    assert await store.participant(OURS) == FULL
    assert await store.participant(ParticipantId.parse("0007:1")) is None


async def test_saving_again_replaces(store: SqlStore) -> None:
    await store.save_participant(FULL)
    await store.save_participant(Participant(id=OURS, account=EXEMPEL, name="Exempel Handel AB"))
    (only,) = await store.participants()
    assert (only.name, only.document_types, only.created) == ("Exempel Handel AB", (), START)


async def test_another_accounts_participant_can_be_neither_taken_nor_removed(store: SqlStore) -> None:
    await store.save_participant(FULL)
    with pytest.raises(Conflict):
        await store.save_participant(Participant(id=OURS, account=NORDISK))
    with pytest.raises(NotFound):
        await store.remove_participant(NORDISK, OURS)
    assert await store.participants(NORDISK) == []
    assert await store.participants(EXEMPEL) == [FULL]
    await store.remove_participant(EXEMPEL, OURS)
    assert await store.participants() == []


async def test_a_participant_needs_an_account(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="nobody"):
        await store.save_participant(Participant(id=OURS, account=AccountId("nobody")))


async def test_a_key_leads_to_its_account(store: SqlStore) -> None:
    assert await store.account_of_key("hash-2") == NORDISK
    assert await store.account_of_key("hash-3") is None
    with pytest.raises(Conflict):
        await store.add_account(AccountId("third"), "Third AB", "hash-2")


async def test_a_change_is_seen_at_once_and_another_processs_within_a_second(store: SqlStore, tmp_path: Path) -> None:
    assert await store.participant(OURS) is None
    await store.save_participant(FULL)
    assert await store.participant(OURS) == FULL
    plain(tmp_path, "DELETE FROM participant")
    async with asyncio.timeout(1.0):
        while await store.participant(OURS) is not None:
            await asyncio.sleep(0.05)
