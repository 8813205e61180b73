"""Table D of the catalogue, D15 and on: algorithms, keys, tokens and certificates."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.msh import Request
from gateway.as4.soap import canonical
from gateway.as4.wss.write import seal
from gateway.security.safexml import parse
from tests.as4.as4_parts import at, outgoing, pack, unpack
from tests.attacks.certificates import forged_certificates
from tests.attacks.parts import (
    TAKEN,
    Case,
    Change,
    Element,
    Kit,
    case,
    drop,
    info,
    messaging,
    references,
    row,
    security,
    set_attribute,
    set_text,
    signature,
    token,
    user,
)
from tests.attacks.rows_d_references import DSIG_MORE, FOREIGN_ALGORITHMS, REFUSED


def _with_value(kit: Kit, algorithm: str, make: Callable[[bytes], bytes]) -> Request:
    root, part, content_id = unpack(kit.good)
    info(root)[1].set("Algorithm", algorithm)
    at(root, "Header", "Security", "Signature", "SignatureValue").text = base64.b64encode(
        make(canonical(info(root)))
    ).decode()
    return pack(root, part, content_id)


@row("D15")
def signature_methods(kit: Kit) -> Iterator[Case]:
    public = kit.world.c2.certificate.public_key()
    secrets = {
        "public key": public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        "public key as PEM": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "certificate": kit.world.c2.der,
        "certificate as text": kit.world.c2.token.encode(),
        "nothing": b"",
    }

    def mac(secret: bytes, kind: hashes.HashAlgorithm) -> Callable[[bytes], bytes]:
        def make(octets: bytes) -> bytes:
            context = hmac.HMAC(secret, kind)
            context.update(octets)
            return context.finalize()

        return make

    for name, secret in secrets.items():
        for algorithm, kind in (
            (ns.DS + "hmac-sha1", hashes.SHA1()),
            (DSIG_MORE + "hmac-sha256", hashes.SHA256()),
            (DSIG_MORE + "hmac-sha512", hashes.SHA512()),
        ):
            yield case(
                f"{algorithm[-12:]} with the {name}", _with_value(kit, algorithm, mac(secret, kind)), "EBMS:0103"
            )
        yield case(
            f"HMAC with the {name}, said RSA",
            _with_value(kit, ns.RSA_SHA256, mac(secret, hashes.SHA256())),
            "EBMS:0101",
        )
    key = kit.world.c2.signer.key  # type: ignore[attr-defined]
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    for algorithm, scheme, kind in (
        (ns.DS + "rsa-sha1", padding.PKCS1v15(), hashes.SHA1()),
        (DSIG_MORE + "rsa-sha512", padding.PKCS1v15(), hashes.SHA512()),
        ("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", pss, hashes.SHA256()),
    ):
        right = lambda octets, scheme=scheme, kind=kind: key.sign(octets, scheme, kind)  # noqa: E731
        yield case(f"{algorithm[-20:]}, rightly made", _with_value(kit, algorithm, right), "EBMS:0103")
        yield case(f"{algorithm[-20:]}, said RSA-SHA256", _with_value(kit, ns.RSA_SHA256, right), "EBMS:0101")
    for algorithm in FOREIGN_ALGORITHMS:
        yield case(
            f"{algorithm[-40:]!r}", kit.resign(set_attribute(lambda r: info(r)[1], "Algorithm", algorithm)), "EBMS:0103"
        )
    for text in (
        f'<ds:HMACOutputLength xmlns:ds="{ns.DS}">1</ds:HMACOutputLength>',
        f'<p:RSAPSSParams xmlns:p="{DSIG_MORE}"/>',
    ):
        yield case(
            f"parameter {text[:20]}", kit.resign(lambda r, t=text: info(r)[1].append(parse(t.encode()))), "EBMS:0103"
        )
    yield case("none", kit.resign(set_attribute(lambda r: info(r)[1], "Algorithm", None)), "EBMS:0103")


@row("D16")
def digest_methods(kit: Kit) -> Iterator[Case]:
    for indexes in ((0,), (1,), (2,), (0, 1), (0, 1, 2)):
        for algorithm in FOREIGN_ALGORITHMS:

            def change(root: Element, indexes: tuple[int, ...] = indexes, algorithm: str = algorithm) -> None:
                for index in indexes:
                    references(root)[index][1].set("Algorithm", algorithm)

            yield case(f"{indexes}: {algorithm[-30:]!r}", kit.resign(change), "EBMS:0103")
    for text in ("", " ", "AAAA", "!", base64.b64encode(b"x" * 20).decode(), base64.b64encode(b"x" * 64).decode()):
        yield case(f"digest {text[:10]!r}", kit.spoil(set_text(lambda r: references(r)[2][2], text)), "EBMS:0103")


@row("D18")
def canonicalisations(kit: Kit) -> Iterator[Case]:
    for algorithm in (a for a in FOREIGN_ALGORITHMS if "c14n" in a.lower() or len(a) < 6):
        yield case(
            f"SignedInfo {algorithm[-40:]!r}",
            kit.resign(set_attribute(lambda r: info(r)[0], "Algorithm", algorithm)),
            "EBMS:0103",
        )
        for index in (0, 1):
            yield case(
                f"reference {index} {algorithm[-40:]!r}",
                kit.resign(set_attribute(lambda r, i=index: references(r)[i][0][0], "Algorithm", algorithm)),
                "EBMS:0103",
            )
    yield case("two methods", kit.resign(lambda r: info(r)[0].addnext(copy.deepcopy(info(r)[0]))), "EBMS:0103")
    yield case("no method", kit.resign(lambda r: info(r).remove(info(r)[0])), "EBMS:0103")
    yield case("methods in another order", kit.resign(lambda r: info(r).insert(0, info(r)[1])), "EBMS:0103")


def key_infos(kit: Kit) -> Iterator[tuple[str, Change]]:
    """Every other way to say which key it was."""
    bst, wsse = kit.world.c2.token, f'xmlns:w="{ns.WSSE}" xmlns:ds="{ns.DS}"'
    kind = f'ValueType="{ns.X509V3}" EncodingType="{ns.BASE64}"'
    numbers = kit.world.c2.certificate.public_key().public_numbers()
    modulus = base64.b64encode(numbers.n.to_bytes(256, "big")).decode()
    texts = {
        "KeyValue": f"<ds:KeyValue {wsse}><ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus>"
        "<ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
        "KeyName": f"<ds:KeyName {wsse}>POP000001</ds:KeyName>",
        "RetrievalMethod": f'<ds:RetrievalMethod {wsse} URI="http://127.0.0.1:1/"/>',
        "RetrievalMethod #": f'<ds:RetrievalMethod {wsse} URI="#signer"/>',
        "X509Data": f"<ds:X509Data {wsse}><ds:X509Certificate>{bst}</ds:X509Certificate></ds:X509Data>",
        "PGPData": f"<ds:PGPData {wsse}/>",
        "MgmtData": f"<ds:MgmtData {wsse}>x</ds:MgmtData>",
        "bare token": f"<w:BinarySecurityToken {wsse} {kind}>{bst}</w:BinarySecurityToken>",
        "bare reference": f'<w:Reference {wsse} URI="#signer" ValueType="{ns.X509V3}"/>',
        "DEREncodedKeyValue": f"<k:DEREncodedKeyValue xmlns:k='http://www.w3.org/2009/xmldsig11#'>{modulus}</k:DEREncodedKeyValue>",
    }
    inside = {
        "thumbprint": f'<w:KeyIdentifier {wsse} ValueType="{ns.THUMBPRINT}">AAAA</w:KeyIdentifier>',
        "SKI": f'<w:KeyIdentifier {wsse} ValueType="{ns.SUBJECT_KEY_IDENTIFIER}">AAAA</w:KeyIdentifier>',
        "issuer and serial": f"<ds:X509Data {wsse}><ds:X509IssuerSerial><ds:X509IssuerName>x</ds:X509IssuerName>"
        "<ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>",
        "embedded": f"<w:Embedded {wsse}><w:BinarySecurityToken {kind}>{bst}</w:BinarySecurityToken></w:Embedded>",
        "nothing": "",
    }

    def replaced(path: Callable[[Element], Element], text: str) -> Change:
        def change(root: Element) -> None:
            element = path(root)
            for child in list(element):
                element.remove(child)
            if text:
                element.append(parse(text.encode()))

        return change

    def added(text: str, first: bool) -> Change:
        return lambda root: _key_info(root).insert(0 if first else 1, parse(text.encode()))

    for name, text in texts.items():
        yield name, replaced(_key_info, text)
        yield f"{name} before", added(text, True)
        yield f"{name} after", added(text, False)
    for name, text in inside.items():
        yield f"reference by {name}", replaced(lambda r: _key_info(r)[0], text)
    yield "no KeyInfo", drop(_key_info)
    yield "two KeyInfo", lambda root: _key_info(root).addnext(copy.deepcopy(_key_info(root)))
    yield "two references", lambda root: _key_info(root)[0].append(copy.deepcopy(_key_info(root)[0][0]))
    for name in ("X509PKIPathv1", "PKCS7", "X509v1", "x509v3", ""):
        yield f"token of type {name}", set_attribute(token, "ValueType", ns.X509V3.replace("X509v3", name))
        yield (
            f"reference of type {name}",
            set_attribute(lambda r: _key_info(r)[0][0], "ValueType", ns.X509V3.replace("X509v3", name)),
        )
    yield "token without type", set_attribute(token, "ValueType", None)
    yield "token without encoding", set_attribute(token, "EncodingType", None)
    yield "hexadecimal token", set_attribute(token, "EncodingType", ns.BASE64.replace("Base64", "Hex"))
    yield "token outside", lambda root: at(root, "Header").append(token(root))
    yield "token in KeyInfo", lambda root: _key_info(root).append(token(root))
    yield "token twice under one id", lambda root: token(root).addnext(copy.deepcopy(token(root)))
    yield "empty token", set_text(token, "")
    yield "two certificates in a token", set_text(token, base64.b64encode(kit.world.c2.der * 2).decode())


def _key_info(root: Element) -> Element:
    return at(root, "Header", "Security", "Signature", "KeyInfo")


@row("D19")
def keys(kit: Kit) -> Iterator[Case]:
    for name, change in key_infos(kit):
        yield case(name, kit.resign(change), "EBMS:0103", *(("EBMS:0101",) if "two certificates" in name else ()))
    yield case("another's token", kit.resign(set_text(token, kit.world.c3.token)), "EBMS:0101")
    yield case(
        "the receiver's token is named", kit.resign(lambda r: _key_info(r)[0][0].set("URI", "#receiver")), "EBMS:0101"
    )


@row("D20")
def two_signatures(kit: Kit) -> Iterator[Case]:
    for place in ("before", "after"):

        def twin(root: Element, place: str = place) -> None:
            other = copy.deepcopy(signature(root))
            other.set("Id", "other")
            (signature(root).addprevious if place == "before" else signature(root).addnext)(other)

        def hollow(root: Element, place: str = place) -> None:
            twin(root, place)
            evil = security(root).findall("{*}Signature")[0 if place == "before" else 1]
            for reference in evil.findall(".//{*}Reference")[:3]:
                reference.getparent().remove(reference)

        for change in (twin, hollow):
            yield case(f"{change.__name__} {place}", kit.spoil(change), "EBMS:0103")
    for where in (lambda r: at(r, "Header"), lambda r: at(r, "Body"), messaging, signature):

        def move(root: Element, where: Callable[[Element], Element] = where) -> None:
            target = where(root)
            target.append(copy.deepcopy(signature(root)) if target is signature(root) else signature(root))

        yield case("the signature elsewhere", kit.spoil(move), "EBMS:0103", "HTTP 400")


@row("D21")
def hollow_signatures(kit: Kit) -> Iterator[Case]:
    def emptied(keep: int) -> Change:
        def change(root: Element) -> None:
            for child in list(info(root))[keep:]:
                info(root).remove(child)

        return change

    for keep in range(5):
        yield case(f"SignedInfo with {keep} children", kit.resign(emptied(keep)), "EBMS:0103")
        yield case(f"SignedInfo with {keep} children, not signed anew", kit.spoil(emptied(keep)), "EBMS:0103")
    value: Callable[[Element], Element] = lambda r: at(r, "Header", "Security", "Signature", "SignatureValue")  # noqa: E731
    for text in (
        "",
        " ",
        "\n",
        "!",
        "=",
        "A",
        "AA",
        "AAAA",
        "A" * 344,
        "å",
        base64.b64encode(b"\0" * 256).decode(),
        base64.b64encode(b"\xff" * 256).decode(),
        base64.b64encode(b"\0" * 255 + b"\1").decode(),
    ):
        yield case(f"value {text[:12]!r}", kit.spoil(set_text(value, text)), *REFUSED)
    yield case("value of 400 kB", kit.spoil(set_text(value, "A" * 400_000)), "HTTP 413", private=0)
    for name, path in (("SignedInfo", info), ("SignatureValue", value), ("KeyInfo", _key_info)):
        yield case(f"no {name}", kit.spoil(drop(path)), "EBMS:0103")
        yield case(f"two {name}", kit.spoil(lambda r, p=path: p(r).addnext(copy.deepcopy(p(r)))), "EBMS:0103")
    yield case("ds:Object", kit.spoil(lambda r: signature(r).append(etree.Element(f"{{{ns.DS}}}Object"))), "EBMS:0103")
    yield case("ds:Manifest", kit.spoil(lambda r: info(r).append(etree.Element(f"{{{ns.DS}}}Manifest"))), "EBMS:0103")
    yield case("Reference to a manifest", kit.resign(lambda r: references(r)[0].set("Type", ns.DS + "Manifest")), TAKEN)


@row("D22")
def missing_security(kit: Kit) -> Iterator[Case]:
    def only(*names: str) -> Change:
        def change(root: Element) -> None:
            for child in list(security(root)):
                if etree.QName(child).localname not in names:
                    security(root).remove(child)

        return change

    yield case("no Security", kit.spoil(drop(security)), "EBMS:0103")
    yield case("empty Security", kit.spoil(only()), "EBMS:0103")
    yield case("no Signature", kit.spoil(only("BinarySecurityToken", "EncryptedKey", "EncryptedData")), "EBMS:0103")
    yield case("only signed", kit.spoil(only("BinarySecurityToken", "Signature")), "EBMS:0103")
    yield case("no token", kit.spoil(only("Signature", "EncryptedKey", "EncryptedData")), "EBMS:0103")
    yield case("no EncryptedKey", kit.spoil(only("BinarySecurityToken", "Signature", "EncryptedData")), "EBMS:0103")
    yield case("no EncryptedData", kit.spoil(only("BinarySecurityToken", "Signature", "EncryptedKey")), "EBMS:0103")
    root, _, content_id = unpack(kit.good)
    only("BinarySecurityToken", "Signature")(root)
    yield case("only signed, and the part in the clear", pack(root, outgoing().part, content_id), "EBMS:0103")
    root, _, content_id = unpack(kit.good)
    yield case("said to be encrypted, and in the clear", pack(root, outgoing().part, content_id), "EBMS:0102")


@row("D23")
def foreign_tokens(kit: Kit) -> Iterator[Case]:
    wsc, saml = "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512", "urn:oasis:names:tc:SAML:2.0:assertion"
    for name in (
        f"{{{ns.WSSE}}}UsernameToken",
        f"{{{saml}}}Assertion",
        f"{{{wsc}}}DerivedKeyToken",
        f"{{{wsc}}}SecurityContextToken",
        f"{{{ns.WSSE11}}}SignatureConfirmation",
        f"{{{ns.WSSE11}}}EncryptedHeader",
        f"{{{ns.WSSE}}}SecurityTokenReference",
        f"{{{ns.XENC}}}ReferenceList",
        f"{{{ns.DS}}}KeyInfo",
        "{urn:x}Other",
        f"{{{ns.XENC}}}EncryptedKey",
        f"{{{ns.XENC}}}EncryptedData",
    ):
        for place in (0, 5):
            yield case(
                f"{etree.QName(name).localname} at {place}",
                kit.spoil(lambda r, n=name, p=place: security(r).insert(p, etree.Element(n))),
                "EBMS:0103",
            )
    for tokens in (3, 100):

        def many(root: Element, tokens: int = tokens) -> None:
            for _ in range(tokens):
                other = copy.deepcopy(token(root))
                del other.attrib[f"{{{ns.WSU}}}Id"]
                security(root).append(other)

        yield case(f"{tokens} more tokens", kit.spoil(many), "EBMS:0103", "HTTP 413")
    for actor in ("urn:x", ns.SOAP + "/role/next", ""):

        def second(root: Element, actor: str = actor) -> None:
            other = etree.Element(f"{{{ns.WSSE}}}Security")
            other.set(f"{{{ns.SOAP}}}role", actor)
            security(root).addnext(other)

        yield case(f"a second Security for {actor!r}", kit.spoil(second), "HTTP 400")
    yield case(
        "an encrypted header",
        kit.spoil(lambda r: at(r, "Header").append(etree.Element(f"{{{ns.WSSE11}}}EncryptedHeader"))),
        TAKEN,
    )


@row("D25")
def wrong_roles(kit: Kit) -> Iterator[Case]:
    smp = kit.identity("PSP000001")
    yield case("an SMP's certificate", kit.resign(set_text(token, smp.token), by=smp), "EBMS:0101")

    def as_smp(root: Element) -> None:
        token(root).text = smp.token
        user(root, "PartyInfo", "From", "PartyId").text = "PSP000001"

    yield case("an SMP's certificate and name", kit.resign(as_smp, by=smp), "EBMS:0101")


@row("D26")
def certificates(kit: Kit) -> Iterator[Case]:
    for name, identity in forged_certificates(kit):
        yield case(name, kit.resign(set_text(token, identity.token), by=identity), "EBMS:0101", seconds=0.1)
    for name, der in (
        ("no certificate", b"x"),
        ("cut", kit.world.c2.der[:-1]),
        ("cut at half", kit.world.c2.der[:400]),
        ("trailing octet", kit.world.c2.der + b"\0"),
        ("zeros", b"\0" * 800),
        ("17 KiB", kit.world.c2.der + b"\0" * 17_000),
    ):
        yield case(
            name, kit.resign(set_text(token, base64.b64encode(der).decode())), "EBMS:0101", "EBMS:0103", seconds=0.1
        )
    for place in range(0, len(kit.world.c2.der), 13):
        der = bytearray(kit.world.c2.der)
        der[place] ^= 0x05
        yield case(
            f"octet {place} changed",
            kit.resign(set_text(token, base64.b64encode(der).decode())),
            "EBMS:0101",
            seconds=0.1,
        )


@row("D30")
def replays(kit: Kit) -> Iterator[Case]:
    """A message of C2 to another access point, caught and sent to us."""

    def to_other(root: Element) -> None:
        user(root, "PartyInfo", "To", "PartyId").text = "POP000009"

    foreign = kit.world.sending(endpoint=kit.world.endpoint(kit.world.c2)).request()
    yield case("as it was", foreign, "EBMS:0102", private=0)
    root, _, content_id = unpack(foreign)
    sealed = seal(outgoing().part, content_id, kit.world.c3.der, content_key=b"k" * 16, iv=b"i" * 12)
    fresh = parse(f'<x xmlns:wsse="{ns.WSSE}" xmlns:wsu="{ns.WSU}">{sealed.text}</x>'.encode())
    for child in list(security(root))[:3]:
        security(root).remove(child)
    for place, child in enumerate(list(fresh)):
        security(root).insert(place, child)
    yield case("encrypted for us by who knew the document", pack(root, sealed.octets, content_id), "EBMS:0010")
    yield case("To another", kit.resign(to_other), "EBMS:0010")
