"""Table C of the catalogue, C16 to C21: the payload, its envelope and its document."""

from __future__ import annotations

import copy
import gzip
import zlib
from collections.abc import Callable, Iterator

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.gzipped import compress
from gateway.as4.msh import Request
from gateway.security.safexml import parse
from gateway.ubl.names import WRAPPED
from tests.as4.as4_parts import DOCUMENT, ENVELOPE
from tests.attacks.parts import (
    TAKEN,
    Case,
    Change,
    Element,
    Kit,
    case,
    drop,
    row,
    set_attribute,
    set_text,
    user,
)
from tests.attacks.rows_c_header import with_soap
from tests.attacks.rows_c_mime import SBD


@row("C16")
def gzips(kit: Kit) -> Iterator[Case]:
    good, member = compress(SBD), gzip.compress(b"x")
    wrong_crc = good[:-8] + bytes([good[-8] ^ 1]) + good[-7:]
    wrong_size = good[:-4] + b"\0\0\0\0"
    stored = zlib.compressobj(0, wbits=31)
    endless = zlib.compressobj(9, wbits=31)
    two_mb = gzip.compress(SBD.replace(b"</Invoice>", b" " * (2 << 20) + b"</Invoice>"), 9)
    endless_octets = endless.compress(b"\0" * (8 << 20)) + endless.flush(zlib.Z_SYNC_FLUSH)
    for name, part in (
        ("cut", good[:-1]),
        ("cut at half", good[: len(good) // 2]),
        ("header alone", good[:10]),
        ("wrong CRC", wrong_crc),
        ("wrong size", wrong_size),
        ("trailing octet", good + b"\0"),
        ("trailing text", good + SBD),
        ("two members", good + member),
        ("many members", good + member * 1000),
        ("deflate", zlib.compress(SBD)),
        ("raw deflate", zlib.compress(SBD)[2:-4]),
        ("plain", SBD),
        ("zip", b"PK\x03\x04" + SBD),
        ("empty member first", gzip.compress(b"") + good),
        ("1,000:1", gzip.compress(b"\0" * (64 << 20), 9)),
        ("1,000:1 in an envelope", gzip.compress(SBD.replace(b"</Invoice>", b" " * (64 << 20) + b"</Invoice>"), 9)),
        ("1,000:1, 2 MB in an envelope", two_mb),
        ("endless", endless_octets),
        ("reserved method", b"\x1f\x8b\x09" + good[3:]),
        ("reserved flags", b"\x1f\x8b\x08\xe0" + good[4:]),
        ("one octet", b"\x1f"),
    ):
        yield case(name, kit.message(part), "EBMS:0303", seconds=2.0)
    yield case("double", kit.message(gzip.compress(good)), "EBMS:0004")
    yield case("gzip of nothing", kit.message(gzip.compress(b"")), "EBMS:0004")
    yield case("stored blocks are gzip too", kit.message(stored.compress(SBD) + stored.flush()), TAKEN)


@row("C17")
def business_envelopes(kit: Kit) -> Iterator[Case]:
    def other(old: str, new: str) -> Request:
        def change(sbd: bytes) -> bytes:
            assert old.encode() in sbd, old
            return sbd.replace(old.encode(), new.encode(), 1)

        return kit.sbdh(change)

    type_id, process = ENVELOPE.document_type.value, ENVELOPE.process.value
    for name, old, new, code in (
        ("sender", "0007:5567212047", "0007:5567212048", "EBMS:0003"),
        ("receiver", "0088:7300010000001", "0088:7300010000002", "EBMS:0003"),
        ("sender's scheme", 'Authority="iso6523-actorid-upis"', 'Authority="other"', "EBMS:0004"),
        ("sender is no id", "0007:5567212047", "nonsense", "EBMS:0004"),
        ("sender with the scheme", "0007:5567212047", "iso6523-actorid-upis::0007:5567212047", "EBMS:0004"),
        ("sender empty", "0007:5567212047", "", "EBMS:0004"),
        ("document type", type_id + "</", type_id.replace("billing:3.0", "billing:4.0") + "</", "EBMS:0003"),
        ("document type's case", "en16931", "EN16931", "EBMS:0003"),
        ("document type is no id", type_id, "nonsense", "EBMS:0004"),
        ("document type's scheme", "busdox-docid-qns", "other", "EBMS:0004"),
        ("process", process + "</", process + "x</", "EBMS:0003"),
        ("process's scheme", "cenbii-procid-ubl", "other", "EBMS:0004"),
        ("process empty", process, "", "EBMS:0004"),
        ("no country", "<Type>COUNTRY_C1</Type>", "<Type>OTHER</Type>", "EBMS:0004"),
        ("country empty", "<InstanceIdentifier>SE<", "<InstanceIdentifier><", "EBMS:0004"),
        ("country is a name", ">SE<", ">Sweden<", "EBMS:0004"),
        ("no document type", "<Type>DOCUMENTID</Type>", "<Type>X</Type>", "EBMS:0004"),
        ("no process", "<Type>PROCESSID</Type>", "<Type>X</Type>", "EBMS:0004"),
        ("a scope twice", "<Type>COUNTRY_C1</Type>", "<Type>PROCESSID</Type>", "EBMS:0004"),
        ("version", "<HeaderVersion>1.0", "<HeaderVersion>2.0", "EBMS:0004"),
        ("no time zone", "2026-11-25T10:15:30Z", "2026-11-25T10:15:30", "EBMS:0004"),
        ("no such day", "2026-11-25T10:15:30Z", "2026-13-45T10:15:30Z", "EBMS:0004"),
        ("no instance", ENVELOPE.instance_id, "", "EBMS:0004"),
        (
            "two senders",
            "<Sender>",
            '<Sender><Identifier Authority="iso6523-actorid-upis">0007:1</Identifier></Sender><Sender>',
            "EBMS:0004",
        ),
    ):
        yield case(name, other(old, new), code)
    yield case(
        "101 scopes",
        kit.sbdh(
            lambda s: s.replace(
                b"<Scope>", b"".join(b"<Scope><Type>T%d</Type></Scope>" % n for n in range(101)) + b"<Scope>", 1
            )
        ),
        "EBMS:0004",
    )
    for name in ("originalSender", "finalRecipient"):

        def corner(root: Element, name: str = name) -> Element:
            return next(p for p in user(root, "MessageProperties") if p.get("name") == name)

        yield case(f"{name} another", kit.resign(set_text(corner, "0088:1")), "EBMS:0003")
        yield case(f"{name} without type", kit.resign(set_attribute(corner, "type", None)), "EBMS:0003")
        yield case(f"{name} missing", kit.resign(drop(corner)), "EBMS:0010")
        yield case(f"{name} empty", kit.resign(set_text(corner, "")), "EBMS:0010")


@row("C18")
def documents(kit: Kit) -> Iterator[Case]:
    def instead(document: bytes) -> Request:
        return kit.sbdh(lambda sbd: sbd.replace(DOCUMENT, document))

    credit = DOCUMENT.replace(b"Invoice", b"CreditNote")
    for name, document in (
        ("credit note under an invoice's id", credit),
        ("other namespace", DOCUMENT.replace(b"Invoice-2", b"Invoice-3")),
        ("other root", b"<x/>"),
        ("nothing", b""),
        ("text", b"hello"),
        ("two documents", DOCUMENT * 2),
        ("an envelope in it", SBD),
        ("root in lower case", DOCUMENT.replace(b"<Invoice ", b"<invoice ").replace(b"</Invoice>", b"</invoice>")),
    ):
        yield case(name, instead(document), "EBMS:0004")
    for name, sbd in (
        ("no envelope", DOCUMENT),
        ("empty", b""),
        ("not XML", b"%PDF-1.7"),
        ("cut", SBD[:-20]),
        (
            "header last",
            SBD.replace(DOCUMENT, b"").replace(
                b"<StandardBusinessDocumentHeader>", DOCUMENT + b"<StandardBusinessDocumentHeader>"
            ),
        ),
        (
            "other root",
            SBD.replace(b"StandardBusinessDocument>", b"Standard>").replace(
                b"<StandardBusinessDocument ", b"<Standard "
            ),
        ),
    ):
        yield case(name, kit.message(compress(sbd)), "EBMS:0004")
    for name in ("BinaryContent", "TextContent"):
        content = f'<{name} xmlns="{WRAPPED}" mimeType="text/plain">aGVq</{name}>'.encode()
        yield case(
            f"{name} says itself what it is",
            instead(content),
            TAKEN,
            check=lambda r, name=name: name.encode() in r.document,
        )


@row("C19")
def encodings(kit: Kit) -> Iterator[Case]:
    text = kit.good.soap.decode().split("?>\n", 1)[1]
    for encoding in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-7",
        "cp037",
        "iso-8859-1",
        "windows-1252",
        "koi8-r",
        "shift_jis",
    ):
        for declared in (encoding, "UTF-8", ""):
            if declared == "UTF-8" and encoding in ("iso-8859-1", "windows-1252", "koi8-r", "shift_jis", "utf-7"):
                continue  # ASCII in these is UTF-8, or is no XML at all
            if not declared and encoding in ("iso-8859-1", "windows-1252", "koi8-r", "shift_jis"):
                continue
            declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
            octets = (declaration + text).encode(encoding, "replace")
            if octets.decode("utf-8", "replace") == declaration + text and declared in ("UTF-8", ""):
                continue
            # UTF-7 without a declaration is UTF-8 with other text in it.
            codes = ("HTTP 400", "EBMS:0103") if encoding == "utf-7" else ("HTTP 400",)
            yield case(f"SOAP in {encoding}, said {declared or 'nothing'}", with_soap(kit, octets), *codes)
    spoiled = kit.good.soap
    for name, bad in (
        ("overlong", b"\xc0\xaf"),
        ("overlong NUL", b"\xc0\x80"),
        ("surrogate", b"\xed\xa0\x80"),
        ("lone continuation", b"\x80"),
        ("five octets", b"\xf8\x88\x80\x80\x80"),
        ("beyond Unicode", b"\xf4\x90\x80\x80"),
        ("cut", b"\xe2\x82"),
        ("0xff", b"\xff"),
        ("NUL", b"\0"),
        ("U+FFFE", b"\xef\xbf\xbe"),
    ):
        yield case(
            f"SOAP with {name}",
            with_soap(kit, spoiled.replace(b"<eb:ConversationId>", b"<eb:ConversationId>" + bad)),
            "HTTP 400",
        )
        yield case(
            f"SBDH with {name}", kit.sbdh(lambda s, bad=bad: s.replace(b"<cbc:Note>", b"<cbc:Note>" + bad)), "EBMS:0004"
        )
    for declaration in (
        '<?xml version="1.1"?>',
        '<?xml version="1.1" encoding="UTF-8"?>',
        '<?xml version="2.0"?>',
        '<?xml version="1.0" encoding="nonsense"?>',
        "<?xml version='1.0' encoding='UTF-8'?><?xml version='1.0'?>",
        " <?xml version='1.0'?>",
    ):
        yield case(f"SOAP begins {declaration}", with_soap(kit, (declaration + text).encode()), "HTTP 400")
    yield case("SOAP with a byte order mark", with_soap(kit, b"\xef\xbb\xbf" + spoiled), TAKEN)
    yield case("SOAP with two byte order marks", with_soap(kit, b"\xef\xbb\xbf" * 2 + spoiled), "HTTP 400")

    def same(received: object) -> bool:
        form = etree.tostring(parse(received.document), method="c14n")  # type: ignore[attr-defined]
        return form == etree.tostring(parse(DOCUMENT), method="c14n")

    sbd = SBD.decode()
    for encoding in ("utf-16", "iso-8859-1", "windows-1252", "us-ascii", "utf-8-sig"):
        declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>{sbd}'
        octets = declared.encode(encoding, "xmlcharrefreplace")
        yield case(f"business envelope in {encoding} means the same", kit.message(compress(octets)), TAKEN, check=same)
    for encoding in ("utf-7", "utf-32", "cp037", "ebcdic-cp-us"):
        octets = f'<?xml version="1.0" encoding="{encoding}"?>{sbd}'.encode(
            encoding if encoding != "ebcdic-cp-us" else "cp037"
        )
        yield case(f"business envelope in {encoding}", kit.message(compress(octets)), "EBMS:0004", TAKEN, check=same)


@row("C21")
def parties(kit: Kit) -> Iterator[Case]:
    def party(side: str) -> Callable[[Element], Element]:
        return lambda root: user(root, "PartyInfo", side, "PartyId")

    def of(name: str) -> Callable[[Element], Element]:
        return lambda root: user(root, "CollaborationInfo", name)

    def role(side: str) -> Callable[[Element], Element]:
        return lambda root: user(root, "PartyInfo", side, "Role")

    def twice(path: Callable[[Element], Element]) -> Change:
        return lambda root: path(root).addnext(copy.deepcopy(path(root)))

    for name, change, code in (
        ("To another", set_text(party("To"), "POP000009"), "EBMS:0010"),
        ("To in lower case", set_text(party("To"), "pop000002"), "EBMS:0010"),
        ("From another", set_text(party("From"), "POP000002"), "EBMS:0101"),
        ("From in lower case", set_text(party("From"), "pop000001"), "EBMS:0101"),
        ("From type", set_attribute(party("From"), "type", "urn:x"), "EBMS:0010"),
        ("To type", set_attribute(party("To"), "type", None), "EBMS:0010"),
        ("two From", twice(party("From")), "EBMS:0003"),
        ("two To", twice(party("To")), "EBMS:0003"),
        ("From empty", set_text(party("From"), ""), "EBMS:0009"),
        ("roles", set_text(role("From"), ns.EB + "responder"), "EBMS:0010"),
        ("To role", set_text(role("To"), "x"), "EBMS:0010"),
        ("Service", set_text(of("Service"), "urn:x"), "EBMS:0003"),
        ("Service type", set_attribute(of("Service"), "type", "x"), "EBMS:0003"),
        ("Service without type", set_attribute(of("Service"), "type", None), "EBMS:0003"),
        ("Action", set_text(of("Action"), "urn:x"), "EBMS:0003"),
        ("Action without scheme", set_text(of("Action"), ENVELOPE.document_type.value), "EBMS:0003"),
        ("Action in another case", set_text(of("Action"), str(ENVELOPE.document_type).lower()), "EBMS:0003"),
        ("AgreementRef", set_text(of("AgreementRef"), "urn:x"), "EBMS:0010"),
        ("AgreementRef type", set_attribute(of("AgreementRef"), "type", "x"), "EBMS:0010"),
        ("AgreementRef pmode", set_attribute(of("AgreementRef"), "pmode", "x"), "EBMS:0010"),
        ("no AgreementRef", drop(of("AgreementRef")), "EBMS:0010"),
        ("no Service", drop(of("Service")), "EBMS:0009"),
        ("no Action", drop(of("Action")), "EBMS:0009"),
        ("no ConversationId", drop(of("ConversationId")), "EBMS:0009"),
        ("mpc", set_attribute(user, "mpc", "urn:x"), "EBMS:0003"),
    ):
        yield case(name, kit.resign(change), code)
