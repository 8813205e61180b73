"""Which addresses we let ourselves be sent to: the guard against being used to reach inside a network.

URLs that come from others (NAPTR records, SMP redirects, endpoints) name a public https host on port 443, nothing
else; a private network may loosen this by two switches. The text is judged here before anything is asked, and
each address that a name resolves to is judged again before the connection is made to exactly that address: the
caller who connects does that. Source: Peppol transport policy (https, port 443), OWASP ASVS 5.0 1.3.6. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import InvalidAddress

MAX_URL: Final = 2_000
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)
"""What RFC 3986 lets a URL consist of."""
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NOT_PUBLIC_V4: Final = (ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("192.88.99.0/24"))
_TRANSLATED_V6: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))

_REMEDY: Final = "Tell the operator who published it: https, a public host name, port 443, no user name."


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRules:
    """How strict to be. The first two switches are for private networks only."""

    allow_http: bool = False
    """Plain http, and other ports than 443."""
    allow_loopback: bool = False
    """Addresses inside loopback and private ranges, IP literals and names without a dot."""
    plain_http: bool = False
    """http on port 80 besides https: for what is signed itself, like revocation lists."""


def check_url(url: str, rules: WebRules) -> str:
    """Give the URL back when we may go there; raises :class:`InvalidAddress` with the first reason."""
    shown = url if len(url) <= 120 else url[:120] + "…"
    if len(url) > MAX_URL or not _PLAIN.fullmatch(url):
        raise _refused(shown, "it is too long or holds characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _refused(shown, str(error)) from None
    if parts.scheme != "https" and not ((rules.allow_http or rules.plain_http) and parts.scheme == "http"):
        raise _refused(shown, "it is not https")
    if "@" in parts.netloc:
        raise _refused(shown, "it carries a user name")
    if parts.fragment or "#" in url:
        raise _refused(shown, "it carries a fragment")
    usual = 443 if parts.scheme == "https" else 80
    if not rules.allow_http and port not in (None, usual):
        raise _refused(shown, f"port {port} is not {usual}")
    _check_host(host, shown, rules)
    return url


def check_address(address: str, rules: WebRules) -> None:
    """Raise :class:`InvalidAddress` unless the IP address is one we may connect to."""
    if not rules.allow_loopback and not _is_public(address):
        raise InvalidAddress(f"The address {address} is not on the public internet", remedy=_REMEDY)


def _check_host(host: str, shown: str, rules: WebRules) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if not rules.allow_loopback:
            raise _refused(shown, "it names an IP address instead of a host")
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(shown, "its host is no host name")
    # 127.1, 0x7f.1 and 2130706433 are addresses in disguise: no top-level domain begins with a digit.
    if labels[-1][0].isdigit():
        raise _refused(shown, "its host is no host name")
    if not rules.allow_loopback and (len(labels) < 2 or labels[-1] == "localhost"):
        raise _refused(shown, "its host is not on the public internet")


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            address = inner
        elif any(address in network for network in _TRANSLATED_V6):
            return False
    if isinstance(address, ipaddress.IPv4Address) and any(address in network for network in _NOT_PUBLIC_V4):
        return False
    return address.is_global and not address.is_multicast


def _refused(shown: str, why: str) -> InvalidAddress:
    return InvalidAddress(f"“{shown}” is not an address that we go to: {why}", remedy=_REMEDY)
