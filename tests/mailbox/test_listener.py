"""LMTP and SMTP as a mail server speaks them to us."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiosmtplib
import pytest
from mailbox_parts import ID, NUMBER, TOKENS, desk, invoice_mail

from gateway.errors import Overloaded
from gateway.mailbox.listener import listening

TO = f"{NUMBER}@in.example.org"
BOUNCE = f"b+{TOKENS.make(ID)}@bounce.example.org"


async def talk(address: str, *lines: bytes) -> list[str]:
    """Say one after the other and read one answer to each, and what is left."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answers = [(await reader.readline()).decode().strip()]
    for line in lines:
        writer.write(line)
        answer = (await reader.readline()).decode().strip()
        while answer[3:4] == "-":
            answer = (await reader.readline()).decode().strip()
        answers.append(answer)
    writer.write(b"QUIT\r\n")
    rest = (await reader.read()).decode().splitlines()
    writer.close()
    return answers + rest


def data(octets: bytes) -> bytes:
    return b"\r\n".join(octets.splitlines()) + b"\r\n.\r\n"


async def test_lmtp_answers_for_each_recipient_after_the_commit(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, listening(here.reception) as address:
        assert address.startswith("lmtp://127.0.0.1:")
        said = await talk(
            address,
            b"LHLO mx\r\n",
            b"MAIL FROM:<leverans@supplier.test>\r\n",
            f"RCPT TO:<{TO}>\r\n".encode(),
            b"RCPT TO:<nobody@in.example.org>\r\n",
            b"RCPT TO:<exempel-ab@in.example.org>\r\n",
            b"DATA\r\n",
            data(invoice_mail()),
        )
        codes = [line[:3] for line in said]
        assert codes == ["220", "250", "250", "250", "550", "250", "354", "250", "250", "221"]
        assert [one.account for one in here.intake.files] == ["main", "exempel-ab"]


async def test_one_recipient_may_have_to_wait_for_another_time(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, listening(here.reception) as address:
        here.intake.errors = [Overloaded("busy")]
        said = await talk(
            address,
            b"LHLO mx\r\n",
            b"MAIL FROM:<>\r\n",
            f"RCPT TO:<{TO}>\r\n".encode(),
            f"RCPT TO:<{BOUNCE}>\r\n".encode(),
            b"DATA\r\n",
            data(invoice_mail()),
        )
        assert [line[:3] for line in said[-3:]] == ["451", "250", "221"]


async def test_smtp_takes_mail_too(tmp_path: Path) -> None:
    async with desk(tmp_path, protocol="smtp") as here, listening(here.reception) as address:
        port = int(address.rpartition(":")[2])
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            await client.sendmail("leverans@supplier.test", [TO], invoice_mail())
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await client.sendmail("x@supplier.test", ["b+guess@bounce.example.org"], b"x")
            here.intake.errors = [Overloaded("busy")]
            with pytest.raises(aiosmtplib.SMTPDataError) as caught:
                both = [TO, "exempel-ab@in.example.org"]
                await client.sendmail("leverans@supplier.test", both, invoice_mail(message_id="<2@supplier.test>"))
        assert caught.value.code == 451
        assert len(here.intake.files) == 2


async def test_a_mail_above_the_limit_is_refused_unread(tmp_path: Path) -> None:
    async with desk(tmp_path, max_mail="100 KB") as here, listening(here.reception) as address:
        said = await talk(
            address,
            b"LHLO mx\r\n",
            b"MAIL FROM:<x@supplier.test> SIZE=200000\r\n",
            b"MAIL FROM:<x@supplier.test>\r\n",
            f"RCPT TO:<{TO}>\r\n".encode(),
            b"DATA\r\n",
            b"x" * 70 + b"\r\n" * 60_000 + b"\r\n.\r\n",
        )
        assert [line[:3] for line in said[2:]] == ["552", "250", "250", "354", "552", "221"]
        assert here.intake.calls == 0


async def test_two_mails_on_one_connection_are_two(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, listening(here.reception) as address:
        one = [b"MAIL FROM:<x@supplier.test>\r\n", f"RCPT TO:<{TO}>\r\n".encode(), b"DATA\r\n"]
        other = [b"MAIL FROM:<>\r\n", f"RCPT TO:<{BOUNCE}>\r\n".encode(), b"DATA\r\n"]
        report = data(b"From: MAILER-DAEMON@mx.test\r\n\r\n550 5.1.1 no\r\n")
        await talk(address, b"LHLO mx\r\n", *one, data(invoice_mail()), *other, report)
        assert len(here.intake.files) == 1 and [each.kind for each in here.reports] == ["hard"]


async def test_so_many_recipients_and_connections_and_no_more(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, listening(here.reception) as address:
        many = [f"RCPT TO:<{TO}>\r\n".encode()] * 51
        said = await talk(address, b"LHLO mx\r\n", b"MAIL FROM:<x@supplier.test>\r\n", *many)
        assert [line[:3] for line in said].count("452") == 1
        host, _, port = address.rpartition("/")[2].rpartition(":")
        writers = []
        for _ in range(50):
            reader, writer = await asyncio.open_connection(host, int(port))
            assert (await reader.readline()).startswith(b"220")
            writers.append(writer)
        reader, writer = await asyncio.open_connection(host, int(port))
        assert (await reader.readline()).startswith(b"421")
        for each in (*writers, writer):
            each.close()
