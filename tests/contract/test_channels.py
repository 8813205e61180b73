"""What every channel promises, run over every file of ``gateway/fallback`` and ``gateway/delivery``.

A new file fails here until it has a row in ``RIGS``: how to open it, and how to count what the far side has got.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from channel_parts import mail_server, make_context, make_page, make_parcel
from far_sides import S3Server, s3_server, sftp_server
from webhook_receiver import SECRET, webhook_receiver

import gateway.delivery
import gateway.fallback
from gateway.discovery import find_kinds, open_channel
from gateway.errors import ChannelUnavailable, ConfigurationError
from gateway.ports import Channel, Closable, Repeatable

KINDS = [(package, kind) for package in (gateway.fallback, gateway.delivery) for kind in find_kinds(package)]


@dataclass
class Rig:
    """A channel with its far side. ``arrived`` lists what the far side has got; ``take_away`` empties it."""

    table: dict[str, object]
    arrived: Callable[[], list[str]]
    take_away: Callable[[], None]


@asynccontextmanager
async def email(base: Path) -> AsyncIterator[Rig]:
    async with mail_server() as server:
        server.delay = 0.02
        got: list[str] = []

        def arrived() -> list[str]:
            return got + [str(mail.rcpt_tos) for mail in server.mails]

        def take_away() -> None:
            got.extend(arrived())
            server.mails.clear()

        yield Rig({"smtp": f"127.0.0.1:{server.port}", "sender": "faktura@example.org"}, arrived, take_away)


@asynccontextmanager
async def files(base: Path, table: dict[str, object], pattern: str) -> AsyncIterator[Rig]:
    got: list[str] = []
    target = base / "out"

    def arrived() -> list[str]:
        return got + [path.name for path in target.glob(pattern)]

    def take_away() -> None:
        got.extend(path.name for path in target.glob(pattern))
        shutil.rmtree(target, ignore_errors=True)

    yield Rig({**table, "target": "out"}, arrived, take_away)


@asynccontextmanager
async def inbox(base: Path) -> AsyncIterator[Rig]:
    yield Rig({"kind": "inbox"}, list, lambda: None)


@asynccontextmanager
async def webhook(base: Path) -> AsyncIterator[Rig]:
    async with webhook_receiver() as receiver:
        got: list[str] = []

        def take_away() -> None:
            got.extend(headers["webhook-id"] for headers, _ in receiver.got)
            receiver.got.clear()

        table = {"kind": "webhook", "url": receiver.url, "secret": SECRET, "allow_http": True, "allow_private": True}
        yield Rig(table, lambda: got + [headers["webhook-id"] for headers, _ in receiver.got], take_away)


@asynccontextmanager
async def sftp(base: Path) -> AsyncIterator[Rig]:
    async with sftp_server(base / "server") as server:
        got: list[str] = []
        target = base / "server/in/peppol"

        def take_away() -> None:
            got.extend(path.name for path in target.glob("*.json"))
            shutil.rmtree(target, ignore_errors=True)

        yield Rig(server.table(base / "server"), lambda: got + [p.name for p in target.glob("*.json")], take_away)


@pytest.fixture(scope="module", autouse=True)
def bucket() -> Iterator[None]:
    with s3_server() as server:
        BUCKET.append(server)
        yield
    BUCKET.clear()


BUCKET: list[S3Server] = []


@asynccontextmanager
async def s3(base: Path) -> AsyncIterator[Rig]:
    (server,) = BUCKET
    server.empty()
    got: list[str] = []

    def arrived() -> list[str]:
        return got + [key for key in server.keys() if key.endswith(".json")]  # noqa: SIM118 - no mapping

    def take_away() -> None:
        got[:] = arrived()
        server.empty()

    yield Rig(server.table(), arrived, take_away)


RIGS: dict[str, Any] = {
    "email": email,
    "print": lambda base: files(base, {}, "*/*.pdf"),
    "folder": lambda base: files(base, {"kind": "folder"}, "*.json"),
    "inbox": inbox,
    "s3": s3,
    "sftp": sftp,
    "webhook": webhook,
}
WRITES_NOTHING = {"inbox"}


def opened(package: ModuleType, kind: str, table: dict[str, object], base: Path) -> Channel:
    section = kind if package is gateway.fallback else "delivery.default"
    return open_channel(package, section, table, make_context(base))


@pytest.fixture(params=KINDS, ids=[kind for _, kind in KINDS])
def kind(request: pytest.FixtureRequest) -> tuple[ModuleType, str]:
    make_page()
    return request.param


@asynccontextmanager
async def rig(kind: tuple[ModuleType, str], base: Path) -> AsyncIterator[tuple[Rig, Callable[[], Channel]]]:
    package, name = kind
    assert name in RIGS, f"{name} is a new channel: give it a row in RIGS"
    async with RIGS[name](base) as made, AsyncExitStack() as stack:

        def open_() -> Channel:
            channel = opened(package, name, made.table, base)
            if isinstance(channel, Closable):
                stack.push_async_callback(channel.aclose)
            return channel

        yield made, open_


def expected(kind: tuple[ModuleType, str], number: int) -> int:
    return 0 if kind[1] in WRITES_NOTHING else number


async def test_the_same_parcel_twice_is_one_handover(kind: tuple[ModuleType, str], tmp_path: Path) -> None:
    async with rig(kind, tmp_path) as (far, open_):
        channel = open_()
        first = await channel.dispatch(make_parcel())
        assert await channel.dispatch(make_parcel()) == first
        assert len(far.arrived()) == expected(kind, 1)


async def test_the_same_parcel_at_the_same_time_is_one_handover(kind: tuple[ModuleType, str], tmp_path: Path) -> None:
    async with rig(kind, tmp_path) as (far, open_):
        one, other = open_(), open_()
        answers = await asyncio.gather(*(c.dispatch(make_parcel()) for c in (one, other, one, other, one)))
        assert len(set(answers)) == 1
        assert len(far.arrived()) == expected(kind, 1)


async def test_a_repeat_after_a_restart_is_no_second_handover_though_the_first_was_taken_away(
    kind: tuple[ModuleType, str], tmp_path: Path
) -> None:
    async with rig(kind, tmp_path) as (far, open_):
        first = await open_().dispatch(make_parcel())
        far.take_away()
        assert await open_().dispatch(make_parcel()) == first
        assert len(far.arrived()) == expected(kind, 1)


async def test_a_delivery_that_is_told_to_forget_hands_it_over_once_more(
    kind: tuple[ModuleType, str], tmp_path: Path
) -> None:
    package, name = kind
    async with rig(kind, tmp_path) as (far, open_):
        channel, parcel = open_(), make_parcel()
        assert isinstance(channel, Repeatable) is (package is gateway.delivery and name not in WRITES_NOTHING)
        if isinstance(channel, Repeatable):
            first = await channel.dispatch(parcel)
            far.take_away()
            await channel.forget(parcel.message)
            assert (await channel.dispatch(parcel)).reference == first.reference
            assert len(far.arrived()) == 2


async def test_different_parcels_at_the_same_time_are_each_handed_over(
    kind: tuple[ModuleType, str], tmp_path: Path
) -> None:
    async with rig(kind, tmp_path) as (far, open_):
        channel = open_()
        answers = await asyncio.gather(*(channel.dispatch(make_parcel(f"doc-{n}")) for n in range(8)))
        assert len({answer.reference for answer in answers}) == 8
        assert len(far.arrived()) == expected(kind, 8)


async def test_an_identifier_that_is_no_file_name_stays_inside(kind: tuple[ModuleType, str], tmp_path: Path) -> None:
    base = tmp_path / "inner"
    base.mkdir()
    async with rig(kind, base) as (far, open_):
        channel = open_()
        await channel.dispatch(make_parcel("../../etc/x\r\ny"))
        await channel.dispatch(make_parcel("å" * 300))
        assert len(far.arrived()) == expected(kind, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


async def test_a_memory_that_cannot_be_written_hands_nothing_over(kind: tuple[ModuleType, str], tmp_path: Path) -> None:
    if kind[1] in WRITES_NOTHING:
        return
    (tmp_path / "var").write_text("a file where a directory should be")
    async with rig(kind, tmp_path) as (far, open_):
        with pytest.raises(ChannelUnavailable, match="var"):
            await open_().dispatch(make_parcel())
        assert far.arrived() == []


async def test_it_says_what_it_is(kind: tuple[ModuleType, str], tmp_path: Path) -> None:
    async with rig(kind, tmp_path) as (_, open_):
        channel = open_()
        assert channel.name == kind[1]
        assert channel.serves(make_parcel(page=b"")) == ""
        assert (await channel.dispatch(make_parcel())).confirmed is channel.confirms


async def test_every_problem_of_its_section_is_told_at_once(kind: tuple[ModuleType, str], tmp_path: Path) -> None:
    async with rig(kind, tmp_path) as (far, _):
        with pytest.raises(ConfigurationError) as caught:
            opened(*kind, {**far.table, "colour": "red", "smell": 1}, tmp_path)
        section = kind[1] if kind[0] is gateway.fallback else "delivery.default"
        assert {path for path, _ in caught.value.problems} == {f"{section}.colour", f"{section}.smell"}
