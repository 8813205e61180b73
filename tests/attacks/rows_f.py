"""Table F of the catalogue: XML that is a weapon, at the two places where a peer's XML is read, as cases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from gateway.as4.gzipped import compress
from gateway.as4.msh import Request
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, pack, unpack
from tests.attacks.parts import TAKEN, Case, Kit, case, row

GATE = ("HTTP 400", "HTTP 413")
SBD = wrap(DOCUMENT, ENVELOPE)
MB = 1_000_000


def doctypes(target: str = "http://127.0.0.1:1/x") -> dict[str, str]:
    """Document type declarations by what they try; ``&x;`` in the text uses them."""
    laughs = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return {
        "billion laughs": f'<!DOCTYPE x [{laughs}<!ENTITY x "&a9;">]>',
        "quadratic": f'<!DOCTYPE x [<!ENTITY y "{"y" * 20_000}"><!ENTITY x "{"&y;" * 2_000}">]>',
        "external entity, file": '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "external entity, http": f'<!DOCTYPE x [<!ENTITY x SYSTEM "{target}">]>',
        "external DTD, http": f'<!DOCTYPE x SYSTEM "{target}">',
        "external DTD, file": '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        "public DTD": f'<!DOCTYPE x PUBLIC "-//X//Y" "{target}">',
        "parameter entity": f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{target}">%p;<!ENTITY x "">]>',
        "parameter entity out of band": f'<!DOCTYPE x [<!ENTITY % f SYSTEM "file:///etc/hostname">'
        f"<!ENTITY % e \"<!ENTITY x SYSTEM '{target}?%f;'>\">%e;]>",
        "recursive": '<!DOCTYPE x [<!ENTITY x "&y;"><!ENTITY y "&x;">]>',
        "default attribute": '<!DOCTYPE x [<!ATTLIST x Id CDATA "messaging"><!ENTITY x "">]>',
        "empty": "<!DOCTYPE x>",
    }


def _use(text: str, doctype: str) -> str:
    declared = text.split("?>", 1)[1] if text.startswith("<?xml") else text
    return '<?xml version="1.0" encoding="UTF-8"?>' + doctype + declared


def soap_with(kit: Kit, octets: bytes) -> Request:
    _, part, content_id = unpack(kit.good)
    return pack(octets, part, content_id)


@row("F01")
def entities(kit: Kit) -> Iterator[Case]:
    soap = kit.good.soap.decode()
    for name, doctype in doctypes().items():
        for used in (True, False):
            text = soap.replace("<eb:ConversationId>", "<eb:ConversationId>&x;") if used else soap
            yield case(f"SOAP: {name}", soap_with(kit, _use(text, doctype).encode()), *GATE, seconds=0.05)
            text = SBD.decode().replace("<cbc:Note>", "<cbc:Note>&x;") if used else SBD.decode()
            yield case(f"SBDH: {name}", kit.message(compress(_use(text, doctype).encode())), "EBMS:0004", seconds=0.05)
            inner = DOCUMENT.decode().replace("<cbc:Note>", "<cbc:Note>&x;") if used else DOCUMENT.decode()
            yield case(
                f"document: {name}",
                kit.sbdh(lambda s, d=doctype, i=inner: s.replace(DOCUMENT, (d + i).encode())),
                "EBMS:0004",
                seconds=0.05,
            )
    for name, text in (
        ("XInclude", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'),
        (
            "schemaLocation",
            '<x xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://127.0.0.1:1/x.xsd"/>',
        ),
        ("base", '<x xml:base="http://127.0.0.1:1/"/>'),
    ):
        yield case(
            f"document with {name} is carried as it is",
            kit.sbdh(lambda s, t=text: s.replace(b"</Invoice>", t.encode() + b"</Invoice>")),
            TAKEN,
            check=lambda r, t=text: t.encode() in r.document,
        )
        yield case(
            f"SOAP with {name}",
            soap_with(kit, soap.replace("</eb:UserMessage>", text + "</eb:UserMessage>").encode()),
            "EBMS:0101",
        )
    for text in ('<?xml-stylesheet href="http://127.0.0.1:1/x.xsl" type="text/xsl"?>', "<?x y?>"):
        yield case(
            "SOAP with an instruction before", soap_with(kit, soap.replace("?>\n", "?>\n" + text, 1).encode()), *GATE
        )
        yield case("SOAP with an instruction after", soap_with(kit, (soap + text).encode()), *GATE)
        yield case(
            "SOAP with an instruction inside",
            soap_with(kit, soap.replace("<soap:Header>", "<soap:Header>" + text).encode()),
            *GATE,
        )


@row("F02")
def hidden_entities(kit: Kit) -> Iterator[Case]:
    soap = kit.good.soap.decode()
    for name, doctype in doctypes().items():
        for encoding in ("utf-16", "utf-16-le", "utf-7", "utf-32", "cp037"):
            declared = doctype.join(('<?xml version="1.0" encoding="' + encoding + '"?>', ""))
            yield case(
                f"SOAP in {encoding}: {name}",
                soap_with(kit, (declared + soap.split("?>", 1)[1]).encode(encoding)),
                *GATE,
                seconds=0.05,
            )
            sbd = (declared + SBD.decode().replace("<cbc:Note>", "<cbc:Note>&x;")).encode(encoding)
            yield case(f"SBDH in {encoding}: {name}", kit.message(compress(sbd)), "EBMS:0004", seconds=0.05)


@row("F03")
def huge_trees(kit: Kit) -> Iterator[Case]:
    soap = kit.good.soap
    bodies = {
        "depth 33": b"<a>" * 33 + b"</a>" * 33,
        "depth 30,000": b"<a>" * 30_000 + b"</a>" * 30_000,
        "60,000 elements": b"<a/>" * 60_000,
        "2,001 elements": b"<a/>" * 2_001,
        "33 attributes": b"<a " + b" ".join(b'a%d=""' % n for n in range(33)) + b"/>",
        "25,000 attributes": b"<a " + b" ".join(b'a%x=""' % n for n in range(25_000)) + b"/>",
        "10,000 namespaces": b"<a " + b" ".join(b'xmlns:a%x="u"' % n for n in range(10_000)) + b"/>",
        "a name of 200 kB": b"<" + b"a" * 200_000 + b"/>",
        "a value of 230 kB": b'<a b="' + b"c" * 230_000 + b'"/>',
        "depth 10^6": b"<a>" * MB + b"</a>" * MB,
        "10^6 attributes": b"<a " + b" ".join(b'a%x=""' % n for n in range(MB)) + b"/>",
        "3,000,000 elements": b"<a/>" * 3 * MB,
        "10^5 namespaces": b"<a " + b" ".join(b'xmlns:a%x="u"' % n for n in range(100_000)) + b"/>",
        "a name of 10 MB": b"<" + b"a" * 10 * MB + b"/>",
    }
    for name, body in bodies.items():
        request = soap_with(kit, soap.replace(b"</eb:UserMessage>", body + b"</eb:UserMessage>"))
        # One long value is within the limits: it is the signature that refuses it.
        codes = ("EBMS:0101",) if name.startswith("a value") else GATE
        yield case(f"SOAP: {name}", request, *codes, seconds=0.05 + len(body) / MB * 0.25, private=0)
    filler = b" " * (256 * 1024 - len(soap) + 1)
    yield case("SOAP: one octet too many", soap_with(kit, soap + filler), "HTTP 413", private=0)
    yield case("SOAP: as many as there may be", soap_with(kit, soap + filler[1:]), TAKEN)


@row("F04")
def long_texts(kit: Kit) -> Iterator[Case]:
    """An honest invoice with a large file in it; 60 MB when whole."""
    import os

    for size in (11, 60) if os.environ.get("ATTACKS") == "whole" else (11,):
        noise = hashlib.shake_256(b"seed").digest(size * MB // 2).hex().encode()
        document = DOCUMENT.replace(
            b"</Invoice>",
            b"<cbc:EmbeddedDocumentBinaryObject>" + noise + b"</cbc:EmbeddedDocumentBinaryObject></Invoice>",
        )
        digest = hashlib.sha256(document).digest()
        yield case(
            f"text of {size} MB",
            kit.message(compress(wrap(document, ENVELOPE))),
            TAKEN,
            check=lambda r, d=digest: hashlib.sha256(r.document).digest() == d,
        )


@row("F05")
def costly(kit: Kit) -> Iterator[Case]:
    """What costs most for its size, behind a good signature: 250 ms for each MB that is read, 2 s at most."""

    def sized(document: bytes) -> tuple[Request, float]:
        sbd = SBD.replace(DOCUMENT, document)
        return kit.message(compress(sbd)), min(2.0, 0.25 * max(1.0, len(sbd) / MB))

    for name, document in (
        ("4 MB of elements", b"<x>" + b"<a/>" * MB + b"</x>"),
        ("4 MB of attributes", b"<x>" + b'<a b="c"/>' * (MB * 2 // 5) + b"</x>"),
        ("depth 255", b"<a>" * 253 + b"</a>" * 253),
        ("depth 100,000", b"<a>" * 100_000 + b"</a>" * 100_000),
        ("100,000 attributes", b"<x " + b" ".join(b'a%x=""' % n for n in range(100_000)) + b"/>"),
        ("20,000 namespaces", b"<x " + b" ".join(b'xmlns:a%x="u"' % n for n in range(20_000)) + b"/>"),
        ("4 MB of references", b"<x>" + b"&#65;" * (MB * 4 // 5) + b"</x>"),
        ("4 MB of comments", b"<x>" + b"<!---->" * (MB * 4 // 7) + b"</x>"),
        ("a name of 1 MB", b"<" + b"a" * MB + b"/>"),
    ):
        request, seconds = sized(document)
        yield case(name, request, "EBMS:0004", "EBMS:0303", seconds=seconds)
    noise = hashlib.shake_256(b"seed").digest(8 * MB)
    for name, body in (
        ("8 MB of noise", noise),
        ("8 MB of dashes", b"-" * 8 * MB),
        ("8 MB of boundaries", b"\r\n--wrapped" * (8 * MB // 11)),
        ("8 MB of line ends", b"\r\n" * 4 * MB),
        ("8 MB of zeros", b"\0" * 8 * MB),
    ):
        yield Case(name, 'multipart/related; boundary="wrapped"', body, ("HTTP 400",))
    root, _, content_id = unpack(kit.good)
    from lxml import etree

    yield case("8 MB of noise as the part", pack(etree.tostring(root), noise, content_id), "EBMS:0102")
