"""Mail from real mail servers: postfix hands over by LMTP, dovecot is fetched from by IMAP."""

from __future__ import annotations

import asyncio
import imaplib
import shutil
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mailbox_parts import ID, NUMBER, TOKENS, Desk, desk, invoice_mail

from gateway.errors import Overloaded, StoreUnavailable
from gateway.mailbox.imap import Fetching, MailboxUnavailable
from gateway.mailbox.listener import listening
from gateway.mailbox.reception import send_promised
from tests import mail_servers

TO = f"{NUMBER}@in.example.org"
REPORT = b"From: MAILER-DAEMON@mx.test\r\nSubject: failure notice\r\n\r\n550 5.1.1 No such user\r\n"


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not so():
            await asyncio.sleep(0.05)


async def test_postfix_hands_over_by_lmtp_and_keeps_what_is_not_possible_now(tmp_path: Path) -> None:
    if why := mail_servers.why_not("postfix"):
        pytest.skip(why)
    port = mail_servers.free_port()
    way = f"lmtp:inet:127.0.0.1:{port}"
    with mail_servers.postfix({"in.example.org": way, "bounce.example.org": way}) as postfix:
        async with desk(tmp_path, listen=f"127.0.0.1:{port}") as here, listening(here.reception):
            here.intake.errors = [Overloaded("busy")]
            with smtplib.SMTP("127.0.0.1", postfix.port) as client:
                refused = await asyncio.to_thread(
                    client.sendmail, "leverans@supplier.test", [TO, "nobody@in.example.org"], invoice_mail()
                )
                assert refused == {}
                bounce = f"b+{TOKENS.make(ID)}@bounce.example.org"
                await asyncio.to_thread(client.sendmail, "", [bounce], REPORT)
            await until(lambda: bool(here.intake.files and here.reports))
            assert here.intake.calls == 2 and len(here.intake.files) == 1
            assert here.reports[0].document == ID
            async with asyncio.timeout(30):
                while not await send_promised(here.store, here.post, here.clock):
                    await asyncio.sleep(0.05)
            assert [letter.recipient for letter in here.post.sent] == ["leverans@supplier.test"]
            await until(lambda: "There is nobody with this number here" in postfix.log)


@pytest.fixture(scope="module")
def server() -> Iterator[mail_servers.Dovecot]:
    if why := mail_servers.why_not("dovecot"):
        pytest.skip(why)
    with mail_servers.dovecot() as running:
        yield running


def put(server: mail_servers.Dovecot, user: str, *mails: bytes, sender: str = "leverans@supplier.test") -> None:
    with smtplib.LMTP("127.0.0.1", server.lmtp) as client:
        for mail in mails:
            client.sendmail(sender, [user], mail)


def flags(server: mail_servers.Dovecot, user: str) -> list[tuple[str, bool]]:
    """Message-ID and whether it is seen, of each mail that is in the mailbox."""
    box = imaplib.IMAP4("127.0.0.1", server.imap)
    box.login(user, "hemligt")
    box.select("INBOX", readonly=True)
    _, found = box.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    box.logout()
    rows = [line for line in found if isinstance(line, tuple)]
    return [(line[1].decode().partition(":")[2].strip(), rb"\Seen" in line[0]) for line in rows]


def imap(server: mail_servers.Dovecot, user: str, **more: object) -> dict[str, object]:
    address = {"imap": f"127.0.0.1:{server.imap}", "imap_user": user, "imap_password": "hemligt", "imap_tls": "off"}
    return {"listen": "", **address, **more}


async def visit(here: Desk) -> int:
    return await Fetching(reception=here.reception).visit()


async def test_each_mail_is_read_once_and_stays_in_the_mailbox(tmp_path: Path, server: Any) -> None:
    bounce = f"To: b+{TOKENS.make(ID)}@bounce.example.org\r\n".encode() + REPORT
    human = b"From: anna@exempel.test\r\nTo: faktura@example.org\r\nMessage-ID: <h@x>\r\n\r\nhej\r\n"
    put(server, "once", invoice_mail(message_id="<1@supplier.test>"), invoice_mail(message_id="<2@supplier.test>"))
    put(server, "once", bounce, sender="")
    put(server, "once", human)
    async with desk(tmp_path, **imap(server, "once")) as here:
        assert await visit(here) == 4
        assert [one.sender for one in here.intake.files] == ["leverans@supplier.test"] * 2
        assert [each.document for each in here.reports] == [ID]
        assert await visit(here) == 0
        put(server, "once", invoice_mail(message_id="<3@supplier.test>"))
        assert await visit(here) == 1
        assert len(here.intake.files) == 3 and here.intake.calls == 3
    seen = dict(flags(server, "once"))
    assert len(flags(server, "once")) == 5
    assert seen["<1@supplier.test>"] and seen["<3@supplier.test>"] and not seen["<h@x>"]


async def test_what_a_person_has_looked_at_is_read_all_the_same(tmp_path: Path, server: Any) -> None:
    put(server, "looked", invoice_mail())
    box = imaplib.IMAP4("127.0.0.1", server.imap)
    box.login("looked", "hemligt")
    box.select("INBOX")
    box.store("1", "+FLAGS", r"(\Seen)")
    box.logout()
    async with desk(tmp_path, **imap(server, "looked")) as here:
        await visit(here)
        assert len(here.intake.files) == 1


async def test_what_is_not_possible_now_is_fetched_again_and_holds_up_nothing(tmp_path: Path, server: Any) -> None:
    put(server, "later", invoice_mail(message_id="<1@supplier.test>"), invoice_mail(message_id="<2@supplier.test>"))
    async with desk(tmp_path, **imap(server, "later")) as here:
        here.intake.errors = [Overloaded("busy")]
        await visit(here)
        assert [one.key.partition("/")[0] for one in here.intake.files] == ["2@supplier.test"]
        assert dict(flags(server, "later")) == {"<1@supplier.test>": False, "<2@supplier.test>": True}
        await visit(here)
        assert len(here.intake.files) == 2 and here.intake.calls == 3
        await visit(here)
        assert here.intake.calls == 3


async def test_a_death_before_it_is_remembered_changes_nothing(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, "death", invoice_mail())
    async with desk(tmp_path, **imap(server, "death")) as here:
        with monkeypatch.context() as broken:

            async def die(*_: object) -> None:
                raise StoreUnavailable("killed here")

            broken.setattr(here.store.mail.__class__, "set_bookmark", die)
            with pytest.raises(StoreUnavailable):
                await visit(here)
        assert dict(flags(server, "death")) == {"<1@supplier.test>": False}
        await visit(here)
        assert here.intake.calls == 2 and len(here.intake.files) == 1
        assert dict(flags(server, "death")) == {"<1@supplier.test>": True}


async def test_a_mailbox_that_is_numbered_anew_is_read_anew_and_nothing_comes_twice(
    tmp_path: Path, server: Any
) -> None:
    put(server, "anew", invoice_mail(message_id="<1@supplier.test>"), invoice_mail(message_id="<2@supplier.test>"))
    async with desk(tmp_path, **imap(server, "anew")) as here:
        await visit(here)
        mails = [path.read_bytes() for path in (server.home / "mail/anew").glob("[cn]*/*") if path.is_file()]
        assert len(mails) == 2
        shutil.rmtree(server.home / "mail/anew")
        await asyncio.sleep(1.1)  # dovecot numbers by the second
        put(server, "anew", *mails[:1], invoice_mail(message_id="<3@supplier.test>"))
        seen = 0
        for _ in range(10):  # on a busy machine dovecot has still the old list for a moment
            seen += await visit(here)
            if seen:
                break
            await asyncio.sleep(0.5)
        assert seen == 2
        assert len(here.intake.files) == 3 and here.intake.calls == 4


async def test_a_mail_above_the_limit_stays_there_and_holds_up_nothing(tmp_path: Path, server: Any) -> None:
    large = invoice_mail(message_id="<1@supplier.test>", text="x\n" * 100_000)
    put(server, "large", large, invoice_mail(message_id="<2@supplier.test>"))
    async with desk(tmp_path, **imap(server, "large", max_mail="150 KB")) as here:
        await visit(here)
        assert len(here.intake.files) == 1
        assert dict(flags(server, "large")) == {"<1@supplier.test>": False, "<2@supplier.test>": True}


@pytest.mark.parametrize("wrong", [{"imap_password": "fel"}, {"imap_folder": "Nowhere"}, {"imap_tls": "starttls"}])
async def test_a_mailbox_that_cannot_be_opened_says_why(tmp_path: Path, server: Any, wrong: dict[str, Any]) -> None:
    async with desk(tmp_path, **imap(server, "wrong", **wrong)) as here:
        with pytest.raises(MailboxUnavailable):
            await visit(here)
