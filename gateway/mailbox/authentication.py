"""Whether a mail comes from whom its envelope names: what our mail server found out, and the DKIM signature itself.

``Authentication-Results`` (RFC 8601) is believed only of the server named in ``[mailbox] trusted_authserv``, which
removes what others wrote under its name, and only the topmost one. The signature (RFC 6376) is verified here too, for
proof and for mail servers that do not look. "Aligned" means: what was proven is the domain of the envelope's sender (or
one above it), since that is who gets our answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

from gateway.mailbox.mime import address_in, header
from gateway.model.mail import clean

log = logging.getLogger(__name__)

TextRecords = Callable[[str], bytes | None]
"""Asks the DNS for the TXT record of a name; None where there is none. May raise ``OSError``."""

_MOST_SIGNATURES: Final = 3
_MOST_SIGNED: Final = 30_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """What is known of who sent a mail."""

    sender: str
    """Of the envelope."""
    author: str
    """Of the ``From`` header."""
    spf: str = ""
    """``pass``, ``fail``, ``none`` …: of the envelope's domain, by our mail server."""
    dkim: tuple[tuple[str, str], ...] = ()
    """(result, domain): of our mail server, and ``verified`` for what was verified here."""
    dmarc: str = ""

    @property
    def aligned(self) -> bool:
        """Whether it was the envelope's domain that sent it."""
        domain = self.sender.rpartition("@")[2].lower()
        if not domain:
            return False
        return self.spf == "pass" or any(
            result in ("pass", "verified") and under(domain, signer) for result, signer in self.dkim
        )

    @property
    def words(self) -> str:
        """For people and for the proof, one line each."""
        lines = [f"envelope-from: {self.sender or '<>'}", f"from: {self.author}", f"spf: {self.spf or 'not known'}"]
        lines += [f"dkim: {result} {domain}" for result, domain in self.dkim] or ["dkim: none"]
        return "\n".join([*lines, f"dmarc: {self.dmarc or 'not known'}", f"aligned: {'yes' if self.aligned else 'no'}"])


def authenticate(
    octets: bytes, message: Message, *, sender: str, authserv: str, text_records: TextRecords | None
) -> Authenticity:
    """Put together what is known. Blocks while it asks the DNS: call it in a thread."""
    spf, dkim, dmarc = _results(message, sender, authserv) if authserv else ("", [], "")
    if text_records is not None and len(octets) <= _MOST_SIGNED:
        dkim += [("verified", domain) for domain in _verified(octets, message, text_records)]
    author = address_in(header(message, "From", 1_000))
    return Authenticity(sender=sender, author=author, spf=spf, dkim=tuple(dict.fromkeys(dkim)), dmarc=dmarc)


def under(domain: str, signer: str) -> bool:
    """Whether the signer's domain is this one, or one above it (of two labels at least)."""
    signer = signer.lower().rstrip(".")
    return signer.count(".") >= 1 and f".{domain}".endswith(f".{signer}")


def _results(message: Message, sender: str, authserv: str) -> tuple[str, list[tuple[str, str]], str]:
    import authres

    for raw in message.get_all("Authentication-Results") or []:
        text = " ".join(str(raw).split())
        if re.split(r"[\s;]", text, maxsplit=1)[0].lower() != authserv.lower():
            continue
        try:
            parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {text[:8_000]}")
        except Exception:  # the library raises several kinds for what it does not understand
            return "", [], ""
        return _sorted(parsed.results, sender)
    return "", [], ""


def _sorted(results: list[Any], sender: str) -> tuple[str, list[tuple[str, str]], str]:
    spf, dmarc, dkim = "", "", []
    for result in results[:20]:
        said = clean(str(result.result or ""), 20).lower()
        if result.method == "spf":
            of = {prop.name: str(prop.value or "") for prop in result.properties}.get("mailfrom", "")
            if of and of.rpartition("@")[2].lower() == sender.rpartition("@")[2].lower():
                spf = said
        elif result.method == "dkim":
            named = {prop.name: str(prop.value or "") for prop in result.properties}
            domain = named.get("d") or named.get("i", "").rpartition("@")[2]
            dkim.append((said, clean(domain, 253).lower()))
        elif result.method == "dmarc":
            dmarc = said
    return spf, dkim, dmarc


def _verified(octets: bytes, message: Message, text_records: TextRecords) -> list[str]:
    try:
        import dkim
    except ImportError:
        return []
    signatures = message.get_all("DKIM-Signature") or []
    found: list[str] = []
    for index, raw in enumerate(signatures[:_MOST_SIGNATURES]):
        domain = re.search(r"(?:^|;)\s*d\s*=\s*([A-Za-z0-9.-]{3,253})\s*(?:;|$)", str(raw))
        if domain is None or re.search(r";\s*l\s*=", str(raw)):
            continue  # with a length anybody may have added what stands behind it
        try:
            verifier = dkim.DKIM(octets, minkey=1024)
            if verifier.verify(index, dnsfunc=lambda name, timeout=5: _ask(text_records, name)):
                found.append(verifier.domain.decode("ascii").lower())
        except Exception as error:  # whatever a stranger's signature makes the library stumble over proves nothing
            log.info("a DKIM signature of %s cannot be judged: %s", domain[1], type(error).__name__)
    return found


def _ask(text_records: TextRecords, name: bytes) -> bytes | None:
    return text_records(name.decode("ascii").rstrip("."))
