"""Invoice by e-mail: the readable page and the document as attachments, handed to a mail server over SMTP.

A 250 of the server is a handover, not a delivery: bounces come later, to ``b+TOKEN@bounce_domain``. The same parcel
twice is one mail: the handover is remembered as soon as the server has said 250. Two gaps remain that SMTP cannot
close: the connection breaks after the mail and before the answer, or this process dies before the memory is on the
disk. Then the mail is sent again, with the same Message-ID, by which mail systems and people recognise a repeat.
Sources: RFC 5321, RFC 3207 (STARTTLS), RFC 3461 (delivery status notifications). Words and headers: ``_mail.py``.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gateway.discovery import ChannelContext
from gateway.errors import ChannelRefused, ChannelUnavailable
from gateway.fallback._mail import Mail, write_mail
from gateway.fallback._mail_settings import Settings
from gateway.fallback._payment import read_payments
from gateway.files import Handovers
from gateway.files.spool import in_memory
from gateway.model.identifiers import DocumentId
from gateway.model.mail import Letter, clean, read_address, read_domain
from gateway.model.message import Parcel
from gateway.model.signals import Handover
from gateway.ports import Channel
from gateway.security.tokens import Tokens, read_key

if TYPE_CHECKING:
    import aiosmtplib

_OURS: Final = frozenset({500, 501, 502, 503, 504, 523, 530, 534, 535, 538})
"""Replies that say that the server and we do not get on; another recipient would get the same."""
_NO_RELAY: Final = re.compile(r"\brelay", re.IGNORECASE)
"""A server that will not carry our mail on says so of every recipient."""
_BAD_ADDRESS: Final = re.compile(r"5\.(1\.\d+|2\.1|4\.4|7\.\d+)\b|(?!.*\b5\.\d+\.\d+\b)55[0136]\b")
"""Another mail to the same address would be refused too (RFC 3463), or it says nothing nearer than 550."""
_EXTRA: Final = 'Install the extra: pip install "access-point-gateway[mail]"'
_PDF: Final = 2_000_000
"""Octets: what the strictest scan services take."""
_SETTINGS: Final = "Look at [email] in config.toml and at the mail server's log; the invoice waits."


class Mailing:
    """The mail server named in ``[email]``."""

    name = "email"
    confirms = False

    def __init__(self, settings: Settings, handovers: Handovers, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._sender = read_address(settings.sender)
        self._bounce_domain = read_domain(settings.bounce_domain) if settings.bounce_domain else ""
        self._password = settings.read_password()
        self._tls = settings.make_tls()
        self._signature = settings.read_dkim()
        self._known_tokens: Tokens | None = None
        self._handovers = handovers
        self._now = now

    def serves(self, parcel: Parcel) -> str:
        if not parcel.facts.receiver.email.strip():
            return "no e-mail address for the receiver on the invoice"
        try:
            read_address(parcel.facts.receiver.email)
        except ValueError as error:
            return f"the receiver's e-mail address: {error}"
        return ""

    async def dispatch(self, parcel: Parcel) -> Handover:
        refusal = self.serves(parcel)
        if refusal:
            raise ChannelRefused(
                refusal[0].upper() + refusal[1:],
                remedy="Give the receiver one e-mail address (Contact/ElectronicMail).",
            )

        async def send() -> Handover:
            mail = await asyncio.to_thread(self._write, parcel)
            return await self._send(mail)

        return await self._handovers.once(parcel.message, send)

    @property
    def sender(self) -> str:
        """The address that mails come from."""
        return self._sender

    @property
    def bounce_domain(self) -> str:
        """Below which each mail has a return address of its own; empty: bounces go to ``sender``."""
        return self._bounce_domain

    def document_of(self, token: str) -> DocumentId | None:
        """The document of which this token was made; None for any other text. Raises ``ChannelUnavailable``."""
        return self._tokens().read(token)

    async def answer(self, letter: Letter) -> str:
        """Send a mail that is no invoice and give the server's words. Raises as :meth:`dispatch`."""
        octets = await asyncio.to_thread(self._signed, letter.octets)
        mail = Mail(octets=octets, message_id="", sender=letter.sender, recipient=letter.recipient, envelope_id="")
        return (await self._send(mail)).reference

    def _tokens(self) -> Tokens:
        if self._known_tokens is None:
            try:
                self._known_tokens = Tokens(read_key(self._settings.return_key_file))
            except (OSError, ValueError) as error:
                where = getattr(error, "filename", None) or self._settings.return_key_file
                raise ChannelUnavailable(
                    f"email.return_key_file: {where}: {getattr(error, 'strerror', None) or error}",
                    failure="local",
                    remedy="Make it readable for the gateway alone; it is made by itself where its folder is writable.",
                ) from error
        return self._known_tokens

    def _signed(self, octets: bytes) -> bytes:
        if self._signature is None:
            return octets
        try:
            return self._signature.sign(octets)
        except ImportError:
            raise ChannelUnavailable("DKIM needs the package dkimpy", failure="local", remedy=_EXTRA) from None

    def _write(self, parcel: Parcel) -> Mail:
        """The mail as it leaves; without what not everybody takes where it would be too large with it."""
        parcel = replace(parcel, page=_slim(parcel.page))
        token = self._tokens().make(parcel.id)
        for with_document in (True, False) if self._settings.attach_xml else (False,):
            mail = write_mail(
                parcel,
                read_address(parcel.facts.receiver.email),
                read_payments(in_memory(parcel.document)),
                sender=self._sender,
                bounce_domain=self._bounce_domain,
                token=token,
                with_document=with_document,
                now=self._now(),
            )
            if len(mail.octets) <= self._settings.max_mail:
                return replace(mail, octets=self._signed(mail.octets))
        raise ChannelRefused(
            f"The mail has {len(mail.octets):,} bytes, more than the {self._settings.max_mail:,} of email.max_mail",
            remedy="Leave out attachments of the invoice, or raise email.max_mail if the receivers take it.",
        )

    async def _send(self, mail: Mail) -> Handover:
        try:
            import aiosmtplib
        except ImportError:
            raise ChannelUnavailable("The e-mail channel needs the package aiosmtplib", remedy=_EXTRA) from None
        client = self._client()
        wire: asyncio.BaseTransport | None = None  # set while the mail itself is on it
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds() * 5):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
                if self._settings.user:
                    await client.login(self._settings.user, self._password)
                await client.mail(mail.sender, options=_mail_options(client, mail))
                await client.rcpt(mail.recipient, options=_recipient_options(client, mail))
                wire = client.transport
                code, words = await client.data(mail.octets)
                wire = None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise self._translate(error, mail, in_doubt=wire is not None) from error
        finally:
            _leave(client, wire)
        answer = clean(f"{code} {words}", 300)
        return Handover(
            reference=answer,
            text=f"The mail server {self._settings.smtp} took it for {mail.recipient}: {answer}",
            evidence=mail.octets,
        )

    def _client(self) -> aiosmtplib.SMTP:
        import aiosmtplib

        security = self._settings.security
        return aiosmtplib.SMTP(
            hostname=self._settings.smtp.host,
            port=self._settings.smtp.port,
            local_hostname=self._sender.partition("@")[2],  # else the system is asked, which may wait for DNS
            timeout=self._settings.timeout.total_seconds(),
            use_tls=security == "implicit",
            start_tls=security == "starttls",
            tls_context=self._tls,
        )

    def _translate(self, error: Exception, mail: Mail, *, in_doubt: bool) -> ChannelUnavailable | ChannelRefused:
        """Say what a failure means: nothing was sent, the server said no, or nobody knows."""
        import aiosmtplib

        server = f"The mail server {self._settings.smtp}"
        if isinstance(error, aiosmtplib.SMTPResponseException) and not isinstance(error, aiosmtplib.SMTPConnectError):
            words = clean(f"{error.code} {error.message}", 300)
            about_mail = isinstance(error, (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError))
            too_large = isinstance(error, aiosmtplib.SMTPSenderRefused) and error.code == 552
            ours = error.code in _OURS or (about_mail and _NO_RELAY.search(words))
            if 500 <= error.code <= 599 and not ours and (about_mail or too_large):
                bad = isinstance(error, aiosmtplib.SMTPRecipientRefused) and _BAD_ADDRESS.search(words)
                text = f"{server} refused the mail to {mail.recipient}: {words}"
                return ChannelRefused(text, address=mail.recipient if bad else "")
            if 500 <= error.code <= 599:
                return ChannelUnavailable(f"{server} does not take our mail: {words}", remedy=_SETTINGS)
            return ChannelUnavailable(f"{server} cannot take the mail to {mail.recipient} now: {words}")
        text = clean(str(error), 200) or (
            "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        )
        if in_doubt:
            return ChannelUnavailable(
                f"{server} got the mail to {mail.recipient} but did not answer ({text}): in doubt whether it has it",
                sent=True,
                remedy=f"Nothing to do: it is sent again with the same Message-ID {mail.message_id}, "
                "by which a repeat can be recognised.",
            )
        return ChannelUnavailable(f"{server} cannot be used: {text}; nothing was sent", remedy=_SETTINGS)


def _leave(client: aiosmtplib.SMTP, unanswered: asyncio.BaseTransport | None) -> None:
    """Say QUIT and hang up; nobody waits for the answer, since what counts must be remembered first."""
    if isinstance(unanswered, asyncio.WriteTransport):
        unanswered.abort()  # else the rest of the mail would still trickle out
    elif client.protocol is not None and client.is_connected:
        client.protocol.write(b"QUIT\r\n")
    client.close()


def _slim(page: bytes) -> bytes:
    """The page without the files inside it, where it is larger than many receivers take; it looks the same."""
    if len(page) <= _PDF:
        return page
    from pypdf import PdfWriter
    from pypdf.generic import DictionaryObject, StreamObject

    writer = PdfWriter(clone_from=io.BytesIO(page))
    writer.root_object.pop("/AF", None)
    names = writer.root_object.get("/Names")
    if isinstance(names, DictionaryObject):
        files = names.pop("/EmbeddedFiles", {})
        for entry in files.get("/Names", [])[1::2]:
            for content in entry.get_object()["/EF"].values():
                if isinstance(stream := content.get_object(), StreamObject):
                    stream.set_data(b"")
    slim = io.BytesIO()
    writer.write(slim)
    return min(page, slim.getvalue(), key=len)


def _mail_options(client: aiosmtplib.SMTP, mail: Mail) -> list[str]:
    options = [f"SIZE={len(mail.octets)}"] if client.supports_extension("size") else []
    if client.supports_extension("dsn") and mail.envelope_id:
        options += ["RET=HDRS", f"ENVID={mail.envelope_id}"]
    return options


def _recipient_options(client: aiosmtplib.SMTP, mail: Mail) -> list[str]:
    if not client.supports_extension("dsn"):
        return []
    if not mail.envelope_id:
        return ["NOTIFY=NEVER"]
    original = mail.recipient.replace("+", "+2B").replace("=", "+3D")  # xtext, RFC 3461 section 4
    return ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{original}"]


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel; raises ``ConfigurationError``."""
    read = Settings.read(settings, context.section, context.base)
    return Mailing(read, Handovers(context.memory("email"), context.clock.now), context.clock.now)
