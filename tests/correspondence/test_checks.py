"""What ``gateway check`` says about mail."""

from __future__ import annotations

import base64
from pathlib import Path

from gateway.config import Config, Network
from gateway.config.values import Address
from gateway.correspondence.checks import check_mail, names
from tests import mail_servers

PUBLIC = b"the public key"
GOOD = {
    "example.org": b"v=spf1 mx -all",
    "s._domainkey.example.org": b"v=DKIM1; k=rsa; p=" + base64.b64encode(PUBLIC),
    "_dmarc.example.org": b"v=DMARC1; p=none",
}


def said(records: dict[str, bytes], where: str = "s._domainkey.example.org") -> dict[str, tuple[bool, str]]:
    return {name: (ok, text) for name, ok, text in names("example.org", where, PUBLIC, records.get)}


def test_a_domain_as_it_should_be() -> None:
    assert [ok for ok, _ in said(GOOD).values()] == [True, True, True]


def test_what_is_missing_is_said_with_what_to_write() -> None:
    found = said({})
    assert [ok for ok, _ in found.values()] == [False, False, False]
    assert base64.b64encode(PUBLIC).decode() in found["DKIM"][1]
    assert "v=DMARC1; p=none" in found["DMARC"][1]
    assert "not signed" in said(GOOD, where="")["DKIM"][1]
    other = {**GOOD, "s._domainkey.example.org": b"v=DKIM1; p=AAAA"}
    assert "another key" in said(other)["DKIM"][1]


def config(base: Path, **sections: object) -> Config:
    return Config(
        base=base, network=Network(kind="private", dns_servers=(Address(host="127.0.0.1", port=1),)), **sections
    )  # type: ignore[arg-type]


async def test_a_server_that_is_not_there_and_a_key_that_others_can_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "return.key").write_text("ab" * 32)
    (tmp_path / "return.key").chmod(0o644)
    port = mail_servers.free_port()
    email = {"smtp": f"127.0.0.1:{port}", "sender": "faktura@example.org", "return_key_file": "return.key"}
    verdicts = {name: (ok, text) for name, ok, text in await check_mail(config(tmp_path, email=email))}
    assert not verdicts["mail server"][0] and "invoices wait" in verdicts["mail server"][1]
    assert not verdicts["return key"][0] and "chmod 600" in verdicts["return key"][1]
    assert "nobody hears" in verdicts["mailbox"][1]


async def test_every_problem_of_a_section_is_told(tmp_path: Path) -> None:
    [(name, ok, text)] = await check_mail(config(tmp_path, mailbox={"colour": "red", "max_files": "x"}))
    assert (name, ok) == ("mailbox", False)
    assert "mailbox.colour" in text and "mailbox.max_files" in text


async def test_a_mailbox_that_does_not_answer_is_named(tmp_path: Path) -> None:
    port = mail_servers.free_port()
    mailbox = {"imap": f"127.0.0.1:{port}", "imap_user": "x", "imap_password": "y", "imap_tls": "off"}
    verdicts = await check_mail(config(tmp_path, mailbox=mailbox))
    assert [(name, ok) for name, ok, _ in verdicts] == [("IMAP", False)]
