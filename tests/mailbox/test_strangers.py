"""What strangers' mails may not do: stop a mailbox, be refused for a broken header, fill the disk under one token."""

from __future__ import annotations

from pathlib import Path

import pytest
from mailbox_parts import MAIN, NUMBER, desk, invoice_mail

from gateway.mailbox import imap
from gateway.mailbox.imap import Fetching, Place
from gateway.mailbox.mime import decoded
from gateway.mailbox.reception import Owner

BROKEN = b"=?utf-8?b?A?="
"""An encoded word of which the standard library says that it cannot be read, by an exception of its own."""


class FakeVisit:
    """A mailbox of these mails."""

    mails: tuple[bytes, ...] = ()

    def __init__(self, settings: object) -> None:
        self.seen: list[int] = []

    def open(self) -> int:
        return 7

    def since(self, uid: int) -> list[int]:
        return [number for number in range(1, len(self.mails) + 1) if number >= uid]

    def fetch(self, uid: int, most: int) -> bytes:
        return self.mails[uid - 1]

    def mark(self, uid: int) -> None:
        self.seen.append(uid)

    def close(self) -> None: ...


def test_a_broken_encoded_word_is_read_as_it_stands() -> None:
    assert decoded(BROKEN.decode()) == "= ?utf-8?b?A?=", "and can be read as one by nobody further on"


async def test_an_invoice_with_a_broken_subject_is_taken(tmp_path: Path) -> None:
    mail = invoice_mail("faktura.pdf")
    mail = mail.replace(b"Subject: ", b"Subject: " + BROKEN + b" ", 1)
    assert BROKEN in mail
    async with desk(tmp_path) as here:
        said = await here.reception.take(mail, sender="leverans@supplier.test", owner=Owner(account=MAIN))
        assert said.code == 250 and len(here.intake.files) == 1


@pytest.mark.parametrize("header", [b"To: " + BROKEN, b"Delivered-To: " + BROKEN, b"Return-Path: " + BROKEN])
async def test_a_mail_with_a_broken_header_stops_no_mailbox(
    tmp_path: Path, header: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = b"Delivered-To: " + f"{NUMBER}@in.example.org".encode() + b"\n" + invoice_mail("faktura.pdf")
    monkeypatch.setattr(FakeVisit, "mails", (header + b"\nSubject: x\n\nx\n", good))
    monkeypatch.setattr(imap, "Visit", FakeVisit)
    async with desk(tmp_path) as here:
        await Fetching(reception=here.reception).visit()
        assert len(here.intake.files) == 1


async def test_a_mail_at_which_our_own_program_stumbles_is_left_after_some_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = b"Delivered-To: " + f"{NUMBER}@in.example.org".encode() + b"\n" + invoice_mail("faktura.pdf")
    monkeypatch.setattr(FakeVisit, "mails", (good, good.replace(b"Message-ID: <", b"Message-ID: <other")))
    monkeypatch.setattr(imap, "Visit", FakeVisit)
    async with desk(tmp_path) as here:
        here.intake.errors = [RuntimeError("a fault of ours")] * 100
        fetching = Fetching(reception=here.reception)
        for _ in range(30):
            await fetching.visit()
        place = Place.of(dict(await here.store.mail.bookmark(fetching.name)), 7)
        assert (place.later, here.intake.calls) == ([], 2 * imap.TRIES)
