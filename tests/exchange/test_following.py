"""What follows the timeline takes some of it at a time, so that under load a look is for many documents."""

from __future__ import annotations

from gateway.exchange.following import AT_ONCE, Following


class Arriving:
    """A ledger whose timeline never ends: while it is priced, a little more has happened."""

    def __init__(self, full: int) -> None:
        self.full = full
        self.looks = 0

    async def advance(self, limit: int) -> int:
        self.looks += 1
        return limit if self.looks <= self.full else 3


async def test_what_happens_meanwhile_is_left_for_the_next_time() -> None:
    money = Arriving(full=2)
    assert await Following(follower=money).catch_up() == 2 * AT_ONCE + 3
    assert money.looks == 3
