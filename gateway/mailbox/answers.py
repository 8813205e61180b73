"""What a sender is told: what became of each invoice, in its language first and in the other below. Pure.

Sources: RFC 3834 (automatic answers: to the envelope's sender, from nobody, never to a machine).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, Message
from email.policy import SMTP
from typing import Final

from gateway.mailbox.files import Remark
from gateway.mailbox.mime import header, is_automatic
from gateway.model.mail import Letter, clean
from gateway.ports.intake import Taken

_NOBODY: Final = re.compile(
    r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|donotreply|bounces?|owner-|listserv|majordomo)"
    r"|(-request|-bounces?|-owner)@",
    re.IGNORECASE,
)
_SWEDISH: Final = re.compile(r"\b(hej|faktura|fakturan|bifogad|hälsning\w*|och|från|med|att)\b", re.IGNORECASE)
_RULE: Final = "* * *"

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "accepted": ("is taken and on its way to the receiver", "är mottagen och på väg till mottagaren"),
    "review": ("is taken; a person will look at it", "är mottagen; en person ska titta på den"),
    "duplicate": ("came before and is not taken twice", "har kommit tidigare och tas inte emot två gånger"),
    "refused": ("was NOT taken", "togs INTE emot"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file."""

    name: str
    taken: Taken


def may_answer(message: Message, sender: str) -> bool:
    """Whether somebody may be there who wants to hear: no machine, no list, no address that says otherwise."""
    suppressed = header(message, "X-Auto-Response-Suppress").lower()
    return bool(
        sender
        and not _NOBODY.search(sender)
        and not is_automatic(message)
        and not any(word in suppressed for word in ("all", "autoreply", "dr"))
    )


def is_swedish(message: Message, sender: str, text: str) -> bool:
    """Which language the sender probably reads."""
    said = header(message, "Content-Language").lower()
    if said:
        return said.startswith("sv")
    words = len(_SWEDISH.findall(f"{header(message, 'Subject')} {text[:5_000]}"))
    return words >= 2 or (sender.endswith(".se") and words >= 1) or (sender.endswith(".se") and not text.strip())


def write_answer(
    message: Message,
    outcomes: list[Outcome],
    remarks: list[Remark],
    *,
    sender: str,
    recipient: str,
    swedish: bool,
    key: str,
    now: datetime,
) -> Letter:
    """The answer to one mail. ``sender`` is our own address, ``recipient`` the envelope's sender."""
    good = bool(outcomes) and all(each.taken.verdict != "refused" for each in outcomes)
    subject = clean(header(message, "Subject", 120), 120)
    said = ("Mottaget" if good else "Avvisat") if swedish else ("Received" if good else "Not accepted")
    answer = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    answer["From"] = sender
    answer["To"] = recipient
    answer["Subject"] = f"{said}: {subject}".rstrip(": ")
    answer["Date"] = now
    answer["Message-ID"] = f"<answer.{key}@{sender.partition('@')[2]}>"
    answer["Auto-Submitted"] = "auto-replied"
    answer["X-Auto-Response-Suppress"] = "All"
    theirs = str(message.get("Message-ID", "")).strip()
    if re.fullmatch(r"<[!-;=?-~]{3,250}>", theirs):
        answer["In-Reply-To"] = theirs
        answer["References"] = theirs
    texts = [_text(outcomes, remarks, swedish), _text(outcomes, remarks, not swedish)]
    answer.set_content(f"\n{_RULE}\n\n".join(texts), charset="utf-8", cte="quoted-printable")
    return Letter(octets=answer.as_bytes(), recipient=recipient)


def write_refusal(file_name: str, reason: str, *, sender: str, recipient: str, key: str, now: datetime) -> Letter:
    """A person looked at a file and refused it: the sender is told in both languages, in that person's words."""
    name, why = clean(file_name, 100), clean(reason, 500)
    answer = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    answer["From"] = sender
    answer["To"] = recipient
    answer["Subject"] = f"Avvisat / Not accepted: {name}"
    answer["Date"] = now
    answer["Message-ID"] = f"<refused.{key}@{sender.partition('@')[2]}>"
    answer["Auto-Submitted"] = "auto-replied"
    answer["X-Auto-Response-Suppress"] = "All"
    text = (
        f"{name} som du skickade har granskats och togs INTE emot. Skäl: {why}\n"
        f"\n{_RULE}\n\n"
        f"{name} that you sent was looked at and was NOT taken. The reason: {why}\n"
    )
    answer.set_content(text, charset="utf-8", cte="quoted-printable")
    return Letter(octets=answer.as_bytes(), recipient=recipient)


def _text(outcomes: list[Outcome], remarks: list[Remark], swedish: bool) -> str:
    lines = [
        "Det här är ett automatiskt svar om det mejl som du skickade."
        if swedish
        else "This is an automatic answer about the mail that you sent.",
        "",
    ]
    for each in outcomes:
        words = _WORDS[each.taken.verdict][swedish]
        why = (each.taken.reason_sv or each.taken.reason) if swedish else each.taken.reason
        name = each.name or ("Filen" if swedish else "The file")
        lines.append(f"{name} {words}.{f' {clean(why, 500)}' if why else ''}")
    for remark in remarks:
        name = remark.name or ("En fil" if swedish else "A file")
        lines.append(f"{name} {remark.swedish if swedish else remark.english}.")
    if not outcomes:
        lines += [
            "",
            "Skicka varje faktura som en egen PDF-fil, bifogad till mejlet. Inget togs emot."
            if swedish
            else "Send each invoice as a PDF file of its own, attached to the mail. Nothing was taken.",
        ]
    return "\n".join(lines) + "\n"
