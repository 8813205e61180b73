"""The door of a site: friends first, strangers in turn, and only so many in a moment while a friend is here."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.as4.limits import Limits
from gateway.as4.turns import Turns
from gateway.config.values import Address
from gateway.serving.door import PAUSE, STRANGERS, Door, Nobody
from gateway.serving.site import Site, listen, low_level, open_site


@dataclass
class Preferring:
    friends: set[str] = field(default_factory=lambda: {"friend"})
    here: bool = True

    def known(self, address: str) -> bool:
        return address in self.friends

    def busy(self) -> bool:
        return self.here


@dataclass
class Clock:
    time: float = 1000.0

    def now(self) -> float:
        return self.time


def all_of(door: Door[str]) -> list[str]:
    found = []
    while (one := door.next()) is not None:
        found.append(one)
    return found


def test_a_friend_comes_in_before_those_who_were_there_first() -> None:
    door = Door[str](Preferring(here=False), Clock().now)
    assert not door.put("stranger", "s")
    assert door.put("friend", "f")
    assert all_of(door) == ["f", "s"]
    assert door.pause() is None


def test_strangers_have_so_many_in_a_moment_while_a_friend_is_here_and_no_limit_otherwise() -> None:
    favour, clock = Preferring(), Clock()
    door = Door[str](favour, clock.now)
    for number in range(3 * STRANGERS):
        door.put(f"127.0.0.{number}", f"{number}")
    assert len(all_of(door)) == STRANGERS
    assert door.pause() == pytest.approx(PAUSE)
    door.put("friend", "f")
    assert door.pause() == 0 and all_of(door) == ["f"], "no friend waits for that"
    clock.time += PAUSE
    assert door.pause() == 0 and len(all_of(door)) == STRANGERS
    favour.here = False
    assert door.pause() == 0 and len(all_of(door)) == STRANGERS


def test_each_address_has_its_turn() -> None:
    door = Door[str](Nobody(), Clock().now)
    for number in range(5):
        door.put("crowd", f"crowd {number}")
    door.put("one", "one")
    assert all_of(door)[1] == "one"


def test_those_who_still_wait_are_given_back_once() -> None:
    door = Door[str](Preferring(), Clock().now)
    for address in ("a", "b", "friend"):
        door.put(address, address)
    assert set(door.clear()) == {"a", "b", "friend"}
    assert door.next() is None and door.pause() is None


def test_who_is_turned_out_waits_no_more_and_who_had_left_takes_nobodys_moment() -> None:
    door = Door[str](Preferring(), Clock().now)
    for number in range(STRANGERS + 2):
        door.put("crowd", f"{number}")
    door.remove("crowd", "0")
    door.remove("crowd", "0")
    door.remove("nobody", "9")
    assert door.next() == "1"
    door.give_back()
    assert all_of(door) == ["2", "3"]
    door.put("one", "4")
    door.remove("one", "4")
    assert door.pause() is None


async def test_those_at_the_door_hold_no_descriptor_once_they_have_left_or_made_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    welcomed: list[str] = []

    async def welcome(self: Site, guest: Any, taken: socket.socket) -> None:
        welcomed.append(guest.address)
        taken.close()
        self._leave(guest)

    monkeypatch.setattr(Site, "_welcome", welcome)
    site_of = open_site(
        low_level(lambda request: None),
        listen(Address("127.0.0.1", 0)),
        limits=Limits(connections=20),
        exempt=("127.0.0.9",),
        favour=Preferring(),
    )
    async with site_of as site:
        pairs = [socket.socketpair() for _ in range(60)]
        for ours, _ in pairs:
            site._admit(ours, "127.0.0.9")
        assert site.connections <= 20
        assert sum(ours.fileno() >= 0 for ours, _ in pairs) == site.connections, "who made room is closed at once"
        for _, theirs in pairs:
            theirs.close()
        async with asyncio.timeout(5):
            while site.connections:
                await asyncio.sleep(0)
        assert not welcomed, "they had left"
        assert all(ours.fileno() == -1 for ours, _ in pairs)


async def test_a_site_lets_a_friend_in_while_strangers_wait_and_lets_them_in_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    async def welcome(self: Site, guest: Any, taken: socket.socket) -> None:
        order.append(guest.address)
        taken.close()
        self._leave(guest)

    monkeypatch.setattr(Site, "_welcome", welcome)
    monkeypatch.setattr("gateway.serving.door.PAUSE", 0.2)
    site_of = open_site(
        low_level(lambda request: None), listen(Address("127.0.0.1", 0)), limits=Limits(), favour=Preferring()
    )
    async with site_of as site:
        pairs = [socket.socketpair() for _ in range(STRANGERS + 3)]
        for ours, _ in pairs[:-1]:
            site._admit(ours, "127.0.0.9")
        while len(order) < STRANGERS:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert len(order) == STRANGERS, "the others wait"
        site._admit(pairs[-1][0], "friend")
        async with asyncio.timeout(5):
            while site.connections:
                await asyncio.sleep(0.01)
        assert order[STRANGERS] == "friend" and len(order) == STRANGERS + 3
        for _, theirs in pairs:
            theirs.close()


async def test_who_sent_something_good_is_known_and_makes_strangers_stand_back_for_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = Turns(1)
    await turns.here("stranger", int)
    assert not turns.busy() and not turns.known("stranger")
    turns.accounts.vouch("friend")
    assert turns.known("friend") and not turns.busy(), "known, and not here"
    turns.expect("stranger")
    assert not turns.busy()
    turns.expect("friend")
    assert turns.busy()
    now = asyncio.get_running_loop().time() + 1.1
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    assert not turns.busy()
