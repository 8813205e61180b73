"""Delivery by webhook (A26, B19, W18): a real receiver over HTTP that misbehaves as its script says."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from channel_parts import NOW, make_context, make_parcel
from webhook_receiver import OTHER_SECRET, SECRET, webhook_receiver

from gateway.delivery.webhook import Webhook, open_channel
from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.files.spool import write_all
from gateway.model.view import describe
from gateway.security.authority import issue_tls, new_pki

LOCAL = {"kind": "webhook", "allow_http": True, "allow_private": True, "secret": SECRET}


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


@asynccontextmanager
async def webhook(base: Path, url: str, **more: Any) -> AsyncIterator[Webhook]:
    table = {**LOCAL, "url": url, **more}
    channel = open_channel(table, make_context(base, section="delivery.erp", clock=Now()))
    assert isinstance(channel, Webhook)
    try:
        yield channel
    finally:
        await channel.aclose()


async def test_the_document_arrives_signed_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    parcel = make_parcel()
    async with webhook_receiver() as c4, webhook(tmp_path, c4.url) as channel:
        handover = await channel.dispatch(parcel)
        assert c4.ids == ["doc-0001_received"] == [handover.reference]
        event = c4.event()
    assert (event["id"], event["type"]) == ("doc-0001_received", "document.received")
    assert event["data"]["document"] == json.loads(json.dumps(describe(parcel.message), default=str))
    assert base64.b64decode(event["data"]["content"]) == parcel.document
    assert handover.confirmed and "answered 204" in handover.text


async def test_a_receiver_with_another_secret_believes_nothing(tmp_path: Path) -> None:
    async with webhook_receiver() as c4, webhook(tmp_path, c4.url) as channel:
        c4.secret = OTHER_SECRET
        await channel.dispatch(make_parcel())
        assert c4.ids == [] and len(c4.got) == 1


@pytest.mark.parametrize("believed", [SECRET, OTHER_SECRET])
async def test_while_secrets_change_over_either_is_believed(tmp_path: Path, believed: str) -> None:
    file = tmp_path / "webhook.secret"
    file.write_text(f"{OTHER_SECRET}\n{SECRET}\n")
    file.chmod(0o600)
    async with webhook_receiver() as c4, webhook(tmp_path, c4.url, secret="", secret_file=str(file)) as channel:
        c4.secret = believed
        await channel.dispatch(make_parcel())
        assert c4.ids == ["doc-0001_received"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("301 Moved\r\nLocation: http://127.0.0.1:1/", "redirects are not followed"),
        ("302 Found\r\nLocation: http://127.0.0.1:1/", "redirects are not followed"),
        ("307 Temporary Redirect\r\nLocation: /c4", "redirects are not followed"),
        ("308 Permanent Redirect\r\nLocation: /c4", "redirects are not followed"),
        ("400 Bad Request", "answered 400"),
        ("401 Unauthorized", "answered 401 “no comment [31m”"),
        ("404 Not Found", "answered 404"),
        ("429 Too Many", "answered 429"),
        ("500 Oops", "answered 500"),
        ("503 Busy", "answered 503"),
        ("hang up", "the connection broke"),
        ("cut", "the connection broke"),
    ],
)
async def test_what_is_no_yes_is_tried_again_under_the_same_id(tmp_path: Path, answer: str, said: str) -> None:
    async with webhook_receiver(answer) as c4, webhook(tmp_path, c4.url) as channel:
        with pytest.raises(ChannelUnavailable) as caught:
            await channel.dispatch(make_parcel())
        assert said in str(caught.value)
        await channel.dispatch(make_parcel())
        assert set(c4.ids) == {"doc-0001_received"}


@pytest.mark.parametrize("answer", ["410 Gone", "413 Too Large", "422 No"])
async def test_a_no_for_good_is_a_no(tmp_path: Path, answer: str) -> None:
    async with webhook_receiver(answer) as c4, webhook(tmp_path, c4.url) as channel:
        with pytest.raises(ChannelRefused, match=answer[:3]) as caught:
            await channel.dispatch(make_parcel())
        assert "gateway redeliver" in caught.value.remedy


@pytest.mark.parametrize("answer", ["silent", "drip"])
async def test_a_receiver_that_does_not_end_is_left_in_time(tmp_path: Path, answer: str) -> None:
    async with webhook_receiver(answer) as c4, webhook(tmp_path, c4.url, timeout="1 second") as channel:
        async with asyncio.timeout(8):
            if answer == "drip":  # the answer is a yes; how it goes on is nobody's concern
                await channel.dispatch(make_parcel())
            else:
                with pytest.raises(ChannelUnavailable, match="no answer within 1 s"):
                    await channel.dispatch(make_parcel())
                await channel.dispatch(make_parcel())
        assert set(c4.ids) == {"doc-0001_received"}


async def test_an_answer_without_end_is_not_read(tmp_path: Path) -> None:
    async with webhook_receiver("huge") as c4, webhook(tmp_path, c4.url) as channel:
        async with asyncio.timeout(8):
            await channel.dispatch(make_parcel())
        await channel.dispatch(make_parcel("doc-0002"))
        assert c4.ids == ["doc-0001_received", "doc-0002_received"] and c4.connections == 2


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("99999999", 86_400), ("soon", 0), ("Wed, 25 Nov 2020 13:00:00 GMT", 0)]
)
async def test_the_receiver_may_ask_us_to_wait(tmp_path: Path, value: str, seconds: float) -> None:
    async with webhook_receiver(f"503 Busy\r\nRetry-After: {value}") as c4, webhook(tmp_path, c4.url) as channel:
        with pytest.raises(ChannelUnavailable) as caught:
            await channel.dispatch(make_parcel())
    assert caught.value.wait == seconds


async def test_nobody_there_is_no_handover(tmp_path: Path) -> None:
    async with webhook_receiver() as c4:
        url = c4.url
    async with webhook(tmp_path, url) as channel:
        with pytest.raises(ChannelUnavailable, match="no connection") as caught:
            await channel.dispatch(make_parcel())
    assert not caught.value.sent


async def test_told_to_forget_it_is_handed_over_once_more_under_the_same_id(tmp_path: Path) -> None:
    parcel = make_parcel()
    async with webhook_receiver() as c4, webhook(tmp_path, c4.url) as channel:
        for _ in range(2):
            await channel.dispatch(parcel)
        await channel.forget(parcel.message)
        await channel.dispatch(parcel)
        assert c4.ids == ["doc-0001_received"] * 2


async def test_a_large_document_is_named_not_sent(tmp_path: Path) -> None:
    octets = b"<x>" + b"y" * 300_000 + b"</x>"
    async with webhook_receiver() as c4, webhook(tmp_path, c4.url, inline="100 kB") as channel:
        await channel.dispatch(make_parcel(document=octets))
        await channel.dispatch(make_parcel("doc-0002", document=write_all(tmp_path / "document", [octets])))
        for event in (c4.event(0), c4.event(1)):
            assert event["data"]["content"] is None
            assert event["data"]["content_path"] == f"/v1/documents/{event['id'].partition('_')[0]}/content"


async def test_only_an_authority_that_is_named_is_believed(tmp_path: Path) -> None:
    new_pki(tmp_path / "pki", now=NOW)
    issued = issue_tls(tmp_path / "pki", ["localhost"], now=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued, issued.with_name("localhost.tls.key.pem"))
    async with webhook_receiver(tls=context) as c4:
        url = f"https://localhost:{c4.port}/c4"
        async with webhook(tmp_path, url) as channel:
            with pytest.raises(ChannelUnavailable, match="no trustworthy TLS connection"):
                await channel.dispatch(make_parcel())
        assert c4.got == []
        async with webhook(tmp_path, url, ca_file=str(tmp_path / "pki/tls-ca.pem")) as channel:
            await channel.dispatch(make_parcel())
        assert c4.ids == ["doc-0001_received"]


FORBIDDEN = [
    *("http://erp.example/c4", "https://erp.example:8443/c4", "https://user:pw@erp.example/", "ftp://erp.example/"),
    *("https://localhost/", "https://127.0.0.1/", "https://127.1/", "https://0x7f.1/", "https://2130706433/"),
    *(
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/",
        "https://erp/",
        "file:///etc/passwd",
    ),
    *("https://erp.example/\r\nX: y", "https://erp.example/#x", f"https://erp.example/{'x' * 4096}", ""),
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_addresses_inside_are_refused_at_the_start(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_channel({"kind": "webhook", "url": url, "secret": SECRET}, make_context(tmp_path, section="delivery.erp"))
    assert [path for path, _ in caught.value.problems] == ["delivery.erp.url"]


async def test_a_public_name_that_points_inside_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with webhook_receiver() as c4:

        async def rebound(*_: object) -> list[dict[str, object]]:
            return [
                {"hostname": "erp.example", "host": "127.0.0.1", "port": c4.port, "family": 2, "proto": 6, "flags": 0}
            ]

        monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", rebound)
        async with webhook(tmp_path, "https://erp.example/c4", allow_http=False, allow_private=False) as channel:
            with pytest.raises(ChannelUnavailable, match=r"127\.0\.0\.1 is not on the public internet"):
                await channel.dispatch(make_parcel())
        assert c4.connections == 0


def test_every_problem_of_the_section_is_told_at_once(tmp_path: Path) -> None:
    open_file = tmp_path / "secret"
    open_file.write_text(SECRET)
    open_file.chmod(0o644)
    table = {"kind": "webhook", "url": "http://erp.example", "secret_file": str(open_file), "timeout": "1 hour"}
    with pytest.raises(ConfigurationError) as caught:
        open_channel(
            {**table, "ca_file": "absent.pem", "inline": "1 GB"}, make_context(tmp_path, section="delivery.erp")
        )
    problems = dict(caught.value.problems)
    assert set(problems) == {f"delivery.erp.{key}" for key in ("url", "secret_file", "timeout", "ca_file", "inline")}
    assert "chmod 600" in problems["delivery.erp.secret_file"] and SECRET not in str(problems)


def test_it_is_kept_out_of_texts(tmp_path: Path) -> None:
    channel = open_channel({**LOCAL, "url": "http://127.0.0.1/c4?key=hidden"}, make_context(tmp_path, section="x"))
    assert isinstance(channel, Webhook)
    assert SECRET not in repr(channel._settings) and "hidden" not in channel._target
