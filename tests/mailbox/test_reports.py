"""What mail servers and mailboxes send back, in the forms in which they do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mailbox.mime import Unreadable, read_mail
from gateway.mailbox.reports import read_report
from gateway.model.identifiers import DocumentId
from gateway.model.mail import Returned
from gateway.security.tokens import Tokens

ID = DocumentId("019ac3f2b7d47c1e9a5b0123456789ab")
TOKENS = Tokens(b"k" * 32)
TOKEN = TOKENS.make(ID)
ADDRESS = f"b+{TOKEN}@bounce.example.org"


def dsn(fields: str, *, about: str = f"Original-Envelope-Id: {TOKEN}\n", headers: str = "", human: str = "") -> str:
    return f"""From: MAILER-DAEMON@mx.test (Mail Delivery System)
To: {ADDRESS}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=us-ascii

{human or "This is the mail system at host mx.test."}

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test
{about}
Final-Recipient: rfc822; faktura@exempel.test
{fields}

--B
Content-Type: text/rfc822-headers

{headers}

--B--
"""


def plain(text: str, *, sender: str = "MAILER-DAEMON@old.test", subject: str = "failure notice", more: str = "") -> str:
    return f"From: {sender}\nTo: {ADDRESS}\nSubject: {subject}\n{more}\n{text}\n"


def read(text: str, *, token: str = TOKEN, null_sender: bool = True) -> Returned | None:
    octets = text.encode().replace(b"\n", b"\r\n")
    return read_report(octets, read_mail(octets), token=token, null_sender=null_sender, find=TOKENS.read)


POSTFIX = (
    "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.exempel.test\nDiagnostic-Code: smtp; 550 5.1.1 No such user"
)
COMPLAINT = f"""From: complaints@big.test
To: {ADDRESS}
Subject: complaint about message
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an e-mail abuse report.
--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Loop/1.0
Version: 1
Original-Rcpt-To: <faktura@exempel.test>
Reporting-MTA: dns; big.test

--B
Content-Type: message/rfc822

From: faktura@example.org
Message-ID: <{TOKEN}@example.org>

--B--
"""
QMAIL = """Hi. This is the qmail-send program at old.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<faktura@exempel.test>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.
"""


@pytest.mark.parametrize(
    ("text", "kind", "status", "words"),
    [
        (dsn(POSTFIX), "hard", "5.1.1", "550 5.1.1 No such user"),
        (dsn("Action: failed\nStatus: 5.4.4\nDiagnostic-Code: X-Postfix; Host not found"), "hard", "5.4.4", "Host"),
        (dsn("Action: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 554 5.7.1 Policy"), "hard", "5.7.1", "Policy"),
        (dsn("Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 Over quota"), "soft", "5.2.2", "quota"),
        (dsn("Action: failed\nStatus: 4.4.7\nDiagnostic-Code: X; expired"), "soft", "4.4.7", "expired"),
        (dsn("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 User unknown"), "hard", "5.0.0", "unknown"),
        (dsn("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.10 gone"), "hard", "5.1.10", "gone"),
        (dsn("Action: failed (bad)\nStatus: 5.3.4 (too large)"), "soft", "5.3.4", "too large"),
        (dsn("ACTION: Delayed\nStatus: 4.4.1\nWill-Retry-Until: Thu, 3 Dec 2026"), "delay", "4.4.1", "4.4.1"),
        (dsn("Action: delivered\nStatus: 2.0.0\nDiagnostic-Code: smtp; 250 ok"), "delivered", "2.0.0", "250 ok"),
        (dsn("Action: relayed\nStatus: 2.0.0"), "unclear", "2.0.0", "2.0.0"),
        (COMPLAINT, "complaint", "", "abuse"),
        (plain(QMAIL), "hard", "5.1.1", "no mailbox here"),
        (plain("<a@exempel.test>: host mx said: 552 mailbox full"), "soft", "", "mailbox full"),
        (plain("550 Unknown user faktura", more="X-Failed-Recipients: a@exempel.test\n"), "hard", "", "550"),
        (plain("Warning: message delayed 4 hours. Will keep trying.", subject="Warning"), "delay", "", "Warning"),
        (plain("Ditt brev kunde inte levereras.", sender="postmaster@gammal.test"), "soft", "", "failure notice"),
        (plain("Something.", subject="Notice"), "unclear", "", "Notice"),
        (plain("Åter 7 december", sender="anna@exempel.test", subject="Autosvar: Faktura",
               more="Auto-Submitted: auto-replied\n"), "auto-reply", "", "Autosvar: Faktura"),
        (plain("I am away", sender="a@exempel.test", subject="Out of office"), "auto-reply", "", "Out of office"),
    ],
)  # fmt: skip
def test_each_form_is_read(text: str, kind: str, status: str, words: str) -> None:
    returned = read(text)
    assert returned is not None
    assert (returned.document, returned.kind, returned.status) == (ID, kind, status)
    assert words in returned.words
    assert returned.failed is (kind in ("hard", "soft"))


def test_a_person_who_answers_is_no_bounce() -> None:
    returned = read(
        plain("Beloppet stämmer inte", sender="anna@exempel.test", subject="Sv: Faktura"), null_sender=False
    )
    assert returned is not None and returned.kind == "reply" and not returned.failed


def test_who_says_so_and_of_whom_is_told_and_the_mail_is_kept() -> None:
    returned = read(dsn(POSTFIX))
    assert returned is not None
    assert (returned.address, returned.reporter) == ("faktura@exempel.test", "mx.test")
    assert b"Undelivered Mail" in returned.octets


@pytest.mark.parametrize(
    "text",
    [
        dsn(POSTFIX),
        dsn(POSTFIX, about="", headers=f"Message-ID: <{TOKEN}@example.org>\nSubject: x"),
        plain(f"550 no\n\nReturn-Path: <{ADDRESS}>\n"),
        COMPLAINT,
        plain("svar", sender="a@exempel.test", more=f"In-Reply-To: <{TOKEN}@example.org>\n"),
    ],
)
def test_without_its_address_it_is_known_by_what_it_carries_of_our_mail(text: str) -> None:
    returned = read(text, token="")
    assert returned is not None and returned.document == ID


@pytest.mark.parametrize("other", [f"{ID}-aaaaaaaaaaaaaaaa", Tokens(b"o" * 32).make(ID), "x" * 40, ""])
def test_what_names_no_mail_of_ours_is_nobodys(other: str) -> None:
    assert read(dsn(POSTFIX).replace(TOKEN, other), token=other) is None


def test_of_several_recipients_the_worst_counts() -> None:
    two = "Action: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822; b@exempel.test\n" + POSTFIX
    returned = read(dsn(two))
    assert returned is not None and (returned.kind, returned.address) == ("hard", "b@exempel.test")


@pytest.mark.parametrize(
    "octets",
    [
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 50_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(1_000)),
        b"Content-Type: message/rfc822\n\n" * 1_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(30)),
        b"X: " + b"y" * 300_000,
    ],
)
def test_a_bomb_of_parts_is_refused_at_once(octets: bytes) -> None:
    with pytest.raises(Unreadable):
        read_mail(octets)


@given(st.binary(max_size=3_000))
@settings(max_examples=60, deadline=None)
def test_no_octets_make_it_stumble(octets: bytes) -> None:
    for head in (b"", b"Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"):
        try:
            message = read_mail(head + octets)
        except Unreadable:
            continue
        read_report(octets, message, token=TOKEN, null_sender=True, find=TOKENS.read)


@given(st.integers(0, 3_000), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_no_changed_octet_makes_it_stumble(at: int, octet: int) -> None:
    octets = bytearray(dsn(POSTFIX).encode())
    octets[at % len(octets)] = octet
    try:
        message = read_mail(bytes(octets))
    except Unreadable:
        return
    returned = read_report(bytes(octets), message, token=TOKEN, null_sender=True, find=TOKENS.read)
    assert returned is not None and "\n" not in returned.words
