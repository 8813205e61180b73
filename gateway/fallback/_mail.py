"""The mail that carries an invoice: headers, words and attachments. Pure; no header can be smuggled in by a name.

Sources: RFC 5322 (message), RFC 5321 (limits of addresses), RFC 3834 (automatic mail), RFC 3461 (return addresses).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any, Final

import idna

from gateway.fallback._payment import Payment
from gateway.files import safe_name
from gateway.files.spool import in_memory
from gateway.model.document import Facts
from gateway.model.message import Parcel

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
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


def read_address(text: str) -> str:
    """Read exactly one mail address and give it in ASCII (IDNA 2008); raises ``ValueError`` with a clause."""
    address = text.strip()
    shown = f'"{clean(address, 80)}"'
    if len(address) > 254 or any(c.isspace() or not c.isprintable() for c in address) or address.count("@") != 1:
        raise ValueError(f"{shown} is not one e-mail address")
    local, domain = address.split("@")
    if not local.isascii():
        raise ValueError(f"{shown} has other letters than a to z before the @, which few mail servers take")
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        raise ValueError(f"{shown} is not one e-mail address")
    result = f"{local}@{read_domain(domain)}"
    if len(result) > 254:
        raise ValueError(f"{shown} is longer than 254 characters")
    return result


def read_domain(text: str) -> str:
    """Read a domain with at least two labels and give it in ASCII; raises ``ValueError`` with a clause."""
    try:
        domain = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        domain = ""
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f'"{clean(text, 80)}" is not a domain')
    return domain


def write_mail(
    parcel: Parcel, recipient: str, payments: tuple[Payment, ...], *, sender: str, bounce_domain: str, now: datetime
) -> Mail:
    """Write the mail of one parcel. ``recipient`` and ``sender`` are read addresses; everything else is cleaned."""
    facts, swedish = parcel.facts, _swedish(parcel)
    own_domain = sender.partition("@")[2]
    company = clean(facts.sender.shown_name, 120) or own_domain
    token = safe_name(parcel.id)
    token = token if len(token) <= 60 else safe_name(f"/{token}")
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
    body = _body(parcel, payments, title=title, company=company, number=number, reply=bool(reply_to))
    message.set_content(body, charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = "sv" if swedish else "en"  # goes with the text into its part
    # Letters, digits, dot and underscore only: some scan services refuse a mail for its file names.
    stem = re.sub(r"[^A-Za-z0-9.]+", "_", f"{title}_{number}").strip("._")[:80]
    message.add_attachment(parcel.page, maintype="application", subtype="pdf", filename=f"{stem}.pdf")
    message.add_attachment(in_memory(parcel.document), maintype="application", subtype="xml", filename=f"{stem}.xml")
    return Mail(
        octets=message.as_bytes(),
        message_id=message_id,
        sender=f"b+{token}@{bounce_domain}" if bounce_domain else sender,
        recipient=recipient,
        envelope_id=token,
    )


def clean(text: str, limit: int) -> str:
    """One line without control, direction and other invisible characters, at most ``limit`` long.

    Nor does it hold the start of an encoded word (RFC 2047): the standard library would decode it, line ends and all.
    """
    visible = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text[: limit * 4]
    )
    line = " ".join(visible.replace("=?", "= ?").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


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
    "files": (
        "{Title}n är bifogad som PDF. XML-filen har samma innehåll, för inläsning i ett ekonomisystem.",
        "The {title} is enclosed as a PDF. The XML file has the same content, for import into an accounting system.",
    ),
    "reply": (
        "Frågor? Svara på det här meddelandet, så når du {company}.",
        "Any questions? Reply to this message and you will reach {company}.",
    ),
    "greeting": ("Med vänlig hälsning", "Kind regards"),
}


def _body(parcel: Parcel, payments: tuple[Payment, ...], *, title: str, company: str, number: str, reply: bool) -> str:
    facts, swedish = parcel.facts, _swedish(parcel)

    def word(key: str) -> str:
        text = _WORDS[key][0 if swedish else 1]
        return text.format(title=title.lower(), Title=title, number=number, company=company)

    # A credit note turns the debt round, and so does a self-billed document, whose reader is the seller.
    turned = (facts.kind == "CreditNote") != facts.self_billed
    amount = -facts.amount if facts.amount is not None and turned else facts.amount
    owed = not turned if amount is None else amount > 0
    rows: list[tuple[str, str]] = []
    if amount is not None:
        shown = f"{_amount(abs(amount), swedish)} {clean(facts.currency, 3)}"
        rows.append((word("credit" if amount < 0 else "to-pay"), shown))
    if owed and facts.due_date:
        rows.append((word("due"), facts.due_date.isoformat()))
    if owed:
        rows.extend((word(key), value) for key, value in _how_to_pay(payments))
    notes = [word(key) for key in _notes(payments, owed)]
    width = max((len(label) for label, _ in rows), default=0) + 1
    table = "\n".join(f"{label + ':':<{width}} {value}" for label, value in rows)
    parts = [word("hello"), word("here"), table, "\n".join(notes), word("files"), word("reply") if reply else ""]
    return "\n\n".join(part for part in (*parts, f"{word('greeting')}\n{company}") if part) + "\n"


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
