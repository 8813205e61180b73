"""``[mailbox]``: where mail comes in."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gateway.config import Address, ByteSize, read_settings
from gateway.model.mail import read_domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[mailbox]``."""

    listen: Address | None = None
    """Where a mail server of this operator hands mail over to us; empty: nothing listens."""
    protocol: Literal["lmtp", "smtp"] = "lmtp"
    """LMTP answers for each recipient, so a mail server need not send one twice because of another."""
    domains: tuple[str, ...] = ()
    """Invoices come to ``NUMBER@`` one of these: a participant's number, or the name of an account."""
    trusted_authserv: str = ""
    """Name by which our mail server signs its ``Authentication-Results`` (RFC 8601); others' are not believed."""
    answer: bool = True
    """Tell senders that are who they say what became of their invoices."""
    max_mail: ByteSize = ByteSize(25_000_000)
    max_files: int = 10
    """PDF files in one mail; each is one invoice."""
    bounce_window: timedelta = timedelta(days=3)
    """How long a mail of ours may come back before its invoice counts as delivered."""
    imap: Address | None = None
    """A mailbox that is fetched from instead, or as well."""
    imap_user: str = ""
    imap_password_file: Path | None = None
    imap_password: str = field(default="", repr=False)
    """For ``GATEWAY__MAILBOX__IMAP_PASSWORD``; in a file it belongs into ``imap_password_file``."""
    imap_tls: Literal["implicit", "starttls", "off"] = "implicit"
    """``off`` only to this machine."""
    imap_ca_file: Path | None = None
    imap_folder: str = "INBOX"
    imap_every: timedelta = timedelta(minutes=1)

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        return read_settings(cls, table, path, base, _contradictions)

    def read_password(self) -> str:
        """The password of the mailbox. Raises ``OSError`` or ``UnicodeDecodeError``."""
        file = self.imap_password_file
        return file.read_text(encoding="utf-8").strip() if file else self.imap_password


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    for domain in settings.domains:
        try:
            read_domain(domain)
        except ValueError as error:
            problems.append(("domains", str(error)))
    if settings.listen is None and settings.imap is None:
        problems.append(("listen", "or imap is needed: without them no mail comes in"))
    if settings.imap is not None:
        problems += _imap_contradictions(settings)
    if not 100_000 <= settings.max_mail <= 50_000_000:
        problems.append(("max_mail", "must be between 100 kB and 50 MB"))
    if not 1 <= settings.max_files <= 100:
        problems.append(("max_files", "must be between 1 and 100"))
    if not 1 <= settings.bounce_window.total_seconds() <= 30 * 86_400:
        problems.append(("bounce_window", "must be between 1 second and 30 days"))
    return problems


def _imap_contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if not settings.imap_user or not (settings.imap_password or settings.imap_password_file):
        problems.append(("imap_user", "and imap_password_file are needed"))
    if settings.imap_password and settings.imap_password_file:
        problems.append(("imap_password", "and imap_password_file are two sources for one thing"))
    host = settings.imap.host if settings.imap else ""
    if settings.imap_tls == "off" and not (host in ("localhost", "::1") or host.startswith("127.")):
        problems.append(("imap_tls", "must not be off to another machine: it would show the password to the network"))
    if not settings.imap_folder or any(c in settings.imap_folder for c in '\r\n"\\'):
        problems.append(("imap_folder", "must be a name without quotes"))
    if not 1 <= settings.imap_every.total_seconds() <= 3_600:
        problems.append(("imap_every", "must be between 1 second and 1 hour"))
    file = settings.imap_password_file
    try:
        settings.read_password()
        if file and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            problems.append(("imap_password_file", f"can be read by others; run: chmod 600 {file}"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(("imap_password_file", f"cannot be read: {error}"))
    if settings.imap_ca_file and not settings.imap_ca_file.is_file():
        problems.append(("imap_ca_file", f"{settings.imap_ca_file} is not there"))
    return problems
