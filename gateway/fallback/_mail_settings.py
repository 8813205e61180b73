"""``[email]``: the mail server, who we are to it, and how our mails are signed."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gateway.config import Address, ByteSize, read_settings
from gateway.fallback._dkim import Signature, read_signature
from gateway.model.mail import read_address, read_domain


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
    attach_xml: bool = True
    """Whether the UBL goes along beside the PDF."""
    return_key_file: Path = Path("var/return.key")
    """Makes the tokens of return addresses; made at its first use. The same on every node."""
    dkim_domain: str = ""
    """Signs for this domain (RFC 6376), which should be that of ``sender``; empty: unsigned."""
    dkim_selector: str = ""
    dkim_key_file: Path | None = None
    """PEM of an RSA key, mode 0600."""
    max_mail: ByteSize = ByteSize(7_000_000)
    """A larger mail, as encoded, is refused here: many receivers would."""
    timeout: timedelta = timedelta(minutes=1)
    """For one answer of the server; the whole mail may take five times as long."""

    @property
    def own_domain(self) -> str:
        return self.sender.partition("@")[2]

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        return read_settings(cls, table, path, base, _contradictions)

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

    def read_dkim(self) -> Signature | None:
        """How mails are signed, if they are. Raises ``OSError``, ``ValueError`` with what is wrong with the key."""
        if not self.dkim_key_file:
            return None
        return read_signature(self.dkim_domain, self.dkim_selector, self.dkim_key_file)

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
    named = [bool(value) for value in (settings.dkim_domain, settings.dkim_selector, settings.dkim_key_file)]
    if any(named) and not all(named):
        problems.append(("dkim_key_file", "and dkim_domain and dkim_selector belong together"))
    elif all(named):
        problems += _dkim_contradictions(settings)
    if not 100_000 <= settings.max_mail <= 50_000_000:
        problems.append(("max_mail", "must be between 100 kB and 50 MB"))
    if not 1 <= settings.timeout.total_seconds() <= 600:
        problems.append(("timeout", "must be between 1 second and 10 minutes"))
    return problems


def _dkim_contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    try:
        domain = read_domain(settings.dkim_domain)
        if f".{settings.own_domain}".lower().endswith(f".{domain}"):
            read_domain(f"{settings.dkim_selector}.example")
        else:
            text = f"is not the domain of email.sender ({settings.own_domain}) nor above it: DMARC would not count it"
            problems.append(("dkim_domain", text))
    except ValueError as error:
        problems.append(("dkim_domain", str(error)))
    try:
        settings.read_dkim()
    except (OSError, ValueError) as error:
        problems.append(("dkim_key_file", str(error)))
    return problems
