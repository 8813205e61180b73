"""What ``gateway check`` says about mail: servers that answer, keys, and the DNS names that receivers look at."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Final

from gateway.config import Config
from gateway.errors import ConfigurationError, GatewayError

Verdict = tuple[str, bool, str]
TextRecords = Callable[[str], bytes | None]

_SECONDS: Final = 10.0


async def check_mail(config: Config) -> list[Verdict]:
    """Everything about ``[email]`` and ``[mailbox]``; nothing is sent. The DNS is asked outside private networks."""
    verdicts: list[Verdict] = []
    sections = (("email", config.email, _email), ("mailbox", config.mailbox, _mailbox))
    for name, table, check in sections:
        if table is None:
            continue
        try:
            verdicts += await check(config)
        except ConfigurationError as error:
            verdicts.append((name, False, "; ".join(f"{path}: {text}" for path, text in error.problems)))
    if config.email is not None and config.mailbox is None:
        text = "no [mailbox]: nobody hears of mails that come back, and they stay DISPATCHED"
        verdicts.append(("mailbox", True, text))
    return verdicts


async def _email(config: Config) -> list[Verdict]:
    from gateway.fallback._mail_settings import Settings
    from gateway.security.tokens import read_key

    settings = Settings.read(config.email or {}, "email", config.base)
    verdicts = [await _server(settings.smtp.host, settings.smtp.port, str(settings.smtp), settings.security)]
    if settings.return_key_file.exists():
        try:
            read_key(settings.return_key_file)
        except (OSError, ValueError) as error:
            verdicts.append(("return key", False, f"email.return_key_file: {error}"))
    if config.network.kind == "private":
        return verdicts
    from gateway.mailbox.opening import text_records

    signature = settings.read_dkim()
    public = signature.public if signature else b""
    where = f"{settings.dkim_selector}._domainkey.{settings.dkim_domain}" if signature else ""
    return verdicts + await asyncio.to_thread(names, settings.own_domain, where, public, text_records())


def names(domain: str, where: str, public: bytes, ask: TextRecords) -> list[Verdict]:
    """What the DNS says of the sender's domain (RFC 7208, RFC 6376, RFC 7489)."""
    verdicts: list[Verdict] = []
    spf = (ask(domain) or b"").decode("latin-1")
    if "v=spf1" in spf:
        verdicts.append(("SPF", True, f"{domain}: {spf[:120]}"))
    else:
        verdicts.append(("SPF", False, f'{domain} has no TXT record "v=spf1 …" that names the mail servers'))
    if not where:
        text = f"mails are not signed (email.dkim_key_file); many receivers take them of {domain} for spam"
        verdicts.append(("DKIM", False, text))
    else:
        record = (ask(where) or b"").decode("latin-1")
        found = re.search(r"(?:^|;)\s*p=([A-Za-z0-9+/=\s]*)", record)
        ours = base64.b64encode(public).decode()
        if found is None:
            verdicts.append(("DKIM", False, f'{where} has no TXT record; write "v=DKIM1; k=rsa; p={ours}"'))
        elif "".join(found[1].split()) != ours:
            verdicts.append(("DKIM", False, f"{where} has another key than email.dkim_key_file; write p={ours}"))
        else:
            verdicts.append(("DKIM", True, f"{where} has the key that mails are signed with"))
    dmarc = (ask(f"_dmarc.{domain}") or b"").decode("latin-1")
    text = (
        dmarc[:120]
        if "v=DMARC1" in dmarc
        else f'has no TXT record; write at least "v=DMARC1; p=none" at _dmarc.{domain}'
    )
    verdicts.append(("DMARC", "v=DMARC1" in dmarc, f"_dmarc.{domain}: {text}"))
    return verdicts


async def _mailbox(config: Config) -> list[Verdict]:
    from gateway.mailbox.imap import look
    from gateway.mailbox.settings import Settings

    settings = Settings.read(config.mailbox or {}, "mailbox", config.base)
    verdicts: list[Verdict] = []
    if settings.listen is not None:
        verdicts.append(("mailbox", True, f"listens at {settings.listen} ({settings.protocol}) while the gateway runs"))
    if settings.imap is not None:
        try:
            number = await asyncio.to_thread(look, settings)
            verdicts.append(("IMAP", True, f"{settings.imap_user} at {settings.imap}: {number} mails in the folder"))
        except GatewayError as error:
            verdicts.append(("IMAP", False, f"{error}. {error.remedy}"))
    if settings.domains and not settings.trusted_authserv:
        text = "mailbox.trusted_authserv is empty: only senders with a DKIM signature are told what became of invoices"
        verdicts.append(("mailbox", True, text))
    return verdicts


async def _server(host: str, port: int, shown: str, security: str) -> Verdict:
    """Say hello to a mail server and good-bye."""
    try:
        import aiosmtplib
    except ImportError:
        return "mail server", False, "needs the extra: pip install 'access-point-gateway[mail]'"
    client = aiosmtplib.SMTP(
        hostname=host, port=port, use_tls=security == "implicit", start_tls=False, timeout=_SECONDS
    )
    try:
        async with asyncio.timeout(_SECONDS), client:
            await client.ehlo()
            offers = [name for name in ("DSN", "STARTTLS", "SIZE") if client.supports_extension(name.lower())]
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return "mail server", False, f"{shown} does not answer: {error or type(error).__name__}; invoices wait"
    if security == "starttls" and "STARTTLS" not in offers:
        return "mail server", False, f"{shown} offers no STARTTLS, without which nothing is sent to it (email.tls)"
    return "mail server", True, f"{shown} answers and offers {', '.join(offers) or 'nothing'}"
