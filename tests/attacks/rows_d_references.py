"""Table D of the catalogue, D01 to D14: what a signature covers, and how its references are written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.security.safexml import parse
from tests.as4.as4_parts import at, pack, spoil, unpack
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
    signature,
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

    def part_twice(root: Element) -> None:
        info(root).append(copy.deepcopy(references(root)[2]))

    yield case("the part's reference twice", kit.resign(part_twice), "EBMS:0103", private=0)
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
