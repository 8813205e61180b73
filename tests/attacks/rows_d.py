"""Table D of the catalogue: signatures, references, algorithms, tokens and certificates, as cases."""

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
from tests.as4.as4_parts import at, outgoing, pack, spoil, unpack
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
from tests.attacks.wrapping import Forge, Point

DSIG_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
FOREIGN_ALGORITHMS = (
    "",
    " ",
    "none",
    "http://127.0.0.1:1/",
    "file:///etc/passwd",
    ns.DS + "enveloped-signature",
    ns.DS + "base64",
    "http://www.w3.org/TR/1999/REC-xslt-19991116",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2002/06/xmldsig-filter2",
    C14N,
    C14N + "#WithComments",
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/2006/12/xml-c14n11#WithComments",
    ns.EC + "WithComments",
    ns.EC.rstrip("#"),
    ns.EC.upper(),
    ns.EC + " ",
    ns.DS + "sha1",
    DSIG_MORE + "md5",
    DSIG_MORE + "sha224",
    ns.XENC + "sha512",
    ns.DS + "hmac-sha1",
    DSIG_MORE + "hmac-sha256",
    ns.DS + "rsa-sha1",
    DSIG_MORE + "rsa-md5",
    DSIG_MORE + "rsa-sha512",
    ns.DS + "dsa-sha1",
    "http://www.w3.org/2009/xmldsig11#dsa-sha256",
    DSIG_MORE + "ecdsa-sha256",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
    "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
    DSIG_MORE + "rsa-sha256 ",
    DSIG_MORE.upper() + "RSA-SHA256",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Complete-Signature-Transform",
)
REFUSED = ("EBMS:0103", "EBMS:0101")


@row("D01")
def wrapping_by_name(kit: Kit) -> Iterator[Case]:
    """The eight classical forms: where forgery, original and signature stand; wrapping.py has all."""
    forge = Forge(kit)
    forms = {
        "XSW1": ("moved", "kept"),
        "XSW2": ("moved in a block", "kept"),
        "XSW3": ("kept", "beside"),
        "XSW4": ("kept, evil in a block", "beside"),
        "XSW5": ("moved", "beside"),
        "XSW6": ("removed", "retargeted"),
        "XSW7": ("moved in ds:Object", "kept"),
        "XSW8": ("moved in ds:Object", "doubled"),
    }
    for form, (fate, reference) in forms.items():
        for what in ("Messaging", "Body", "UserMessage"):
            points = [
                p
                for p in forge.points_of(what, fate)
                if what == "UserMessage" or (p.references == reference and p.id_form == "wsu:Id")
            ]
            for point in points[:: max(1, len(points) // 10)][:10]:
                wrapped = forge.make(point)
                if not (wrapped.in_place and _unread(point)):
                    yield Case(f"{form} {point.name}", wrapped.content_type, wrapped.body, wrapped.codes)


def _unread(point: Point) -> bool:
    """A copy beside an original that stays is nothing yet: wrapping.py compares what is read."""
    return point.fate.startswith("kept")


@row("D03")
def messaging_unsigned(kit: Kit) -> Iterator[Case]:
    yield from _unsigned(kit, 0)


@row("D04")
def body_unsigned(kit: Kit) -> Iterator[Case]:
    yield from _unsigned(kit, 1)


@row("D05")
def part_unsigned(kit: Kit) -> Iterator[Case]:
    yield from _unsigned(kit, 2)


def _unsigned(kit: Kit, index: int) -> Iterator[Case]:
    """Leave the reference out, or let another stand in its place."""
    yield case("left out", kit.resign(lambda r: info(r).remove(references(r)[index])), "EBMS:0103")
    for other in range(3):
        if other != index:

            def twice(root: Element, other: int = other) -> None:
                info(root).replace(references(root)[index], copy.deepcopy(references(root)[other]))

            yield case(f"reference {other} in its place", kit.resign(twice), "EBMS:0103")
    for uri in ("#signer", "#signature", "#key", "#data", "cid:x"):
        yield case(
            f"{uri} in its place", kit.resign(lambda r, uri=uri: references(r)[index].set("URI", uri)), "EBMS:0103"
        )


@row("D06")
def exchanged_parts(kit: Kit) -> Iterator[Case]:
    requests = [
        kit.message(message_id=f"m{n}@pop000001.as4")
        if n % 2
        else kit.sbdh(lambda s, n=n: s.replace(b"F-1001", b"F-%d" % n))
        for n in range(20)
    ]
    opened = [unpack(request) for request in requests]
    for n, (root, _, content_id) in enumerate(opened):
        for m, (_, part, _) in enumerate(opened):
            if n != m:
                yield case(f"{n} with the part of {m}", pack(etree.tostring(root), part, content_id), "EBMS:0102")


@row("D08")
def ids_twice(kit: Kit) -> Iterator[Case]:
    yield from _same_ids(kit, (f"{{{ns.WSU}}}Id",))


@row("D09")
def ids_of_all_names(kit: Kit) -> Iterator[Case]:
    yield from _same_ids(kit, ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id", "{urn:x}Id", "{urn:x}id"))


def _same_ids(kit: Kit, names: tuple[str, ...]) -> Iterator[Case]:
    for name in names:
        for value in ("messaging", "body", "signer", "key", "data", "signature"):
            for place in (0, 1, 2):

                def add(root: Element, name: str = name, value: str = value, place: int = place) -> None:
                    block = etree.Element("{urn:example:x}Block")
                    block.set(name, value)
                    at(root, "Header").insert(place, block)

                yield case(f"{name} = {value} at {place}", kit.spoil(add), "EBMS:0103")


@row("D10")
def split_texts(kit: Kit) -> Iterator[Case]:
    soap = kit.good.soap
    _, part, content_id = unpack(kit.good)

    def whole(received: object) -> bool:
        return kit.bare(received) == kit.baseline  # type: ignore[arg-type]

    for name, text in (
        ("From", b':ap">POP000001'),
        ("MessageId", b"<eb:MessageId>4f4a"),
        ("Property", b">0088:73000"),
        ("To", b':ap">POP000002'),
        ("Action", b"<eb:Action>busdox"),
    ):
        assert soap.count(text) == 1
        where = soap.index(text) + len(text)
        for kind, octets in (
            ("comment", b"<!---->"),
            ("comment with text", b"<!-- x -->"),
            ("CDATA", b"<![CDATA[]]>"),
            ("comment and CDATA", b"<!--a--><![CDATA[]]><!--b-->"),
        ):
            yield case(
                f"{kind} in {name}",
                pack(soap[:where] + octets + soap[where:], part, content_id),
                TAKEN,
                *REFUSED,
                "HTTP 400",
                check=whole,
            )
        for kind, octets in (
            ("instruction", b"<?x y?>"),
            ("entity", b"&x;"),
            ("stylesheet", b'<?xml-stylesheet href="x"?>'),
        ):
            yield case(f"{kind} in {name}", pack(soap[:where] + octets + soap[where:], part, content_id), "HTTP 400")
        for kind, octets in (
            ("element", b"<x/>"),
            ("blank", b" "),
            ("character", "\u200b".encode()),
            ("text in CDATA", b"<![CDATA[evil]]>"),
            ("numeric reference", b"&#69;"),
        ):
            yield case(
                f"{kind} in {name}", pack(soap[:where] + octets + soap[where:], part, content_id), *REFUSED, "EBMS:0103"
            )


@row("D11")
def transforms(kit: Kit) -> Iterator[Case]:
    for index in range(3):

        def path(root: Element, index: int = index) -> Element:
            return references(root)[index][0][0]

        for algorithm in FOREIGN_ALGORITHMS:
            yield case(
                f"reference {index}: {algorithm[-40:]!r}",
                kit.resign(set_attribute(path, "Algorithm", algorithm)),
                "EBMS:0103",
            )

            def second(root: Element, algorithm: str = algorithm, path: Callable[[Element], Element] = path) -> None:
                twin = copy.deepcopy(path(root))
                twin.set("Algorithm", algorithm)
                path(root).addprevious(twin)

            yield case(f"reference {index}: {algorithm[-40:]!r} and the right one", kit.resign(second), "EBMS:0103")
        yield case(f"reference {index}: none", kit.resign(drop(path)), "EBMS:0103")
        yield case(
            f"reference {index}: no Transforms", kit.resign(drop(lambda r, i=index: references(r)[i][0])), "EBMS:0103"
        )
        yield case(f"reference {index}: no Algorithm", kit.resign(set_attribute(path, "Algorithm", None)), "EBMS:0103")
        for text in (
            '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"/>',
            f'<ds:XPath xmlns:ds="{ns.DS}">true()</ds:XPath>',
        ):
            yield case(
                f"reference {index}: with {text[:12]}",
                kit.resign(lambda r, t=text, p=path: p(r).append(parse(t.encode()))),
                "EBMS:0103",
            )


URIS = (
    "",
    "#",
    "##messaging",
    "#xpointer(/)",
    "#xpointer(id('messaging'))",
    "#element(/1)",
    "http://127.0.0.1:1/x",
    "https://127.0.0.1:1/x",
    "ftp://127.0.0.1:1/x",
    "file:///etc/passwd",
    "//127.0.0.1/x",
    "messaging",
    "Messaging",
    "#Messaging",
    "#MESSAGING",
    " #messaging",
    "#messaging ",
    "#messaging#body",
    "#%6Dessaging",
    "cid:",
    "cid:x",
    "cid:messaging",
    "CID:x",
    "mid:x/y",
    "data:,x",
    "jar:file:///x!/y",
    "/etc/passwd",
    "../x",
    "?x",
    "\\\\127.0.0.1\\x",
    "urn:x",
    "#nothing",
)


@row("D12")
def uris(kit: Kit) -> Iterator[Case]:
    for index in range(3):
        for uri in URIS:
            yield case(
                f"reference {index} to {uri!r}",
                kit.resign(lambda r, i=index, u=uri: references(r)[i].set("URI", u)),
                "EBMS:0103",
            )
        yield case(
            f"reference {index} to nothing",
            kit.resign(lambda r, i=index: references(r)[i].attrib.pop("URI")),
            "EBMS:0103",
        )
    for uri in URIS:
        yield case(
            f"token reference to {uri!r}",
            kit.resign(lambda r, u=uri: signature(r).find(".//{*}KeyInfo//{*}Reference").set("URI", u)),
            "EBMS:0103",
        )
        yield case(
            f"cipher reference to {uri!r}",
            kit.spoil(lambda r, u=uri: security(r).find(".//{*}CipherReference").set("URI", u)),
            "EBMS:0103",
        )
        if "cid:" not in uri:
            yield case(
                f"PartInfo to {uri!r}",
                kit.resign(lambda r, u=uri: user(r, "PayloadInfo", "PartInfo").set("href", u)),
                "EBMS:0011",
            )


@row("D13")
def many_references(kit: Kit) -> Iterator[Case]:
    def many(count: int, spaces: int) -> Change:
        def change(root: Element) -> None:
            for space in range(spaces):
                etree.SubElement(root, "x", nsmap={f"n{space}": f"urn:n{space}"})
            reference = references(root)[0]
            info(root).extend(copy.deepcopy(reference) for _ in range(count))

        return change

    def inclusive(root: Element) -> None:
        for element in info(root).iter():
            if element.get("Algorithm") == ns.EC:
                element.set("Algorithm", C14N)

    gate = ("HTTP 400", "HTTP 413", "EBMS:0103")
    for count, spaces in ((1000, 0), (1000, 1000), (300, 199), (100, 100), (5, 1000), (10_000, 0), (2, 50_000), (1, 0)):
        yield case(
            f"{count} references, {spaces} namespaces", spoil(kit.good, many(count, spaces)), *gate, seconds=0.05
        )
        yield case(
            f"{count} references, {spaces} namespaces, inclusive",
            kit.spoil(many(count, spaces), inclusive),
            *gate,
            seconds=0.05,
        )


@row("D14")
def slow_canonical_forms(kit: Kit) -> Iterator[Case]:
    def attributes(count: int, where: Callable[[Element], Element]) -> Change:
        def change(root: Element) -> None:
            # One octet each: the text of 50,000 must stay below what a SOAP envelope may have, or size alone decides.
            parent = where(root)
            wide = parse(("<x " + " ".join(f'a{n:x}=""' for n in range(count)) + "/>").encode())
            parent.append(wide)

        return change

    def prefixes(count: int, index: int) -> Change:
        def change(root: Element) -> None:
            method = info(root)[0] if index < 0 else references(root)[index][0][0]
            etree.SubElement(method, f"{{{ns.EC}}}InclusiveNamespaces").set(
                "PrefixList", " ".join(f"p{n}" for n in range(count))
            )

        return change

    gate = ("HTTP 400", "HTTP 413", "EBMS:0103")
    for count in (33, 1000, 20_000, 50_000):
        for where in (lambda r: at(r, "Body"), messaging, info):
            yield case(f"{count} attributes", kit.spoil(attributes(count, where)), *gate, seconds=0.05)
    for count in (33, 1000, 10_000):
        for index in (-1, 0, 1, 2):
            yield case(f"PrefixList of {count} at {index}", kit.resign(prefixes(count, index)), *gate, seconds=0.05)
    yield case("PrefixList of 32", kit.resign(prefixes(32, -1)), "EBMS:0101", TAKEN)


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
