"""The mail that carries an invoice: headers, words and attachments. Pure; no header can be smuggled in by a name.

Sources: RFC 5322 (message), RFC 5321 (limits of addresses), RFC 3834 (automatic mail), RFC 3461 (return addresses).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any, Final

from gateway.fallback._payment import Payment
from gateway.files.spool import in_memory
from gateway.model.document import Facts
from gateway.model.mail import clean, read_address
from gateway.model.message import Parcel

_RULE: Final = "* * *"
_SPECIALS: Final = str.maketrans(dict.fromkeys('"<>()[]\\,;:@', " "))


class _Policy(EmailPolicy):
    """Mail in seven bits. Subjects are folded here: the library loses a blank between two encoded words."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name != "Subject" or str(value).isascii():
            return super().fold_binary(name, value)
        folded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {folded}{self.linesep}".encode("ascii")


_PREFERRED: Final = _Policy(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail and its envelope."""

    octets: bytes
    message_id: str
    sender: str
    """Envelope sender: where bounces go."""
    recipient: str
    envelope_id: str
    """ENVID and the token of the bounce address: names the document."""


def write_mail(
    parcel: Parcel,
    recipient: str,
    payments: tuple[Payment, ...],
    *,
    sender: str,
    bounce_domain: str,
    token: str,
    with_document: bool,
    now: datetime,
) -> Mail:
    """Write the mail of one parcel. ``recipient`` and ``sender`` are read addresses; everything else is cleaned.

    ``token`` names the document in the Message-ID and to whoever sends the mail back.
    """
    facts, swedish = parcel.facts, _swedish(parcel)
    own_domain = sender.partition("@")[2]
    company = clean(facts.sender.shown_name, 120) or own_domain
    message_id = f"<{token}@{own_domain}>"
    title = _title(facts, swedish)
    number = clean(facts.number, 60)

    message = EmailMessage(policy=_PREFERRED)
    message["From"] = _mailbox(f"{company} via {own_domain}", sender)
    message["To"] = _mailbox(clean(facts.receiver.shown_name, 120), recipient)
    reply_to = _reply_to(facts)
    if reply_to:
        message["Reply-To"] = _mailbox(company, reply_to)
    message["Subject"] = f"{title} {number} {'från' if swedish else 'from'} {company}"
    message["Date"] = now
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    said = _Said(
        facts=facts,
        swedish=swedish,
        title=title,
        company=company,
        number=number,
        reply=bool(reply_to),
        document=with_document,
    )
    other = replace(said, swedish=not swedish, title=_title(facts, not swedish))
    body = f"{_body(said, payments)}\n{_RULE}\n\n{_short(other)}"
    message.set_content(body, charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = "sv, en" if swedish else "en, sv"  # goes with the text into its part
    # Letters, digits, dot and underscore only: some scan services refuse a mail for its file names.
    stem = re.sub(r"[^A-Za-z0-9.]+", "_", f"{title}_{number}").strip("._")[:80]
    message.add_attachment(parcel.page, maintype="application", subtype="pdf", filename=f"{stem}.pdf")
    if with_document:
        octets = in_memory(parcel.document)
        message.add_attachment(octets, maintype="application", subtype="xml", filename=f"{stem}.xml")
    return Mail(
        octets=message.as_bytes(),
        message_id=message_id,
        sender=f"b+{token}@{bounce_domain}" if bounce_domain else sender,
        recipient=recipient,
        envelope_id=token,
    )


def _mailbox(name: str, address: str) -> Address:
    # Without specials, since Python versions differ in how they fold a quoted name.
    return Address(display_name=" ".join(name.translate(_SPECIALS).split()), addr_spec=address)


def _reply_to(facts: Facts) -> str:
    try:
        return read_address(facts.sender.email)
    except ValueError:
        return ""


def _swedish(parcel: Parcel) -> bool:
    return parcel.language.lower().startswith("sv")


def _title(facts: Facts, swedish: bool) -> str:
    return _TITLES[facts.kind == "CreditNote", facts.self_billed][0 if swedish else 1]


_TITLES: Final = {  # (credit note?, self-billed?)
    (False, False): ("Faktura", "Invoice"),
    (False, True): ("Självfaktura", "Self-billed invoice"),
    (True, False): ("Kreditfaktura", "Credit note"),
    (True, True): ("Självkreditfaktura", "Self-billed credit note"),
}
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "hello": ("Hej!", "Hello,"),
    "here": ("Här kommer {title} {number} från {company}.", "Please find enclosed {title} {number} from {company}."),
    "to-pay": ("Att betala", "Amount due"),
    "credit": ("Belopp till godo", "Amount in your favour"),
    "due": ("Förfallodag", "Due date"),
    "bankgiro": ("Bankgiro", "Bankgiro"),
    "plusgiro": ("Plusgiro", "Plusgiro"),
    "iban": ("IBAN", "IBAN"),
    "account": ("Konto", "Account"),
    "bic": ("BIC", "BIC"),
    "reference": ("Referens/OCR", "Payment reference"),
    "direct-debit": ("Beloppet dras genom autogiro.", "The amount is collected by direct debit."),
    "card": ("Beloppet är betalt med kort.", "The amount has been paid by card."),
    "nothing": ("Det finns inget att betala.", "There is nothing to pay."),
    "see-page": ("Hur du betalar står i den bifogade PDF-filen.", "How to pay is stated in the enclosed PDF."),
    "pdf": ("{Title}n är bifogad som PDF.", "The {title} is enclosed as a PDF."),
    "xml": (
        "XML-filen har samma innehåll, för inläsning i ett ekonomisystem.",
        "The XML file has the same content, for import into an accounting system.",
    ),
    "reply": (
        "Frågor? Svara på det här meddelandet, så når du {company}.",
        "Any questions? Reply to this message and you will reach {company}.",
    ),
    "greeting": ("Med vänlig hälsning", "Kind regards"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the text speaks of, in one of the two languages."""

    facts: Facts
    swedish: bool
    title: str
    company: str
    number: str
    reply: bool
    document: bool

    def word(self, key: str) -> str:
        text = _WORDS[key][0 if self.swedish else 1]
        return text.format(title=self.title.lower(), Title=self.title, number=self.number, company=self.company)

    @property
    def amount(self) -> Decimal | None:
        """What the reader owes, negative where it is owed to the reader."""
        # A credit note turns the debt round, and so does a self-billed document, whose reader is the seller.
        amount = self.facts.amount
        return -amount if amount is not None and self.turned else amount

    @property
    def turned(self) -> bool:
        return (self.facts.kind == "CreditNote") != self.facts.self_billed

    @property
    def owed(self) -> bool:
        return not self.turned if self.amount is None else self.amount > 0

    @property
    def files(self) -> str:
        return f"{self.word('pdf')} {self.word('xml')}" if self.document else self.word("pdf")

    def rows(self) -> list[tuple[str, str]]:
        rows: list[tuple[str, str]] = []
        if self.amount is not None:
            shown = f"{_amount(abs(self.amount), self.swedish)} {clean(self.facts.currency, 3)}"
            rows.append((self.word("credit" if self.amount < 0 else "to-pay"), shown))
        if self.owed and self.facts.due_date:
            rows.append((self.word("due"), self.facts.due_date.isoformat()))
        return rows


def _body(said: _Said, payments: tuple[Payment, ...]) -> str:
    """The text in the reader's language, with how to pay."""
    rows = said.rows()
    if said.owed:
        rows.extend((said.word(key), value) for key, value in _how_to_pay(payments))
    notes = [said.word(key) for key in _notes(payments, said.owed)]
    reply = said.word("reply") if said.reply else ""
    greeting = f"{said.word('greeting')}\n{said.company}"
    return _paragraphs(
        said.word("hello"), said.word("here"), _table(rows), "\n".join(notes), said.files, reply, greeting
    )


def _short(said: _Said) -> str:
    """The same for whoever does not read that language: who, what, when, how much."""
    return _paragraphs(said.word("here"), _table(said.rows()), said.files)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: list[tuple[str, str]]) -> str:
    width = max((len(label) for label, _ in rows), default=0) + 1
    return "\n".join(f"{label + ':':<{width}} {value}" for label, value in rows)


def _how_to_pay(payments: tuple[Payment, ...]) -> list[tuple[str, str]]:
    """Rows of (key of the label, value); a reference that all accounts share stands once, at the end."""
    references = {payment.reference for payment in payments if payment.account}
    rows: list[tuple[str, str]] = []
    for payment in payments:
        if payment.account:
            own = payment.reference if len(references) > 1 else ""
            rows.extend([(payment.kind, payment.account), ("bic", payment.bic), ("reference", own)])
    if len(references) == 1:
        rows.append(("reference", references.pop()))
    return [(key, value) for key, value in rows if value]


def _notes(payments: tuple[Payment, ...], owed: bool) -> list[str]:
    if not owed:
        return ["nothing"]
    notes = [payment.kind for payment in payments if not payment.account]
    return list(dict.fromkeys(notes)) if payments else ["see-page"]


def _amount(amount: Decimal, swedish: bool) -> str:
    exponent = amount.as_tuple().exponent
    text = f"{amount:,.2f}" if isinstance(exponent, int) and exponent >= -2 else f"{amount:,f}"
    return text.replace(",", "\u00a0").replace(".", ",") if swedish else text
