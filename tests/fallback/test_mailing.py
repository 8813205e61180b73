from __future__ import annotations

import asyncio
import base64
import email
import io
import ssl
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dkim
import pypdf
import pytest
from aiosmtpd.smtp import AuthResult
from channel_parts import (
    BUYER,
    NOW,
    MailServer,
    ScriptedServer,
    mail_server,
    make_context,
    make_facts,
    make_page,
    make_parcel,
    scripted_server,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.fallback._mail_settings import Settings
from gateway.fallback.mailing import open_channel
from gateway.model.identifiers import DocumentId
from gateway.model.mail import Letter
from gateway.ports import Channel
from gateway.security.tokens import Tokens, read_key


def channel_to(server: MailServer | ScriptedServer, base: Path, **table: object) -> Channel:
    settings = {"smtp": f"127.0.0.1:{server.port}", "sender": "faktura@example.org", **table}
    return open_channel(settings, make_context(base, section="email"))


def token(base: Path) -> str:
    """What the channel below this base makes of ``doc-0001``."""
    return Tokens(read_key(base / "var/return.key")).make(DocumentId("doc-0001"))


def problems(table: dict[str, object], base: Path) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({"smtp": "mx.example.org:587", "sender": "faktura@example.org", **table}, "email", base)
    return dict(caught.value.problems)


async def test_the_mail_server_gets_the_invoice_and_its_answer_is_the_proof(tmp_path: Path) -> None:
    async with mail_server() as server:
        handover = await channel_to(server, tmp_path, bounce_domain="bounce.example.org").dispatch(make_parcel())
    [mail] = server.mails
    assert mail.mail_from == f"b+{token(tmp_path)}@bounce.example.org"
    assert mail.rcpt_tos == ["faktura@exempel.test"]
    assert mail.content == handover.evidence
    assert handover.reference == "250 2.0.0 Ok: queued as 0001"
    assert "faktura@exempel.test" in handover.text and not handover.confirmed


async def test_without_a_bounce_domain_bounces_go_to_the_sender(tmp_path: Path) -> None:
    async with mail_server() as server:
        await channel_to(server, tmp_path).dispatch(make_parcel())
    assert server.mails[0].mail_from == "faktura@example.org"


@pytest.mark.parametrize("answer", ["550 5.1.1 No such user here", "553 5.1.3 Bad address", "554 5.7.1 Not here"])
async def test_a_recipient_refused_for_good_is_refused_with_the_servers_words(tmp_path: Path, answer: str) -> None:
    async with mail_server() as server:
        server.rcpt = answer
        with pytest.raises(ChannelRefused, match=answer):
            await channel_to(server, tmp_path).dispatch(make_parcel())
        server.rcpt = ""
        assert (await channel_to(server, tmp_path).dispatch(make_parcel())).reference.startswith("250")


async def test_a_mail_refused_for_its_content_is_refused_with_the_servers_words(tmp_path: Path) -> None:
    async with mail_server() as server:
        server.data = "554 5.6.0 We take no XML"
        with pytest.raises(ChannelRefused, match="We take no XML"):
            await channel_to(server, tmp_path).dispatch(make_parcel())


@pytest.mark.parametrize(
    ("rcpt", "data"), [("451 4.7.1 Greylisted", ""), ("452 4.2.2 Mailbox full", ""), ("", "451 4.3.0 Try later")]
)
async def test_a_temporary_refusal_waits(tmp_path: Path, rcpt: str, data: str) -> None:
    async with mail_server() as server:
        server.rcpt, server.data = rcpt, data
        with pytest.raises(ChannelUnavailable, match=rcpt or data) as caught:
            await channel_to(server, tmp_path).dispatch(make_parcel())
        assert "doubt" not in str(caught.value)


@pytest.mark.parametrize(
    "answers",
    [
        {"MAIL": "550 5.7.1 You may not send"},
        {"RCPT": "530 5.7.0 Log in first"},
        {"EHLO": "554 Go away", "HELO": "554 Go away"},
        {"CONNECT": "554 No service"},
    ],
)
async def test_a_server_that_does_not_take_us_makes_invoices_wait_not_print(
    tmp_path: Path, answers: dict[str, str]
) -> None:
    async with scripted_server(**answers) as server:
        with pytest.raises(ChannelUnavailable):
            await channel_to(server, tmp_path).dispatch(make_parcel())


@pytest.mark.parametrize(
    ("answer", "bad"),
    [
        ("550 5.1.1 No such user here", True),
        ("550 User unknown", True),
        ("550 5.7.1 Blocked by policy", True),
        ("550 5.2.1 Mailbox disabled", True),
        ("552 5.2.2 Mailbox full", False),
        ("550 5.3.4 Message too large", False),
    ],
)
async def test_a_refusal_says_whether_the_address_is_no_good(tmp_path: Path, answer: str, bad: bool) -> None:
    async with mail_server() as server:
        server.rcpt = answer
        with pytest.raises(ChannelRefused) as caught:
            await channel_to(server, tmp_path).dispatch(make_parcel())
    assert caught.value.address == ("faktura@exempel.test" if bad else "")


async def test_a_server_that_carries_nothing_on_for_us_makes_invoices_wait_not_print(tmp_path: Path) -> None:
    async with mail_server() as server:
        server.rcpt = "554 5.7.1 <faktura@exempel.test>: Relay access denied"
        with pytest.raises(ChannelUnavailable, match="Relay access denied"):
            await channel_to(server, tmp_path).dispatch(make_parcel())


async def test_a_page_that_is_too_large_for_many_receivers_goes_without_the_files_inside_it(tmp_path: Path) -> None:
    heavy = make_page(pages=2, filler=5_000_000)
    assert len(heavy) > 2_000_000
    async with mail_server() as server:
        await channel_to(server, tmp_path).dispatch(make_parcel(page=heavy))
    [pdf] = [part for part in attachments(server) if part.get_content_type() == "application/pdf"]
    slim = pypdf.PdfReader(io.BytesIO(pdf.get_payload(decode=True)))
    assert len(pdf.get_payload(decode=True)) < 100_000
    last = [page.extract_text().splitlines()[-1] for page in slim.pages]
    assert last == ["Faktura 1001, sida 1: Åäö", "Faktura 1001, sida 2: Åäö"]


@pytest.mark.parametrize(
    ("table", "octets", "names"),
    [
        ({}, 1_000, ["Faktura_1001.pdf", "Faktura_1001.xml"]),
        ({"attach_xml": False}, 1_000, ["Faktura_1001.pdf"]),
        ({"max_mail": "200 KB"}, 300_000, ["Faktura_1001.pdf"]),
    ],
)
async def test_the_document_goes_along_where_it_is_wanted_and_fits(
    tmp_path: Path, table: dict[str, Any], octets: int, names: list[str]
) -> None:
    async with mail_server() as server:
        parcel = make_parcel(document=b"<x>" + b"y" * octets + b"</x>")
        await channel_to(server, tmp_path, **table).dispatch(parcel)
    assert [part.get_filename() for part in attachments(server)] == names
    text = next(part for part in read(server).walk() if part.get_content_type() == "text/plain")
    assert (b"XML-filen" in text.get_payload(decode=True)) is (len(names) == 2)


class TestSignature:
    """DKIM, verified with the key as it would stand in the DNS."""

    @pytest.fixture
    def table(self, tmp_path: Path) -> dict[str, object]:
        key = rsa.generate_private_key(65537, 2048)
        self.record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(
            key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        file = tmp_path / "dkim.key"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.chmod(0o600)
        return {"dkim_domain": "example.org", "dkim_selector": "2026", "dkim_key_file": "dkim.key"}

    def verify(self, octets: bytes) -> bool:
        asked = {b"2026._domainkey.example.org.": self.record}
        return bool(dkim.verify(octets, dnsfunc=lambda name, timeout=5: asked.get(name)))

    async def test_a_signed_mail_verifies_and_a_changed_one_does_not(
        self, tmp_path: Path, table: dict[str, object]
    ) -> None:
        async with mail_server() as server:
            await channel_to(server, tmp_path, **table).dispatch(make_parcel())
        octets = server.mails[0].content
        assert isinstance(octets, bytes) and self.verify(octets)
        assert not self.verify(octets.replace(b"Subject: ", b"Subject: x"))
        assert not self.verify(b"From: other@example.org\r\n" + octets)
        assert not self.verify(octets.replace(b"12=C2=A0500", b"92=C2=A0500"))

    async def test_an_answer_is_signed_too_and_has_no_return_address(
        self, tmp_path: Path, table: dict[str, object]
    ) -> None:
        async with mail_server() as server:
            channel: Any = channel_to(server, tmp_path, **table)
            await channel.answer(Letter(octets=b"From: faktura@example.org\r\n\r\nx\r\n", recipient="a@exempel.test"))
        [mail] = server.mails
        assert mail.mail_from == "<>" and mail.rcpt_tos == ["a@exempel.test"]
        assert isinstance(mail.content, bytes) and self.verify(mail.content)

    def test_what_is_wrong_with_the_key_is_said_before_the_first_mail(
        self, tmp_path: Path, table: dict[str, object]
    ) -> None:
        assert "belong together" in problems({"dkim_domain": "example.org"}, tmp_path)["email.dkim_key_file"]
        elsewhere = problems({**table, "dkim_domain": "other.test"}, tmp_path)
        assert "not the domain of email.sender" in elsewhere["email.dkim_domain"]
        (tmp_path / "dkim.key").chmod(0o644)
        assert "chmod 600" in problems(table, tmp_path)["email.dkim_key_file"]
        (tmp_path / "dkim.key").chmod(0o600)
        (tmp_path / "dkim.key").write_text("no key")
        assert "is no PEM key" in problems(table, tmp_path)["email.dkim_key_file"]


def read(server: MailServer) -> Any:
    content = server.mails[0].content
    assert isinstance(content, bytes)
    return email.message_from_bytes(content)


def attachments(server: MailServer) -> list[Any]:
    return [part for part in read(server).walk() if part.get_content_disposition() == "attachment"]


async def test_a_server_with_a_smaller_limit_refuses_for_good(tmp_path: Path) -> None:
    async with mail_server(data_size_limit=5000) as server:
        with pytest.raises(ChannelRefused, match="552"):
            await channel_to(server, tmp_path).dispatch(make_parcel())


async def test_no_server_is_told_as_nothing_sent(tmp_path: Path) -> None:
    async with mail_server() as server:
        pass
    with pytest.raises(ChannelUnavailable, match="nothing was sent"):
        await channel_to(server, tmp_path).dispatch(make_parcel())


@pytest.mark.parametrize("answer", ["", "..."])
async def test_a_connection_lost_after_the_mail_is_in_doubt_and_the_repeat_has_the_same_message_id(
    tmp_path: Path, answer: str
) -> None:
    async with scripted_server(CONTENT=answer) as server:
        channel = channel_to(server, tmp_path, timeout="1 second")
        with pytest.raises(ChannelUnavailable, match="in doubt") as caught:
            await channel.dispatch(make_parcel())
        assert f"<{token(tmp_path)}@example.org>" in caught.value.remedy
        del server.answers["CONTENT"]
        await channel.dispatch(make_parcel())
        assert len(server.mails) == 2
        assert all(f"\r\nMessage-ID: <{token(tmp_path)}@example.org>\r\n".encode() in mail for mail in server.mails)


@pytest.mark.parametrize("answers", [{"RCPT": "..."}, {"CONNECT": "..."}, {"DATA": "451 4.3.0 No"}, {"MAIL": ""}])
async def test_a_failure_before_the_mail_is_not_in_doubt(tmp_path: Path, answers: dict[str, str]) -> None:
    async with scripted_server(**answers) as server:
        with pytest.raises(ChannelUnavailable) as caught:
            await channel_to(server, tmp_path, timeout="1 second").dispatch(make_parcel())
        assert "doubt" not in str(caught.value) and server.mails == []


async def test_a_server_that_reports_bounces_is_asked_to(tmp_path: Path) -> None:
    async with scripted_server(EHLO="250-mx.test\r\n250-SIZE 9000000\r\n250 DSN") as server:
        await channel_to(server, tmp_path).dispatch(make_parcel())
        await asyncio.sleep(0.05)
    hello, mail, rcpt, data, bye = server.commands
    assert hello == "EHLO example.org" and data == "DATA" and bye == "QUIT"
    assert mail.startswith("MAIL FROM:<faktura@example.org> SIZE=") and mail.endswith(
        f" RET=HDRS ENVID={token(tmp_path)}"
    )
    assert rcpt == "RCPT TO:<faktura@exempel.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;faktura@exempel.test"


async def test_a_line_with_a_dot_alone_does_not_end_the_mail(tmp_path: Path) -> None:
    async with mail_server() as server:
        handover = await channel_to(server, tmp_path).dispatch(make_parcel())
    assert server.mails[0].content == handover.evidence


async def test_a_mail_above_the_limit_is_refused_before_a_connection(tmp_path: Path) -> None:
    async with mail_server() as server:
        parcel = make_parcel(page=make_page(filler=300_000))
        with pytest.raises(ChannelRefused, match=r"email\.max_mail"):
            await channel_to(server, tmp_path, max_mail="100 KB").dispatch(parcel)
        assert server.mails == []


async def test_without_the_extra_it_waits_and_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiosmtplib", None)
    async with mail_server() as server:
        with pytest.raises(ChannelUnavailable) as caught:
            await channel_to(server, tmp_path).dispatch(make_parcel())
    assert "access-point-gateway[mail]" in caught.value.remedy


async def test_a_worker_stopped_in_the_middle_leaves_no_lock_behind(tmp_path: Path) -> None:
    async with mail_server() as server:
        server.delay = 30
        channel = channel_to(server, tmp_path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await channel.dispatch(make_parcel())
        server.delay = 0
        await channel.dispatch(make_parcel())
        assert len(server.mails) == 1


class TestTls:
    """Against a real STARTTLS server with a certificate of our own authority."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[Any, Path]:
        return make_tls(tmp_path)

    async def test_the_mail_goes_encrypted_with_the_password_after_starttls(
        self, tmp_path: Path, files: tuple[Any, Path]
    ) -> None:
        context, ca = files
        seen: list[tuple[bytes, bool]] = []

        def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            seen.append((data.password, session.ssl is not None))
            return AuthResult(success=data.password == b"hemligt")

        password = tmp_path / "password"
        password.write_text("hemligt\n")
        password.chmod(0o600)
        table = {"tls": "starttls", "ca_file": str(ca), "user": "gateway", "password_file": str(password)}
        options = {"tls_context": context, "require_starttls": True, "authenticator": check, "auth_required": True}
        async with mail_server(**options) as server:
            await channel_to(server, tmp_path, **{**table, "smtp": f"localhost:{server.port}"}).dispatch(make_parcel())
        assert len(server.mails) == 1 and seen == [(b"hemligt", True)]

    async def test_a_wrong_password_waits(self, tmp_path: Path, files: tuple[Any, Path]) -> None:
        context, ca = files
        table = {"tls": "starttls", "ca_file": str(ca), "user": "gateway", "password": "fel"}
        refuse = lambda *_: AuthResult(success=False, handled=False)  # noqa: E731
        async with mail_server(tls_context=context, authenticator=refuse, auth_required=True) as server:
            channel = channel_to(server, tmp_path, **{**table, "smtp": f"localhost:{server.port}"})
            with pytest.raises(ChannelUnavailable, match="535"):
                await channel.dispatch(make_parcel())
        assert server.mails == []

    async def test_a_server_of_an_unknown_authority_gets_nothing(self, tmp_path: Path, files: tuple[Any, Path]) -> None:
        context, _ = files
        async with mail_server(tls_context=context) as server:
            channel = channel_to(server, tmp_path, tls="starttls", smtp=f"localhost:{server.port}")
            with pytest.raises(ChannelUnavailable, match="nothing was sent"):
                await channel.dispatch(make_parcel())
        assert server.mails == []

    async def test_a_server_whose_starttls_was_stripped_gets_nothing(self, tmp_path: Path) -> None:
        async with mail_server() as server:
            with pytest.raises(ChannelUnavailable, match="nothing was sent"):
                await channel_to(server, tmp_path, tls="starttls").dispatch(make_parcel())
        assert server.mails == []


def make_tls(directory: Path) -> tuple[Any, Path]:

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=4000))
        .not_valid_after(NOW + timedelta(days=4000))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = directory / "mx.pem", directory / "mx.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return context, pem


def test_an_invoice_without_an_address_is_not_served(tmp_path: Path) -> None:
    channel = channel_to(ScriptedServer(port=25), tmp_path)

    def served(email: str) -> str:
        return channel.serves(make_parcel(facts=make_facts(buyer=replace(BUYER, email=email)), page=b""))

    assert served("") == "no e-mail address for the receiver on the invoice"
    assert served(" ") == "no e-mail address for the receiver on the invoice"
    assert served("a@exempel.test, b@exempel.test").endswith("is not one e-mail address")
    assert served("faktura@exempel.test") == ""


async def test_an_invoice_that_is_not_served_is_refused(tmp_path: Path) -> None:

    facts = make_facts(buyer=replace(BUYER, email="x@exempel.test\r\nRCPT TO:<y@exempel.test>"))
    async with mail_server() as server:
        with pytest.raises(ChannelRefused, match="not one e-mail address"):
            await channel_to(server, tmp_path).dispatch(make_parcel(facts=facts))
    assert server.mails == []


def test_every_contradiction_of_the_section_is_told_at_once(tmp_path: Path) -> None:
    found = problems(
        {"sender": "faktura", "bounce_domain": "a b", "user": "x", "max_mail": "1 B", "timeout": "1 day",
         "ca_file": "no.pem"}, tmp_path
    )  # fmt: skip
    assert set(found) == {
        "email.sender",
        "email.bounce_domain",
        "email.user",
        "email.max_mail",
        "email.timeout",
        "email.ca_file",
    }


def test_a_password_file_must_be_there_and_private(tmp_path: Path) -> None:
    assert "email.password_file" in problems({"user": "x", "password_file": "absent"}, tmp_path)
    (tmp_path / "open").write_text("x")
    (tmp_path / "open").chmod(0o644)
    assert "chmod 600" in problems({"user": "x", "password_file": "open"}, tmp_path)["email.password_file"]


def test_a_password_never_goes_without_encryption_to_another_machine(tmp_path: Path) -> None:
    assert "email.tls" in problems({"user": "x", "password": "y", "tls": "off"}, tmp_path)


@pytest.mark.parametrize(
    ("smtp", "security"),
    [
        ("127.0.0.1:25", "off"),
        ("localhost:25", "off"),
        ("[::1]:25", "off"),
        ("10.0.0.1:25", "starttls"),
        ("mx.example.org:25", "starttls"),
    ],
)
def test_only_a_server_on_this_machine_is_spoken_to_in_the_clear_by_itself(smtp: str, security: str) -> None:
    read = Settings.read({"smtp": smtp, "sender": "faktura@example.org"}, "email", Path())
    assert read.security == security


def test_the_password_is_not_shown(tmp_path: Path) -> None:
    read = Settings.read({"smtp": "mx.example.org:587", "sender": "a@example.org", "user": "x", "password": "hemligt"},
                         "email", tmp_path)  # fmt: skip
    assert "hemligt" not in repr(read)


def test_the_page_of_these_tests_is_a_real_pdf() -> None:
    assert make_page().startswith(b"%PDF-1.")
