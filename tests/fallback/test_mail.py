"""Words, headers and attachments of the mail (``gateway/fallback/_mail.py``), read back with the standard library."""

from __future__ import annotations

import email.parser
import email.policy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from email.message import EmailMessage

import pytest
from channel_parts import BANKGIRO, BUYER, NOW, SELLER, make_document, make_facts, make_page, make_parcel
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.fallback._mail import Mail, write_mail
from gateway.fallback._payment import read_payments
from gateway.model.document import Facts
from gateway.model.identifiers import DocumentId, DocumentTypeId
from gateway.model.mail import clean, read_address
from gateway.model.message import Parcel
from gateway.security.tokens import Tokens

TOKENS = Tokens(b"k" * 32)
HEADERS = {"from", "to", "reply-to", "subject", "date", "message-id", "auto-submitted",
           "x-auto-response-suppress", "mime-version", "content-type"}  # fmt: skip


def write(parcel: Parcel) -> Mail:
    return write_mail(
        parcel,
        "faktura@exempel.test",
        read_payments(parcel.document),
        sender="faktura@example.org",
        bounce_domain="bounce.example.org",
        token=TOKENS.make(parcel.id),
        with_document=True,
        now=NOW,
    )


def read(mail: Mail) -> EmailMessage:
    message = email.parser.BytesParser(policy=email.policy.default).parsebytes(mail.octets)
    assert isinstance(message, EmailMessage)
    return message


def body(facts: Facts | None = None, *, language: str = "sv", payment: str = BANKGIRO) -> str:
    parcel = make_parcel(facts=facts, language=language)
    parcel = replace(parcel, document=make_document(payment, parcel.facts.kind))
    part = read(write(parcel)).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(
    ("kind", "language", "subject"),
    [
        ("Invoice", "sv", "Faktura 1001 från Nordisk Kontorsmaterial AB"),
        ("Invoice", "en", "Invoice 1001 from Nordisk Kontorsmaterial AB"),
        ("CreditNote", "sv", "Kreditfaktura 1001 från Nordisk Kontorsmaterial AB"),
        ("CreditNote", "en", "Credit note 1001 from Nordisk Kontorsmaterial AB"),
    ],
)
def test_the_subject_says_what_it_is_and_from_whom(kind: str, language: str, subject: str) -> None:
    message = read(write(make_parcel(facts=make_facts(kind), language=language)))
    assert message["Subject"] == subject
    text = message.get_body(("plain",))
    assert text is not None and text["Content-Language"] == {"sv": "sv, en", "en": "en, sv"}[language]


def test_the_headers_name_the_seller_through_our_address_and_answers_reach_the_seller() -> None:
    mail = write(make_parcel())
    message = read(mail)
    assert message["From"] == '"Nordisk Kontorsmaterial AB via example.org" <faktura@example.org>'
    assert message["To"] == "Exempel AB <faktura@exempel.test>"
    assert message["Reply-To"] == "Nordisk Kontorsmaterial AB <ekonomi@nordisk-kontorsmaterial.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == mail.message_id == f"<{TOKENS.make(DocumentId('doc-0001'))}@example.org>"
    assert {key.lower() for key in message} == HEADERS


def test_pdf_and_document_are_attached_octet_for_octet_and_there_is_no_html() -> None:
    parcel = make_parcel()
    message = read(write(parcel))
    attached = [(p.get_content_type(), p.get_filename(), p.get_content()) for p in message.iter_attachments()]
    assert attached == [
        ("application/pdf", "Faktura_1001.pdf", make_page()),
        ("application/xml", "Faktura_1001.xml", parcel.document),
    ]
    assert [p.get_content_type() for p in message.walk() if p.get_content_maintype() == "text"] == ["text/plain"]


def test_every_line_is_short_enough_and_seven_bit() -> None:
    octets = write(make_parcel(facts=make_facts(seller=replace(SELLER, name="Åäö " * 80)))).octets
    assert octets.isascii() and b"\n" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n"))) <= 998


def test_the_swedish_text_says_who_what_when_how_much_and_how_to_pay() -> None:
    text = body()
    assert "Här kommer faktura 1001 från Nordisk Kontorsmaterial AB." in text
    for label, value in (("Att betala:", "12\u00a0500,50 SEK"), ("Förfallodag:", "2026-12-25"),
                         ("Bankgiro:", "5050-1055"), ("Referens/OCR:", "1001004")):  # fmt: skip
        assert [line.split(label)[1].strip() for line in text.splitlines() if line.startswith(label)] == [value]


def test_the_english_text_says_the_same() -> None:
    iban = BANKGIRO.replace("50501055", "SE3550000000054910000003").replace("SE:BANKGIRO", "ESSESESS")
    text = body(language="en", payment=iban)
    for wanted in ("Please find enclosed invoice 1001 from Nordisk", "12,500.50 SEK", "2026-12-25",
                   "SE35 5000 0000 0549 1000 0003", "ESSESESS", "1001004"):  # fmt: skip
        assert wanted in text


def test_two_accounts_with_their_own_references_keep_them_apart() -> None:
    other = BANKGIRO.replace("50501055", "1234566").replace("BANKGIRO", "PLUSGIRO").replace("1001004", "77")
    lines = body(payment=BANKGIRO + other).splitlines()
    at = lines.index(next(line for line in lines if "5050-1055" in line))
    assert [line.split()[-1] for line in lines[at : at + 4]] == ["5050-1055", "1001004", "123456-6", "77"]


def test_an_invoice_without_payment_means_points_to_the_page() -> None:
    assert "Hur du betalar står i den bifogade PDF-filen." in body(payment="")


@pytest.mark.parametrize(("code", "words"), [("49", "autogiro"), ("59", "autogiro"), ("48", "betalt med kort")])
def test_what_is_collected_or_paid_already_asks_for_no_payment(code: str, words: str) -> None:
    text = body(payment=f"<cac:PaymentMeans><cbc:PaymentMeansCode>{code}</cbc:PaymentMeansCode></cac:PaymentMeans>")
    assert words in text and "bankgiro" not in text.lower()


@pytest.mark.parametrize(
    ("kind", "amount", "owed"),
    [("Invoice", "100", True), ("Invoice", "-100", False), ("Invoice", "0", False), ("CreditNote", "100", False),
     ("CreditNote", "-100", True)],
)  # fmt: skip
def test_only_what_is_owed_is_asked_for(kind: str, amount: str, owed: bool) -> None:
    text = body(make_facts(kind, amount=Decimal(amount)))
    assert ("5050-1055" in text) is owed
    assert ("Det finns inget att betala." in text) is not owed
    assert ("Belopp till godo" in text) is (not owed and amount != "0")
    assert "-" not in text.split("SEK")[0].rpartition(":")[2]


def test_a_self_billed_document_goes_from_buyer_to_seller_who_has_nothing_to_pay() -> None:
    facts = make_facts()
    kind = DocumentTypeId.parse(
        facts.document_type.value.replace(
            "urn:cen.eu:en16931:2017", "urn:cen.eu:en16931:2017#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0"
        )
    )
    facts = replace(facts, document_type=kind)
    message = read(write(make_parcel(facts=facts)))
    assert message["Subject"] == "Självfaktura 1001 från Exempel AB"
    assert message["Reply-To"] == "Exempel AB <faktura@exempel.test>"
    assert message["To"].startswith("Nordisk Kontorsmaterial AB <")
    text = body(facts)
    assert "Belopp till godo" in text and "Det finns inget att betala." in text and "5050-1055" not in text


@pytest.mark.parametrize(("amount", "shown"), [("25.47", "25,47"), ("1234567", "1\u00a0234\u00a0567,00"),
                                               ("0.125", "0,125"), ("1E+3", "1\u00a0000,00")])  # fmt: skip
def test_the_amount_is_that_of_the_document_to_the_last_digit(amount: str, shown: str) -> None:
    assert f" {shown} SEK" in body(make_facts(amount=Decimal(amount)))


def test_a_seller_without_a_mail_address_promises_no_answer() -> None:
    facts = make_facts(seller=replace(SELLER, email="not an address"))
    assert "Reply-To" not in read(write(make_parcel(facts=facts)))
    assert "Svara på det här meddelandet" not in body(facts)


@given(st.text(max_size=300), st.text(max_size=100), st.text(max_size=300), st.text(max_size=150))
@example('Evil" <boss@bank.test>, "x', "1\r\nBcc: all@bank.test", "a\nX: y", "x\r\nY: z")
@example("A" * 70 + ' "quoted, name" <x@bank.test> ' + "Ö" * 70, "1", "=?utf-8?q?=0D=0AX=3A_y?=", ">")
@example("", "", "", "0.")
@example("\u2028Bcc: a@bank.test\u202e\x0b\x0c\x85", "\x00", "", "")
@settings(max_examples=150, deadline=None)
def test_no_name_or_number_adds_a_header_or_an_address(name: str, number: str, buyer: str, id: str) -> None:
    facts = make_facts(seller=replace(SELLER, name=name), buyer=replace(BUYER, name=buyer), number=number)
    mail = write(make_parcel(id, facts=facts, page=b"%PDF-"))
    message = read(mail)
    assert {key.lower() for key in message} == HEADERS
    assert len(message.keys()) == len(HEADERS)
    for header, wanted in (("From", "faktura@example.org"), ("To", "faktura@exempel.test"),
                           ("Reply-To", "ekonomi@nordisk-kontorsmaterial.test")):  # fmt: skip
        assert [address.addr_spec for address in message[header].addresses] == [wanted]
    assert not message.defects and all(not message[key].defects for key in ("From", "To", "Subject", "Message-ID"))
    assert len(mail.sender.partition("@")[0]) <= 64 and "\r" not in mail.sender


@given(name=st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=100))
@example(name="¡¡¡¡¡¡¡¡¡ࠀ𐀀 ¡")
@settings(max_examples=100, deadline=None)
def test_the_subject_comes_back_as_it_was_meant(name: str) -> None:
    facts = make_facts(seller=replace(SELLER, name=name or "x"))
    subject = read(write(make_parcel(facts=facts, page=b"")))["Subject"]
    assert subject == f"Faktura 1001 från {clean(name or 'x', 120) or 'example.org'}"


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("faktura@exempel.test", "faktura@exempel.test"),
        (" Faktura.Inkorg+1@Exempel.TEST ", "Faktura.Inkorg+1@exempel.test"),
        ("faktura@räksmörgås.test", "faktura@xn--rksmrgs-5wao1o.test"),
    ],
)
def test_an_address_is_read(text: str, read_as: str) -> None:
    assert read_address(text) == read_as


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "a@", "@exempel.test", "a@b@exempel.test", "a b@exempel.test", "a@exempel", "a@localhost",
        "Exempel <a@exempel.test>", "a@exempel.test,b@exempel.test", "a@exempel.test\r\nRCPT TO:<b@exempel.test>",
        '"a b"@exempel.test', ".a@exempel.test", "a..b@exempel.test", "a@-exempel.test", "a@exempel..test",
        "a@[127.0.0.1]", "å@exempel.test", "x" * 65 + "@exempel.test", "a@" + "x" * 64 + ".test",
        "a@" + ".".join(["x" * 60] * 5) + ".test", "a@exempel.test\u202e", "a@exem\u200dpel.test", "a@exempel.test>",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|other letters|longer"):
        read_address(text)


def test_a_document_that_is_no_xml_still_has_a_mail() -> None:
    assert read_payments(b"not xml") == ()


def test_payments_are_bounded() -> None:
    many = "".join(BANKGIRO.replace("1001004", str(n)) for n in range(50))
    assert len(read_payments(make_document(many))) == 4


def test_an_invoice_without_a_due_date_or_amount_leaves_the_row_out() -> None:
    text = body(make_facts(due_date=None, amount=None))
    assert "Förfallodag" not in text and "Att betala" not in text and "5050-1055" in text
    assert "2026-12-25" in body(make_facts(due_date=date(2026, 12, 25)))
