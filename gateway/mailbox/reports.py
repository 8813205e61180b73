"""What a mail server or mailbox says about one of our mails: bounce, delay, automatic answer, complaint.

Each report is known by a token of ours, in the address it came to, or in what it carries of our mail (ENVID,
Message-ID). Servers that write reports as programs read them (RFC 3464, RFC 5965) are believed as they say; of old ones
the text is read, where the enhanced status code (RFC 3463) or the words decide. Nothing here decides what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Final

from gateway.mailbox.mime import address_in, decoded, header, is_automatic, parts, text_of
from gateway.model.identifiers import DocumentId
from gateway.model.mail import Kind, Returned, clean

KEPT: Final = 500_000
"""Octets of a report that are kept as proof."""

_STATUS: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY: Final = re.compile(r"(?<![\d.])(4[25]\d|5[0-57]\d)[ -](?=\D)")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]{20,62}", re.ASCII)
_ADDRESS: Final = re.compile(r"<([^<>\s@]{1,64}@[^<>\s@]{3,250})>")
_HARD: Final = re.compile(r"5\.(1\.\d+|2\.1|4\.4|7\.\d+)$")
_FULL: Final = re.compile(
    r"quota|mailbox (is )?full|over ?limit|insufficient (disk|system) (space|storage)", re.IGNORECASE
)
_NOBODY: Final = re.compile(
    r"user unknown|unknown user|no such (user|mailbox|recipient)|does ?n[o']t exist|unknown (recipient|address)|"
    r"recipient (address )?rejected|mailbox unavailable|invalid recipient|host (or domain name )?not found|"
    r"no mailbox here|account (is )?(disabled|inactive)|finns inte|okänd (mottagare|användare)|nosuchuser",
    re.IGNORECASE,
)
_GIVEN_UP: Final = re.compile(
    r"permanent|given up|giving up|could ?n[o']t be delivered|delivery (has )?failed|undeliverable|undelivered|"
    r"returned to sender|kunde inte levereras|unable to deliver|failure notice",
    re.IGNORECASE,
)
_WAITS: Final = re.compile(
    r"will (be retried|retry|continue|keep trying)|still (being )?(tried|trying)|temporar|delayed|"
    r"this is a warning|you do not need to resend|no action is required|försenad",
    re.IGNORECASE,
)
_DAEMON: Final = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|bounces?|noreply-dsn)@", re.IGNORECASE)
_AWAY: Final = re.compile(
    r"^(auto(matic|matiskt)?[ -]?(reply|response|svar)|out of (the )?office|frånvaro|autosvar|semester|"
    r"abwesenheit|jag är inte)",
    re.IGNORECASE,
)

Find = Callable[[str], DocumentId | None]
"""The document of which this text is the token."""


def read_report(octets: bytes, message: Message, *, token: str, null_sender: bool, find: Find) -> Returned | None:
    """Say what came back, or None when it is about no mail of ours.

    ``token`` is that of the address to which it came (``b+TOKEN@``), empty where it came to another address;
    ``null_sender``: the envelope named nobody to answer, as it is with bounces.
    """
    document = find(token) if token else None
    document = document or next((found for text in _candidates(message) if (found := find(text))), None)
    if document is None:
        return None
    kept = octets[:KEPT]
    report = _structured(message) or _complaint(message)
    if report is None:
        report = _in_words(message, null_sender=null_sender)
    kind, address, status, words, reporter = report
    return Returned(
        document=document,
        kind=kind,
        address=clean(address, 254),
        status=status,
        words=clean(words, 300),
        reporter=clean(reporter, 120),
        octets=kept,
    )


_Said = tuple[Kind, str, str, str, str]
"""Kind, address, status, words, reporter."""


def _structured(message: Message) -> _Said | None:
    """A delivery status notification: groups of fields, the first about the mail, each other about a recipient."""
    status = next((p for p in parts(message) if p.get_content_type() == "message/delivery-status"), None)
    if status is None:
        return None
    groups = [group for group in _groups(status) if group]
    if not groups:
        return None
    reporter = _after(groups[0].get("reporting-mta", ""))
    recipients = [group for group in groups if "action" in group] or groups[-1:]
    worst = max(recipients, key=lambda group: _WORST.index(_action(group)))
    action = _action(worst)
    code = _STATUS.search(worst.get("status", "")) or _STATUS.search(worst.get("diagnostic-code", ""))
    status_code = code[1] if code else ""
    words = _after(worst.get("diagnostic-code", "")) or worst.get("status", "")
    # The reason that a server further on gave says more than the class that this one made of it.
    further = _STATUS.search(words)
    if action == "failed" and further and further[1].startswith("5."):
        status_code = further[1]
    address = _after(worst.get("original-recipient") or worst.get("final-recipient", ""))
    kind: Kind
    if action == "failed":
        kind = _failed(status_code, words)
    elif action == "delayed":
        kind = "delay"
    elif action == "delivered":
        kind = "delivered"
    else:
        kind = "unclear"
    return kind, address, status_code, words, reporter


_WORST: Final = ("", "relayed", "expanded", "delivered", "delayed", "failed")


def _action(group: dict[str, str]) -> str:
    words = group.get("action", "").lower().split()
    return words[0] if words and words[0] in _WORST else ""


def _groups(status: Message) -> Iterator[dict[str, str]]:
    payload = status.get_payload()
    blocks = payload if isinstance(payload, list) else []
    for block in blocks[:20]:
        if isinstance(block, Message):
            yield {name.lower(): decoded(str(value), 600) for name, value in list(block.items())[:40]}
    if not blocks:
        for text in re.split(r"\r?\n\s*\r?\n", text_of(status))[:20]:
            lines = re.sub(r"\r?\n[ \t]+", " ", text).splitlines()
            yield {
                name.strip().lower(): decoded(value.strip(), 600)
                for name, colon, value in (line.partition(":") for line in lines[:40])
                if colon
            }


def _after(text: str) -> str:
    """What stands behind the type: ``rfc822; a@b.example``, ``smtp; 550 …``."""
    return text.partition(";")[2].strip() if ";" in text else text.strip()


def _failed(status: str, words: str) -> Kind:
    if _FULL.search(words) or status in ("5.2.2", "5.2.3", "5.3.4"):
        return "soft"
    if status.startswith("5."):
        return "hard" if _HARD.match(status) or _NOBODY.search(words) else "soft"
    return "hard" if _NOBODY.search(words) and not status.startswith("4.") else "soft"


def _complaint(message: Message) -> _Said | None:
    """A feedback report: somebody pressed "this is spam"."""
    report = next((p for p in parts(message) if p.get_content_type() == "message/feedback-report"), None)
    if report is None:
        return None
    groups = list(_groups(report))
    fields = {name: value for group in groups for name, value in group.items()}
    fields = fields or {name.lower(): decoded(str(value)) for name, value in report.items()}
    address = fields.get("original-rcpt-to", "")
    words = fields.get("feedback-type", "abuse")
    return "complaint", address_in(address) or address, "", words, fields.get("reporting-mta", "")


def _in_words(message: Message, *, null_sender: bool) -> _Said:
    """A report for people, or a person."""
    sender = address_in(header(message, "From", 1_000))
    subject = header(message, "Subject")
    text = next((text_of(p) for p in parts(message) if p.get_content_type() == "text/plain"), "")
    daemon = bool(_DAEMON.match(sender)) or "x-failed-recipients" in {key.lower() for key in message}
    automatic = is_automatic(message)
    bounced = daemon or (null_sender and bool(_GIVEN_UP.search(subject) or _GIVEN_UP.search(text)))
    if (automatic or null_sender) and not daemon and (_AWAY.search(subject) or (automatic and not bounced)):
        return "auto-reply", sender, "", subject, ""
    if not (daemon or null_sender):
        return "reply", sender, "", subject, ""
    own = text.partition("\n--- ")[0].partition("-----Original")[0]
    about = f"{subject}\n{own}"
    status = _STATUS.search(own)
    reply = _REPLY.search(own)
    code = status[1] if status else ""
    failed = header(message, "X-Failed-Recipients") or (m[1] if (m := _ADDRESS.search(own)) else "")
    line = _line_of(own, status or reply) or subject
    reporter = sender.partition("@")[2]
    if code.startswith("2."):
        return "unclear", failed, code, line, reporter
    if _WAITS.search(about) and not (code.startswith("5.") or (reply and reply[1].startswith("5"))):
        return "delay", failed, code, line, reporter
    permanent = code.startswith("5.") or (reply is not None and reply[1].startswith("5"))
    if permanent or _NOBODY.search(own):
        judged = code or ("5.1.1" if _NOBODY.search(own) or (reply and reply[1] in ("550", "551", "553")) else "5.0.0")
        return _failed(judged, own), failed, code, line, reporter
    if _GIVEN_UP.search(about):
        return "soft", failed, code, line, reporter
    return "unclear", failed, code, line, reporter


def _line_of(text: str, found: re.Match[str] | None) -> str:
    if found is None:
        return ""
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else len(text)].strip()


def _candidates(message: Message) -> Iterator[str]:
    """Texts of the report in which a token of ours may stand, nearest first."""
    for part in parts(message):
        for name in ("Original-Envelope-Id", "Message-ID", "Original-Mail-From", "In-Reply-To", "References"):
            yield from _TOKEN.findall(str(part.get(name, ""))[:2_000])[:20]
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/feedback-report"):
            for group in _groups(part):
                for name in ("original-envelope-id", "original-mail-from"):
                    yield from _TOKEN.findall(group.get(name, ""))[:5]
        elif kind in ("text/rfc822-headers", "text/plain"):
            for line in text_of(part, 60_000).splitlines()[:1_000]:
                if line.lower().startswith(("message-id:", "return-path:")):
                    yield from _TOKEN.findall(line[:1_000])[:5]
