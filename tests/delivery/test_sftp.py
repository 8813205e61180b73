"""Delivery by SFTP, to asyncssh's own server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from channel_parts import make_context, make_parcel
from far_sides import PASSWORD, SftpServer, sftp_server

from gateway.delivery.sftp import Sftp, open_channel
from gateway.errors import ChannelUnavailable, ConfigurationError
from gateway.files.spool import write_all
from gateway.model.view import describe


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SftpServer]:
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    async with sftp_server(tmp_path / "c4") as server:
        yield server


def sftp(base: Path, table: dict[str, object]) -> Sftp:
    channel = open_channel(table, make_context(base, section="delivery.erp"))
    assert isinstance(channel, Sftp)
    return channel


def files(server: SftpServer) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (server.root / "in/peppol").iterdir()}


async def test_the_document_and_its_object_lie_on_the_server(server: SftpServer, tmp_path: Path) -> None:
    parcel = make_parcel()
    handover = await sftp(tmp_path, server.table(tmp_path)).dispatch(parcel)
    found = files(server)
    assert set(found) == {"doc-0001.xml", "doc-0001.json"} and found["doc-0001.xml"] == parcel.document
    assert json.loads(found["doc-0001.json"]) == json.loads(json.dumps(describe(parcel.message), default=str))
    assert handover.confirmed and "on its disk" in handover.text
    assert [call for call in server.calls if call != "write"] == ["fsync", "posix_rename"] * 2


async def test_a_large_document_goes_piece_by_piece(server: SftpServer, tmp_path: Path) -> None:
    octets = bytes(range(256)) * 8000
    document = write_all(tmp_path / "document", [octets])
    await sftp(tmp_path, server.table(tmp_path)).dispatch(replace(make_parcel(), document=document))
    assert files(server)["doc-0001.xml"] == octets


async def test_a_server_of_the_old_protocol_will_do(server: SftpServer, tmp_path: Path) -> None:
    server.lacks = frozenset({"fsync", "posix_rename"})
    channel, parcel = sftp(tmp_path, server.table(tmp_path)), make_parcel()
    handover = await channel.dispatch(parcel)
    assert "it does not say" in handover.text
    await channel.forget(parcel.message)
    await channel.dispatch(parcel)  # what is there already is replaced
    assert set(files(server)) == {"doc-0001.xml", "doc-0001.json"}


@pytest.mark.parametrize("call", ["write", "fsync", "posix_rename"])
async def test_what_breaks_on_the_way_leaves_nothing_that_looks_complete(
    server: SftpServer, tmp_path: Path, call: str
) -> None:
    channel, parcel = sftp(tmp_path, server.table(tmp_path)), make_parcel()
    server.fails = {call: asyncssh.SFTPNoSpaceOnFilesystem("no space left")}
    with pytest.raises(ChannelUnavailable, match="no space left"):
        await channel.dispatch(parcel)
    assert files(server) == {}
    server.fails = {}
    await channel.dispatch(parcel)
    assert files(server)["doc-0001.xml"] == parcel.document


async def test_a_server_with_another_host_key_gets_nothing(server: SftpServer, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    channel = sftp(tmp_path, server.table(tmp_path, host_key=[other]))
    with pytest.raises(ChannelUnavailable, match="another host key") as caught:
        await channel.dispatch(make_parcel())
    assert caught.value.failure == "security" and "host_key" in caught.value.remedy
    assert list(server.root.iterdir()) == []


async def test_a_wrong_password_is_told_and_shown_nowhere(server: SftpServer, tmp_path: Path) -> None:
    table = server.table(tmp_path)
    Path(str(table["password_file"])).write_text("wrong")
    with pytest.raises(ChannelUnavailable, match="does not let us in") as caught:
        await sftp(tmp_path, table).dispatch(make_parcel())
    assert "wrong" not in str(caught.value)


async def test_a_key_of_ours_opens_the_door(tmp_path: Path) -> None:
    ours = asyncssh.generate_private_key("ssh-ed25519")
    file = tmp_path / "id"
    file.write_bytes(ours.export_private_key())
    file.chmod(0o600)
    async with sftp_server(tmp_path / "c4", keys=(ours.export_public_key().decode(),)) as server:
        table = server.table(tmp_path, key_file=str(file))
        del table["password_file"]
        await sftp(tmp_path, table).dispatch(make_parcel())
        assert len(files(server)) == 2


async def test_nobody_there_and_nobody_who_answers_are_left_in_time(tmp_path: Path) -> None:
    async with sftp_server(tmp_path / "c4") as server:
        table = server.table(tmp_path, timeout="5 seconds")
    with pytest.raises(ChannelUnavailable, match="SFTP 127"):
        await sftp(tmp_path, table).dispatch(make_parcel())
    silent = await asyncio.start_server(lambda reader, writer: reader.read(), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        channel = sftp(tmp_path, {**table, "server": f"127.0.0.1:{port}"})
        async with asyncio.timeout(8):
            with pytest.raises(ChannelUnavailable):
                await channel.dispatch(make_parcel())


def test_without_a_pinned_key_it_does_not_start(tmp_path: Path) -> None:
    table = {"kind": "sftp", "server": "c4.example:22", "user": "u", "host_key": [], "timeout": "1 second"}
    with pytest.raises(ConfigurationError) as caught:
        open_channel(table, make_context(tmp_path, section="delivery.erp"))
    assert {path for path, _ in caught.value.problems} == {
        f"delivery.erp.{key}" for key in ("host_key", "key_file", "timeout")
    }
    with pytest.raises(ConfigurationError) as caught:
        open_channel({**table, "host_key": ["ssh-rsa x"], "password": PASSWORD}, make_context(tmp_path, section="d.e"))
    assert "ssh-ed25519 AAAA" in dict(caught.value.problems)["d.e.host_key"] and PASSWORD not in str(caught.value)
