"""One mail that comes in: whose it is, what becomes of it, who is told."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from mailbox_parts import ID, MAIN, NUMBER, OTHER, TOKENS, Desk, desk, invoice_mail

from gateway.errors import ChannelRefused, ChannelUnavailable, Overloaded, StoreUnavailable
from gateway.mailbox.reception import Owner, Said, send_promised

SENDER = "leverans@supplier.test"


async def take(here: Desk, octets: bytes, *, sender: str = SENDER, owner: Owner | None = None) -> Said:
    return await here.reception.take(octets, sender=sender, owner=owner or Owner(account=MAIN))


async def answers(here: Desk) -> list[EmailMessage]:
    await send_promised(here.store, here.post, here.clock)
    read = [email.message_from_bytes(letter.octets, policy=email.policy.default) for letter in here.post.sent]
    return [message for message in read if isinstance(message, EmailMessage)]


@pytest.mark.parametrize(
    ("address", "account"),
    [
        (f"{NUMBER}@in.example.org", MAIN),
        (f"{NUMBER}+anything@IN.example.org", MAIN),
        ("exempel-ab@in.example.org", OTHER),
        ("Exempel-AB@in.example.org", OTHER),
    ],
)
async def test_the_address_decides_the_account(tmp_path: Path, address: str, account: str) -> None:
    async with desk(tmp_path) as here:
        owner = await here.reception.owner(address)
        assert isinstance(owner, Owner) and owner.account == account


@pytest.mark.parametrize(
    "address",
    ["", "@", "5567212048@in.example.org", f"{NUMBER}@other.test", f"{NUMBER}@bounce.example.org", "@in.example.org",
     "b+x@bounce.example.org", f"b+{ID}-aaaaaaaaaaaaaaaa@bounce.example.org", "%@in.example.org", "x" * 300],
)  # fmt: skip
async def test_any_other_address_is_refused_before_the_mail(tmp_path: Path, address: str) -> None:
    async with desk(tmp_path) as here:
        said = await here.reception.owner(address)
        assert isinstance(said, Said) and said.code == 550


async def test_each_pdf_is_one_invoice_with_its_proof_and_the_sender_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        said = await take(here, invoice_mail("faktura 1.pdf", "faktura 2.pdf"))
        assert said.code == 250
        one, two = here.intake.files
        assert (one.account, one.file_name, one.source, one.sender) == (MAIN, "faktura 1.pdf", "mail", SENDER)
        assert one.key != two.key
        [proof] = one.evidence
        for words in (b"spf: pass", b"aligned: yes", b"Message-ID: <1@supplier.test>", b"sha256 of the mail: "):
            assert words in proof.octets
        [answer] = await answers(here)
        assert answer["To"] == SENDER and answer["From"] == "faktura@example.org"
        assert answer["Subject"] == "Mottaget: Faktura 17"
        assert answer["Auto-Submitted"] == "auto-replied" and answer["In-Reply-To"] == "<1@supplier.test>"
        text = answer.get_content()
        assert text.index("faktura 1.pdf är mottagen") < text.index("faktura 1.pdf is taken")
        assert "Det står varför." in text


async def test_the_same_mail_twice_is_one_of_each(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        for _ in range(3):
            assert (await take(here, invoice_mail())).code == 250
        assert len(here.intake.files) == 1 and len(await answers(here)) == 1
        assert len(await answers(here)) == 1


async def test_another_file_under_the_same_message_id_is_not_lost(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await take(here, invoice_mail())
        changed = invoice_mail().replace(b"JVBERi0", b"IEpWQkVSaTA", 1)
        assert changed != invoice_mail()
        other = invoice_mail(text="x").replace(b"%PDF", b"%PDF")
        message: Any = email.message_from_bytes(other, policy=email.policy.default)
        [part] = message.iter_attachments()
        part.set_content(b"%PDF-1.7 another", maintype="application", subtype="pdf", filename="b.pdf")
        assert (await take(here, message.as_bytes())).code == 250
        assert len(here.intake.files) == 2


@pytest.mark.parametrize("error", [Overloaded("busy"), StoreUnavailable("disk"), RuntimeError("a bug")])
async def test_what_is_not_possible_now_comes_again(tmp_path: Path, error: Exception) -> None:
    async with desk(tmp_path) as here:
        here.intake.errors = [error]
        said = await take(here, invoice_mail())
        assert said.code == 451
        assert not await answers(here)
        assert (await take(here, invoice_mail())).code == 250
        assert len(here.intake.files) == 1 and len(await answers(here)) == 1


async def test_between_the_invoice_and_the_answer_nothing_is_lost_by_a_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as here:
        with monkeypatch.context() as broken:

            async def die(*_: object) -> bool:
                raise StoreUnavailable("killed here")

            broken.setattr(here.store.mail.__class__, "promise", die)
            assert (await take(here, invoice_mail())).code == 451
        assert (await take(here, invoice_mail())).code == 250
        assert len(here.intake.files) == 1 and len(await answers(here)) == 1


@pytest.mark.parametrize(
    "results",
    [
        "",
        "spf=fail smtp.mailfrom=supplier.test",
        "spf=pass smtp.mailfrom=other.test",
        "spf=pass",
        "dkim=pass header.d=other.test",
        "dkim=pass header.d=test",
        "dkim=fail header.d=supplier.test",
        "((((",
    ],
)
async def test_whoever_did_not_prove_who_it_is_gets_no_answer_by_mail(tmp_path: Path, results: str) -> None:
    async with desk(tmp_path) as here:
        assert (await take(here, invoice_mail(results=results))).code == 250
        assert len(here.intake.files) == 1 and not await answers(here)


@pytest.mark.parametrize("results", ["dkim=pass header.d=supplier.test", "dkim=pass header.i=@supplier.test"])
async def test_a_signature_of_the_senders_domain_is_proof_too(tmp_path: Path, results: str) -> None:
    async with desk(tmp_path) as here:
        await take(here, invoice_mail(results=results))
        assert len(await answers(here)) == 1


async def test_the_word_of_another_server_proves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        forged = b"Authentication-Results: evil.test; spf=pass smtp.mailfrom=supplier.test\r\n"
        await take(here, forged + invoice_mail(results=""))
        below = invoice_mail(results="spf=none smtp.mailfrom=supplier.test", message_id="<2@supplier.test>")
        second = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=supplier.test\r\n"
        head, _, rest = below.partition(b"\n")
        await take(here, head + b"\n" + second + rest)  # ours stands above the one that came with the mail
        assert len(here.intake.files) == 2 and not await answers(here)


@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        ("", {}),
        ("MAILER-DAEMON@supplier.test", {}),
        ("no-reply@supplier.test", {}),
        ("news-bounces@supplier.test", {}),
        ("faktura@example.org", {}),
        (SENDER, {"Auto_Submitted": "auto-generated"}),
        (SENDER, {"Precedence": "bulk"}),
        (SENDER, {"List_Id": "<x.supplier.test>"}),
        (SENDER, {"X_Auto_Response_Suppress": "All"}),
    ],
)
async def test_no_machine_is_answered(tmp_path: Path, sender: str, headers: dict[str, str]) -> None:
    async with desk(tmp_path) as here:
        domain = sender.partition("@")[2] or "supplier.test"
        mail = invoice_mail(results=f"spf=pass smtp.mailfrom={domain}", **headers)
        assert (await take(here, mail, sender=sender)).code == 250
        assert len(here.intake.files) == 1 and not await answers(here)


async def test_one_address_gets_only_so_many_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.mailbox.reception._MOST_ANSWERS", 3)
    async with desk(tmp_path) as here:
        for number in range(5):
            await take(here, invoice_mail(message_id=f"<{number}@supplier.test>"))
        assert len(here.intake.files) == 5 and len(await answers(here)) == 3
        here.clock.forward(days=2)
        await take(here, invoice_mail(message_id="<9@supplier.test>"))
        assert len(await answers(here)) == 4


@pytest.mark.parametrize(
    ("name", "swedish", "english"),
    [
        ("faktura.zip", "är ett arkiv", "is an archive"),
        ("faktura.docx", "är ingen PDF", "is no PDF"),
    ],
)
async def test_what_is_no_pdf_is_not_taken_and_the_sender_hears_why(
    tmp_path: Path, name: str, swedish: str, english: str
) -> None:
    async with desk(tmp_path) as here:
        assert (await take(here, invoice_mail(name))).code == 250
        assert not here.intake.files
        [answer] = await answers(here)
        assert answer["Subject"].startswith("Avvisat")
        assert swedish in answer.get_content() and english in answer.get_content()


async def test_without_proof_a_mail_without_invoice_is_refused_where_it_is_handed_over(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        said = await take(here, invoice_mail("faktura.zip", results=""))
        assert said.code == 554 and "archive" in said.text
        here.intake.verdict = "refused"
        said = await take(here, invoice_mail(results=""))
        assert said.code == 554 and "It says why." in said.text


async def test_only_so_many_files_of_one_mail(tmp_path: Path) -> None:
    async with desk(tmp_path, max_files=2) as here:
        await take(here, invoice_mail("1.pdf", "2.pdf", "3.pdf"))
        assert len(here.intake.files) == 2
        assert "3.pdf togs inte emot" in (await answers(here))[0].get_content()


async def test_an_english_sender_reads_english_first(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await take(here, invoice_mail(text="Please find the invoice attached."))
        [answer] = await answers(here)
        assert answer["Subject"] == "Received: Faktura 17"
        assert answer.get_content().index("is taken") < answer.get_content().index("är mottagen")


async def test_no_header_is_smuggled_into_an_answer(tmp_path: Path) -> None:
    evil = invoice_mail().replace(b"Subject: Faktura 17", b"Subject: =?utf-8?q?x=0D=0ABcc:_all@bank.test?=\n\tmore", 1)
    evil = evil.replace(b"<1@supplier.test>", b"<1@supplier.test>\n\tX-Y: z", 1)
    async with desk(tmp_path) as here:
        assert (await take(here, evil)).code == 250
        [answer] = await answers(here)
        assert answer["Bcc"] is None and answer["X-Y"] is None
        assert answer["To"] == SENDER


async def test_a_bounce_reaches_its_document_and_no_intake(tmp_path: Path) -> None:
    token = TOKENS.make(ID)
    bounce = (
        b"From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered\r\nContent-Type: text/plain\r\n\r\n"
        b"<a@exempel.test>: 550 5.1.1 No such user\r\n"
    )
    async with desk(tmp_path) as here:
        owner = await here.reception.owner(f"B+{token.upper()}@bounce.example.org")
        assert isinstance(owner, Owner)
        assert (await take(here, bounce, sender="", owner=owner)).code == 250
        [report] = here.reports
        assert (report.document, report.kind) == (ID, "hard")
        assert not here.intake.files and not await answers(here)


async def test_a_supplier_that_answers_our_mail_with_an_invoice_has_it_taken(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        mail = invoice_mail(In_Reply_To=f"<{TOKENS.make(ID)}@example.org>")
        assert (await take(here, mail)).code == 250
        assert len(here.intake.files) == 1 and not here.reports


async def test_a_report_that_cannot_be_noted_now_comes_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:

        async def busy(_: object) -> str:
            raise Overloaded("in work")

        object.__setattr__(here.reception, "bounced", busy)
        owner = Owner(token=TOKENS.make(ID))
        assert (await take(here, b"Subject: 550\r\n\r\n550 no\r\n", sender="", owner=owner)).code == 451


async def test_a_bomb_is_refused_for_good(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        bomb = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 50_000
        said = await take(here, bomb)
        assert said.code == 554 and "too many parts" in said.text


async def test_an_answer_that_cannot_be_sent_is_sent_later_and_one_refused_is_not(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await take(here, invoice_mail())
        here.post.errors = [ChannelUnavailable("down")]
        assert not await answers(here) and not await answers(here)
        here.clock.forward(minutes=2)
        assert len(await answers(here)) == 1
        await take(here, invoice_mail(message_id="<2@supplier.test>"))
        here.post.errors = [ChannelRefused("550 no")]
        await answers(here)
        here.clock.forward(days=1)
        assert len(await answers(here)) == 1


async def test_without_an_intake_invoices_have_no_address(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        object.__setattr__(here.reception, "intake", None)
        assert isinstance(await here.reception.owner(f"{NUMBER}@in.example.org"), Said)
