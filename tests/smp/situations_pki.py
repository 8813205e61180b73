"""What certificates, signatures and revocation can do to a look-up. Never a no: somebody's broken key is not paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from gateway.model.relation import Reason
from tests.security.revocation_parts import DAY, HOUR
from tests.security.revocation_parts import NOW as MOMENT
from tests.smp.situation_parts import UNKNOWN, YES, Known, Situation
from tests.smp.smp_parts import NOW, Network

Change = Callable[[bytes], bytes]


def signed(name: str, change: Change, says: str = "does not count") -> Situation:
    """All is well, but the signed answer is changed like this."""

    def prepare(n: Network) -> None:
        n.smp.all_well()
        octets = n.smp.signed()
        changed = change(octets)
        assert changed != octets, name
        n.smp.metadata(changed)

    return Situation(group="signature", name=name, verdict=UNKNOWN, says=says, prepare=prepare)


def swap(old: bytes, new: bytes) -> Change:
    return lambda octets: octets.replace(old, new, 1)


def twice(octets: bytes) -> bytes:
    found = re.search(rb"<ds:Signature .*</ds:Signature>", octets, re.S)
    assert found
    return octets.replace(found[0], found[0] * 2)


def moved(octets: bytes) -> bytes:
    """The signature as the first child."""
    found = re.search(rb"<ds:Signature .*</ds:Signature>", octets, re.S)
    assert found
    bare = octets.replace(found[0], b"")
    start = bare.index(b"<smp:ServiceMetadata>")
    return bare[:start] + found[0] + bare[start:]


def wrapped(octets: bytes) -> bytes:
    """The signed answer inside one that nobody signed."""
    body = octets.partition(b"?>")[2].strip()
    evil = body.replace(b"18999", b"18666")
    return evil.replace(b"</ds:Signature>", b"<ds:Object>" + body + b"</ds:Object></ds:Signature>", 1)


def cut_value(octets: bytes) -> bytes:
    return re.sub(rb"(<ds:SignatureValue>)[^<]{8}", rb"\1AAAAAAAA", octets)


ENVELOPED = b'<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
EXCLUSIVE = b'<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
DOCTYPE = b'<!DOCTYPE smp:SignedServiceMetadata [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def after_head(text: bytes) -> Change:
    return lambda octets: octets.replace(b"?>", b"?>" + text, 1)


SIGNATURE = [
    signed("two signatures", twice),
    signed("signature as first child", moved),
    signed("wrapped in an answer that is not signed", wrapped),
    signed("reference by Id", swap(b'<ds:Reference URI="">', b'<ds:Reference URI="#_0">')),
    signed("a second transform", swap(ENVELOPED, ENVELOPED + EXCLUSIVE)),
    signed("no transform", swap(ENVELOPED, b"")),
    signed("exclusive canonicalization", swap(b"TR/2001/REC-xml-c14n-20010315", b"2001/10/xml-exc-c14n#")),
    signed("SHA-1 signature", swap(b"2001/04/xmldsig-more#rsa-sha256", b"2000/09/xmldsig#rsa-sha1")),
    signed("SHA-1 digest", swap(b"2001/04/xmlenc#sha256", b"2000/09/xmldsig#sha1")),
    signed("HMAC", swap(b"xmldsig-more#rsa-sha256", b"xmldsig-more#hmac-sha256")),
    signed("another signature value", cut_value),
    signed("no signature value", lambda o: re.sub(rb"<ds:SignatureValue>[^<]*</ds:SignatureValue>", b"", o)),
    signed("no certificate", lambda o: re.sub(rb"<ds:X509Certificate>[^<]*</ds:X509Certificate>", b"", o)),
    signed("a certificate that is none", lambda o: re.sub(rb"(<ds:X509Certificate>)[^<]*", rb"\1AAAA", o)),
    signed("a certificate that is no Base64", lambda o: re.sub(rb"(<ds:X509Certificate>)[^<]*", rb"\1!!", o)),
    signed("a certificate twice", lambda o: re.sub(rb"(<ds:X509Certificate>[^<]*</ds:X509Certificate>)", rb"\1\1", o)),
    signed("indented afterwards", swap(b"<smp:ServiceMetadata>", b"\n  <smp:ServiceMetadata>")),
    signed("a comment inside", swap(b"<smp:ServiceMetadata>", b"<smp:ServiceMetadata><!-- x -->")),
    signed("an external entity", after_head(DOCTYPE)),
    signed("entities in entities", after_head(BOMB)),
    signed("UTF-16", lambda o: o.decode().replace("UTF-8", "UTF-16").encode("utf-16")),
    signed("cut in the middle", lambda o: o[: len(o) // 2]),
    signed("10,000 elements deep", lambda o: b"<a>" * 10_000 + b"</a>" * 10_000),
    signed("wrong root", lambda o: o.replace(b"SignedServiceMetadata", b"SignedServiceMetadat")),
    signed("another namespace", lambda o: o.replace(b"publishing/1.0/", b"publishing/2.0/")),
]


def endpoint(name: str, verdict: str | Reason, says: str = "", strict: bool = False, **values: object) -> Situation:
    def prepare(n: Network) -> None:
        n.smp.all_well()
        n.smp.metadata(n.smp.signed(**values))  # type: ignore[arg-type]

    return Situation(group="endpoint", name=name, verdict=verdict, says=says, prepare=prepare, strict=strict)


ODD = (
    "ftp://ap.example/as4",
    "http://user@127.0.0.1/as4",
    "https://",
    "//ap.example/as4",
    "https://ap.example/as4#x",
    "http://127.0.0.1:99999/as4",
    "http://ap .example/as4",
    "",
    "https://" + "a" * 4_000 + ".example/as4",
    "data:text/xml,x",
)
ENDPOINT = [endpoint(f"url {url[:40] or 'empty'}", UNKNOWN, "cannot be used", url=url) for url in ODD]
ENDPOINT += [
    endpoint("expires this very second", YES, expiration=NOW),
    endpoint("expired a second ago", Reason.EXPIRED, expiration=NOW - timedelta(seconds=1)),
    endpoint("begins in a year", Reason.EXPIRED, activation=NOW + timedelta(days=365)),
    endpoint("AS2", Reason.NO_TRANSPORT, transport_profile="busdox-transport-as2-ver2p0"),
    endpoint("AS4 of old", Reason.NO_TRANSPORT, transport_profile="peppol-transport-as4-v1_0"),
    endpoint("transport in upper case", Reason.NO_TRANSPORT, transport_profile="PEPPOL-TRANSPORT-AS4-V2_0"),
]


def revoked(name: str, verdict: str, know: Callable[[Known], object], says: str = "") -> Situation:
    return Situation(group="revocation", name=name, verdict=verdict, says=says, revocation=know)


def give(*, age: timedelta = HOUR / 60, without: str = "") -> Callable[[Known], object]:
    """Every list is here and says nothing bad, or revokes the one."""

    def know(k: Known) -> None:
        bad = {"ap": (k.ap,), "smp": (k.smp,), "": ()}[without]
        k.world.give_all(k.trust, *bad, at=MOMENT - age, number=1)

    return know


REVOCATION = [
    revoked("every list is here, nobody is in it", YES, give()),
    revoked("access point revoked", UNKNOWN, give(without="ap"), "revoked since"),
    revoked("SMP revoked", UNKNOWN, give(without="smp"), "revoked since"),
    revoked("no list at all", UNKNOWN, lambda k: None, "cannot be judged now"),
    revoked("lists a day old, in their grace", YES, give(age=DAY + HOUR)),
    revoked("lists a month old", UNKNOWN, give(age=30 * DAY), "cannot be judged now"),
]
