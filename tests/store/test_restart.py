"""What an earlier run had in hand when it was killed."""

from __future__ import annotations

from pathlib import Path

from store_parts import EXEMPEL, StillClock, opened, outgoing


async def test_a_new_start_frees_what_the_killed_one_had_claimed(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    async with opened(tmp_path, clock, owner="killed") as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash-1")
        await store.add_once(outgoing("d1"))
        assert len(await store.claim("killed", 1, 600)) == 1
        assert not await store.claim("other", 1, 600)
    async with opened(tmp_path, clock, owner="killed") as store:
        (message,) = await store.claim("next", 1, 600)
        assert (message.id, message.attempts) == ("d1", 2)
