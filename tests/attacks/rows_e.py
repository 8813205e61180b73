"""Table E of the catalogue: key transport, content encryption and what is encrypted, as cases."""

from __future__ import annotations

import base64
import copy
import os
import random
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.msh import Request
from gateway.security.safexml import parse
from tests.as4.as4_parts import at, outgoing, pack, unpack
from tests.attacks.parts import (
    SOAP_TYPE,
    TAKEN,
    Case,
    Change,
    Element,
    Kit,
    case,
    data,
    drop,
    info,
    key,
    messaging,
    row,
    security,
    set_attribute,
    set_text,
    token,
)
from tests.attacks.wrapping import EVIL_PART

OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
KEY = b"k" * 16
DECRYPTION = ("EBMS:0102",)
SHAPE = ("EBMS:0103",)


def sealed(
    kit: Kit,
    octets: bytes | None = None,
    *,
    scheme: padding.AsymmetricPadding = OAEP,
    content_key: bytes = KEY,
    to: object = None,
    changes: tuple[Change, ...] = (),
) -> Request:
    """The signed message with another wrapped key and other octets as its encrypted part."""
    root, _, content_id = unpack(kit.good)
    public = (to or kit.world.c3).certificate.public_key()  # type: ignore[attr-defined]
    key(root, "CipherData", "CipherValue").text = base64.b64encode(public.encrypt(content_key, scheme)).decode()
    for change in changes:
        change(root)
    return pack(root, gcm() if octets is None else octets, content_id)


def gcm(
    octets: bytes | None = None, content_key: bytes = KEY, iv: bytes = b"i" * 12, more: bytes | None = None
) -> bytes:
    return iv + AESGCM(content_key).encrypt(iv, outgoing().part if octets is None else octets, more)


@row("E01")
def pkcs1(kit: Kit) -> Iterator[Case]:
    yield case("PKCS#1 v1.5, said OAEP", sealed(kit, scheme=padding.PKCS1v15()), *DECRYPTION)
    for algorithm in (
        ns.XENC + "rsa-1_5",
        ns.XENC + "rsa-oaep-mgf1p",
        "",
        ns.XENC + "kw-aes128",
        ns.XENC11 + "dh-es",
        ns.RSA_OAEP + " ",
        ns.RSA_OAEP.upper(),
    ):
        said = set_attribute(lambda r: key(r, "EncryptionMethod"), "Algorithm", algorithm)
        for scheme in (padding.PKCS1v15(), OAEP):
            yield case(f"{algorithm[-20:]!r}", sealed(kit, scheme=scheme, changes=(said,)), *SHAPE, private=0)


@row("E03")
def tags(kit: Kit) -> Iterator[Case]:
    good = gcm()
    yield case("honest", sealed(kit, good), TAKEN)
    for length in (0, 4, 8, 12, 15):
        yield case(f"tag of {length}", sealed(kit, good[:-16] + good[-16:][:length]), *DECRYPTION)
    for length in (0, 8, 16):
        iv = b"i" * length
        body = Cipher(algorithms.AES(KEY), modes.GCM(iv)) if length else None
        octets = good[12:]
        if body:
            worker = body.encryptor()
            octets = worker.update(outgoing().part) + worker.finalize() + worker.tag
        yield case(f"IV of {length}", sealed(kit, iv + octets), *DECRYPTION)
    for name, octets in (
        ("nothing", b""),
        ("one octet", b"x"),
        ("IV alone", good[:12]),
        ("IV and tag", gcm(b"")),
        ("27 octets", good[:27]),
        ("28 octets", good[:28]),
        ("empty ciphertext, zero tag", b"\0" * 28),
    ):
        yield case(name, sealed(kit, octets), *DECRYPTION)
    yield case("additional data", sealed(kit, gcm(more=b"x")), *DECRYPTION)
    yield case("other plain text, rightly encrypted", sealed(kit, gcm(b"evil")), *DECRYPTION)
    yield case("another invoice, rightly encrypted", sealed(kit, gcm(EVIL_PART)), *DECRYPTION)
    yield case("a longer part", sealed(kit, good + b"\0"), *DECRYPTION)
    chance = random.Random(5)
    places = [*range(8 * 28), *chance.sample(range(8 * len(good)), 200)]
    for place in places[::3]:
        spoiled = bytearray(good)
        spoiled[-1 - place // 8] ^= 1 << place % 8
        yield case(f"bit {place} from the end", sealed(kit, bytes(spoiled)), *DECRYPTION)
    for place in range(0, 96, 4):
        spoiled = bytearray(good)
        spoiled[place // 8] ^= 1 << place % 8
        yield case(f"bit {place} of the IV", sealed(kit, bytes(spoiled)), *DECRYPTION)


@row("E04")
def ciphers(kit: Kit) -> Iterator[Case]:
    part = outgoing().part
    pad = block_padding.PKCS7(128).padder()
    cbc = Cipher(algorithms.AES(KEY), modes.CBC(b"i" * 16)).encryptor()
    as_cbc = b"i" * 16 + cbc.update(pad.update(part) + pad.finalize()) + cbc.finalize()
    long_key = b"k" * 32
    made = {
        ns.XENC + "aes128-cbc": (as_cbc, KEY),
        ns.XENC + "aes256-cbc": (as_cbc, long_key),
        ns.XENC + "tripledes-cbc": (as_cbc, b"k" * 24),
        ns.XENC11 + "aes192-gcm": (gcm(content_key=b"k" * 24), b"k" * 24),
        ns.XENC11 + "aes256-gcm": (gcm(content_key=long_key), long_key),
        "http://www.w3.org/2021/04/xmldsig-more#chacha20poly1305": (
            b"i" * 12 + ChaCha20Poly1305(long_key).encrypt(b"i" * 12, part, None),
            long_key,
        ),
        "": (gcm(), KEY),
        ns.AES128_GCM + " ": (gcm(), KEY),
        "none": (part, KEY),
    }
    for algorithm, (octets, content_key) in made.items():
        said = set_attribute(lambda r: data(r, "EncryptionMethod"), "Algorithm", algorithm)
        yield case(
            f"{algorithm[-20:]!r}", sealed(kit, octets, content_key=content_key, changes=(said,)), *SHAPE, private=0
        )
        if algorithm not in ("", ns.AES128_GCM + " "):
            yield case(
                f"{algorithm[-20:]!r}, said AES-128-GCM", sealed(kit, octets, content_key=content_key), *DECRYPTION
            )
    for length in (0, 1, 8, 15, 17, 24, 32, 64):
        yield case(f"key of {length}", sealed(kit, content_key=b"k" * length), *DECRYPTION)
    for text in (
        f'<x:KeySize xmlns:x="{ns.XENC}">128</x:KeySize>',
        f'<x:OAEPparams xmlns:x="{ns.XENC}">AAAA</x:OAEPparams>',
    ):
        yield case(
            f"parameter {text[:12]}",
            kit.spoil(lambda r, t=text: data(r, "EncryptionMethod").append(parse(t.encode()))),
            *SHAPE,
            private=0,
        )


@row("E05")
def wrapped_keys(kit: Kit) -> Iterator[Case]:
    def copies(count: int) -> Change:
        def change(root: Element) -> None:
            original = key(root)
            for n in range(count):
                twin = copy.deepcopy(original)
                twin.set("Id", f"key{n}")
                original.addnext(twin)

        return change

    yield case("0 keys", kit.spoil(drop(key)), *SHAPE, private=0)
    for count in (1, 2, 9, 99, 999):
        yield case(
            f"{count + 1} keys", kit.spoil(copies(count)), *SHAPE, "HTTP 413", "HTTP 400", private=0, seconds=0.05
        )
    yield case("for the sender", sealed(kit, to=kit.world.c2), *DECRYPTION)
    holder: Callable[[Element], Element] = lambda r: key(r, "KeyInfo", "SecurityTokenReference")  # noqa: E731
    yield case(
        "names the sender's token", kit.spoil(lambda r: holder(r)[0].set("URI", "#signer")), *DECRYPTION, private=0
    )
    yield case(
        "names a token that is not there", kit.spoil(lambda r: holder(r)[0].set("URI", "#nobody")), *SHAPE, private=0
    )
    for name, scheme in (
        ("OAEP with SHA-1", padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)),
        ("digest SHA-1", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA1(), None)),
        ("mask SHA-1", padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA256(), None)),
        ("SHA-512", padding.OAEP(padding.MGF1(hashes.SHA512()), hashes.SHA512(), None)),
        ("label", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")),
    ):
        yield case(name, sealed(kit, scheme=scheme), *DECRYPTION)
    for which, right in (("DigestMethod", ns.SHA256), ("MGF", ns.MGF1_SHA256)):
        path: Callable[[Element], Element] = lambda r, w=which: key(r, "EncryptionMethod", w)  # noqa: E731
        yield case(f"{which} missing", kit.spoil(drop(path)), *SHAPE, private=0)
        yield case(f"{which} twice", kit.spoil(lambda r, p=path: p(r).addnext(copy.deepcopy(p(r)))), *SHAPE, private=0)
        for algorithm in ("", ns.DS + "sha1", ns.XENC + "sha512", ns.XENC11 + "mgf1sha1", right + " ", right.upper()):
            yield case(
                f"{which} {algorithm[-10:]!r}",
                kit.spoil(set_attribute(path, "Algorithm", algorithm)),
                *SHAPE,
                private=0,
            )
    yield case(
        "OAEPparams",
        kit.spoil(
            lambda r: key(r, "EncryptionMethod").append(
                parse(f'<x:OAEPparams xmlns:x="{ns.XENC}">AAAA</x:OAEPparams>'.encode())
            )
        ),
        *SHAPE,
        private=0,
    )
    value: Callable[[Element], Element] = lambda r: key(r, "CipherData", "CipherValue")  # noqa: E731
    for text in (
        "",
        " ",
        "!",
        "AAAA",
        base64.b64encode(b"\0" * 256).decode(),
        base64.b64encode(b"\xff" * 256).decode(),
        base64.b64encode(b"\0" * 257).decode(),
        "A" * 200_000,
    ):
        yield case(f"value {text[:10]!r}", kit.spoil(set_text(value, text)), *DECRYPTION, *SHAPE)
    for n in range(40):
        noise = random.Random(n).randbytes(256)
        yield case(f"noise {n}", kit.spoil(set_text(value, base64.b64encode(noise).decode())), *DECRYPTION)
    for name in ("Recipient", "Type", "MimeType", "Encoding"):
        yield case(f"attribute {name}", kit.spoil(lambda r, n=name: key(r).set(n, "x")), *SHAPE, private=0)


@row("E06")
def encrypted_elsewhere(kit: Kit) -> Iterator[Case]:
    def of(uri: str, kind: str) -> Change:
        def change(root: Element) -> None:
            data(root).set("Type", kind)
            data(root).find(".//{*}CipherReference").set("URI", uri)

        return change

    for uri in ("#messaging", "#body", "cid:other@x", "cid:", "http://127.0.0.1:1/x", "file:///etc/passwd", ""):
        for kind in (
            ns.CONTENT_ONLY,
            ns.CONTENT_ONLY.replace("Only", "Complete"),
            ns.XENC + "Element",
            ns.XENC + "Content",
            "",
        ):
            yield case(f"{uri!r} of type {kind[-8:]}", kit.spoil(of(uri, kind)), *SHAPE, private=0)

    def inline(where: Callable[[Element], Element]) -> Change:
        def change(root: Element) -> None:
            twin = copy.deepcopy(data(root))
            twin.set("Id", "other")
            where(root).append(twin)

        return change

    for name, where in (
        ("Header", lambda r: at(r, "Header")),
        ("Body", lambda r: at(r, "Body")),
        ("Messaging", messaging),
        ("Security", security),
        ("itself", data),
        ("EncryptedKey", key),
        ("Envelope", lambda r: r),
    ):
        yield case(
            f"another within {name}",
            kit.spoil(inline(where)),
            *SHAPE,
            "EBMS:0101",
            "HTTP 400",
            *((TAKEN,) if name == "Header" else ()),
            private=1 if name == "Header" else 0,
        )
    cipher: Callable[[Element], Element] = lambda r: data(r, "CipherData")  # noqa: E731
    yield case(
        "value instead of reference",
        kit.spoil(
            lambda r: cipher(r).replace(
                cipher(r)[0], parse(f'<x:CipherValue xmlns:x="{ns.XENC}">AAAA</x:CipherValue>'.encode())
            )
        ),
        *SHAPE,
        private=0,
    )
    yield case(
        "value and reference",
        kit.spoil(
            lambda r: cipher(r).append(parse(f'<x:CipherValue xmlns:x="{ns.XENC}">AAAA</x:CipherValue>'.encode()))
        ),
        *SHAPE,
        private=0,
    )
    for transform in ("", ns.DS + "base64", "http://www.w3.org/TR/1999/REC-xslt-19991116", ns.CONTENT_SIGNATURE):
        yield case(
            f"transform {transform[-10:]!r}",
            kit.spoil(lambda r, t=transform: data(r).find(".//{*}Transform").set("Algorithm", t)),
            *SHAPE,
            private=0,
        )
    reference: Callable[[Element], Element] = lambda r: data(r, "KeyInfo", "SecurityTokenReference", "Reference")  # noqa: E731
    for uri in ("#nobody", "#signer", "#data", "", "key"):
        yield case(f"key {uri!r}", kit.spoil(set_attribute(reference, "URI", uri)), *SHAPE, private=0)
        yield (
            case(
                f"listed {uri!r}",
                kit.spoil(lambda r, u=uri: key(r, "ReferenceList")[0].set("URI", u)),
                *SHAPE,
                private=0,
            )
            if uri != "#data"
            else case("as it is", kit.good, TAKEN)
        )
    yield case(
        "no DataReference",
        kit.spoil(lambda r: key(r, "ReferenceList").remove(key(r, "ReferenceList")[0])),
        *SHAPE,
        private=0,
    )
    yield case("signs nothing for the part", kit.resign(lambda r: info(r).remove(info(r)[-1])), *SHAPE, private=0)
    root, _, _ = unpack(kit.good)
    yield Case("encrypted, without a part", SOAP_TYPE, etree.tostring(root), ("EBMS:0011",), private=0)


@row("E07")
def wrong_certificate(kit: Kit) -> Iterator[Case]:
    yield case("for the sender's", sealed(kit, to=kit.world.c2), *DECRYPTION)
    yield case(
        "for the sender's, and says so",
        kit.world.sending(endpoint=kit.world.endpoint(kit.world.c2)).request(),
        *DECRYPTION,
        private=0,
    )
    yield case(
        "says the sender's, is for us",
        kit.spoil(set_text(lambda r: token(r, "receiver"), kit.world.c2.token)),
        *DECRYPTION,
        private=0,
    )
    yield case("damaged token", kit.spoil(set_text(lambda r: token(r, "receiver"), "AAAA")), *DECRYPTION, private=0)


@row("E13")
def untrusted_messages(kit: Kit) -> Iterator[Case]:
    """No private key is used for anybody who is not trusted; the number of cases is the row's 10,000 when whole."""
    from tests.attacks.certificates import forged_certificates

    _, identity = next(iter(forged_certificates(kit)))
    stranger = kit.resign(set_text(token, identity.token), by=identity)
    count = 10_000 if os.environ.get("ATTACKS") == "whole" else 500
    for n in range(count):
        body = stranger.body.replace(b"4f4a6a7e", b"%08x" % n)
        yield Case(f"stranger {n}", stranger.content_type, body, ("EBMS:0101",), private=0)
