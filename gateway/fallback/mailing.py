"""Invoice by e-mail: the readable page and the document as attachments, handed to a mail server over SMTP.

A 250 of the server is a handover, not a delivery: bounces come later, to ``b+ID@bounce_domain``. The same parcel
twice is one mail: the handover is remembered as soon as the server has said 250. Two gaps remain that SMTP cannot
close: the connection breaks after the mail and before the answer, or this process dies before the memory is on the
disk. Then the mail is sent again, with the same Message-ID, by which mail systems and people recognise a repeat.
Sources: RFC 5321, RFC 3207 (STARTTLS), RFC 3461 (delivery status notifications). Words and headers: ``_mail.py``.
"""

from __future__ import annotations

import asyncio
import ssl
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from gateway.config import Address, ByteSize, read_section
from gateway.discovery import ChannelContext
from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.fallback._mail import Mail, clean, read_address, read_domain, write_mail
from gateway.fallback._payment import read_payments
from gateway.files import Handovers
from gateway.files.spool import in_memory
from gateway.model.message import Parcel
from gateway.model.signals import Handover
from gateway.ports import Channel

if TYPE_CHECKING:
    import aiosmtplib

_OURS: Final = frozenset({500, 501, 502, 503, 504, 523, 530, 534, 535, 538})
"""Replies that say that the server and we do not get on; another recipient would get the same."""
_SETTINGS: Final = "Look at [email] in config.toml and at the mail server's log; the invoice waits."


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[email]``."""

    smtp: Address
    """The mail server that takes our mail and carries it on."""
    sender: str
    """The address that mail comes from; a real one, since programs and people answer to it."""
    bounce_domain: str = ""
    """Bounces go to ``b+ID@`` here; empty: to ``sender``."""
    tls: Literal["auto", "starttls", "implicit", "off"] = "auto"
    """``auto``: off for a server on this machine, else ``starttls``, which a server that lacks it does not pass."""
    ca_file: Path | None = None
    """Authorities of the server's certificate, where they are not the system's."""
    user: str = ""
    password_file: Path | None = None
    password: str = field(default="", repr=False)
    """For ``GATEWAY__EMAIL__PASSWORD``; in a file it belongs into ``password_file``."""
    max_mail: ByteSize = ByteSize(7_000_000)
    """A larger mail, as encoded, is refused here: many receivers would."""
    timeout: timedelta = timedelta(minutes=1)
    """For one answer of the server; the whole mail may take five times as long."""

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        problems: list[tuple[str, str]] = []
        settings = read_section(cls, table, path, base, problems)
        if settings is not None:
            problems.extend((f"{path}.{key}", text) for key, text in _contradictions(settings))
        if settings is None or problems:
            raise ConfigurationError(problems)
        return settings

    @property
    def security(self) -> Literal["starttls", "implicit", "off"]:
        """What ``tls`` comes to for this server."""
        if self.tls != "auto":
            return self.tls
        local = self.smtp.host in ("localhost", "::1") or self.smtp.host.startswith("127.")
        return "off" if local else "starttls"

    def read_password(self) -> str:
        """The password, from its file where it has one. Raises ``OSError`` or ``UnicodeDecodeError``."""
        return self.password_file.read_text(encoding="utf-8").strip() if self.password_file else self.password

    def make_tls(self) -> ssl.SSLContext | None:
        """TLS settings, or None without TLS. Raises ``OSError`` (``ssl.SSLError`` is one) for a bad ``ca_file``."""
        return None if self.security == "off" else ssl.create_default_context(cafile=self.ca_file)


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    for key, read in (("sender", read_address), ("bounce_domain", read_domain)):
        try:
            if getattr(settings, key) or key == "sender":
                read(getattr(settings, key))
        except ValueError as error:
            problems.append((key, str(error)))
    if bool(settings.user) != bool(settings.password or settings.password_file):
        problems.append(("user", "and password_file belong together"))
    if settings.password and settings.password_file:
        problems.append(("password", "and password_file are two sources for one thing"))
    if settings.user and settings.security == "off" and settings.tls == "off":
        problems.append(("tls", "must not be off with a password"))
    try:
        settings.read_password()
        if settings.password_file and settings.password_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            problems.append(("password_file", f"can be read by others; run: chmod 600 {settings.password_file}"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(("password_file", f"cannot be read: {error}"))
    try:
        settings.make_tls()
    except OSError as error:
        problems.append(("ca_file", f"cannot be read as PEM certificates: {error}"))
    if not 100_000 <= settings.max_mail <= 50_000_000:
        problems.append(("max_mail", "must be between 100 kB and 50 MB"))
    if not 1 <= settings.timeout.total_seconds() <= 600:
        problems.append(("timeout", "must be between 1 second and 10 minutes"))
    return problems


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

    def _write(self, parcel: Parcel) -> Mail:
        mail = write_mail(
            parcel,
            read_address(parcel.facts.receiver.email),
            read_payments(in_memory(parcel.document)),
            sender=self._sender,
            bounce_domain=self._bounce_domain,
            now=self._now(),
        )
        if len(mail.octets) > self._settings.max_mail:
            raise ChannelRefused(
                f"The mail has {len(mail.octets):,} bytes, more than the {self._settings.max_mail:,} of email.max_mail",
                remedy="Leave out attachments of the invoice, or raise email.max_mail if the receivers take it.",
            )
        return mail

    async def _send(self, mail: Mail) -> Handover:
        try:
            import aiosmtplib
        except ImportError:
            raise ChannelUnavailable(
                "The e-mail channel needs the package aiosmtplib",
                remedy='Install the extra: pip install "access-point-gateway[mail]"',
            ) from None
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
            if 500 <= error.code <= 599 and error.code not in _OURS and (about_mail or too_large):
                return ChannelRefused(f"{server} refused the mail to {mail.recipient}: {words}")
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


def _mail_options(client: aiosmtplib.SMTP, mail: Mail) -> list[str]:
    options = [f"SIZE={len(mail.octets)}"] if client.supports_extension("size") else []
    if client.supports_extension("dsn"):
        options += ["RET=HDRS", f"ENVID={mail.envelope_id}"]
    return options


def _recipient_options(client: aiosmtplib.SMTP, mail: Mail) -> list[str]:
    if not client.supports_extension("dsn"):
        return []
    original = mail.recipient.replace("+", "+2B").replace("=", "+3D")  # xtext, RFC 3461 section 4
    return ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{original}"]


def open_channel(settings: Mapping[str, object], context: ChannelContext) -> Channel:
    """Make the channel; raises ``ConfigurationError``."""
    read = Settings.read(settings, context.section, context.base)
    return Mailing(read, Handovers(context.memory("email"), context.clock.now), context.clock.now)
