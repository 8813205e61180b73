"""Table C of the catalogue: MIME, ebMS and business envelope input, as cases. The wire has test_wire."""

from __future__ import annotations

import base64
import copy
import gzip
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.gzipped import compress
from gateway.as4.msh import Request
from gateway.security.safexml import parse
from gateway.ubl.names import WRAPPED
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, at, outgoing, pack, unpack
from tests.attacks.parts import (
    SOAP_TYPE,
    TAKEN,
    Case,
    Change,
    Element,
    Kit,
    case,
    drop,
    info,
    messaging,
    row,
    security,
    set_attribute,
    set_text,
    user,
)
from tests.attacks.wrapping import pack_parts

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SBD = wrap(DOCUMENT, ENVELOPE)
ID = outgoing().message_id


def mime_case(name: object, body: bytes, *expect: str, type: str = 'multipart/related; boundary="wrapped"') -> Case:
    return Case(str(name), type, body, expect)


def envelope_and(kit: Kit) -> tuple[bytes, bytes, str]:
    root, part, content_id = unpack(kit.good)
    return etree.tostring(root), part, content_id


@row("C01")
def content_types(kit: Kit) -> Iterator[Case]:
    boundary = kit.good.content_type.split('boundary="')[1].split('"')[0]
    ways = [
        f"boundary={boundary}",
        f'boundary="{boundary}"; type="{SOAP_TYPE}"',
        f'charset=utf-8; boundary="{boundary}"',
    ]
    for kind in (
        "",
        " ",
        "text/xml",
        "text/plain",
        "text/html",
        "application/xml",
        "multipart",
        "multipart/",
        "/related",
        "multipart/mixed",
        "multipart/form-data",
        "multipart/alternative",
        "multipart /related",
        "related",
        "multipart\\related",
        "multipart/related/x",
        "multipart/relatedx",
        "*/*",
        "multipart/*",
        "application/octet-stream",
        "application/soap+xmlx",
        "message/rfc822",
        "multipart/related,text/plain",
        '"multipart/related"',
    ):
        for tail in ("", *ways):
            value = f"{kind}; {tail}" if tail else kind
            yield Case(f"type {value[:60]}", value, kit.good.body, ("HTTP 415", "HTTP 400"))
    bad = [
        "",
        "boundary",
        "boundary=",
        'boundary=""',
        f"boundary={'b' * 71}",
        f"boundary={'b' * 200}",
        f'boundary="{boundary}',
        f"boundary={boundary}; boundary={boundary}",
        f"boundary={boundary}; BOUNDARY=x",
        f'boundary="{boundary} "',
        f"boundary*=utf-8''{boundary}",
        f"boundary*0={boundary}",
        f'boundary="{boundary}"x',
        f"boundary=x{boundary}",
        f"boundary={boundary}x",
        f"boundary={boundary.upper()}",
        f"boundary='{boundary}'",
        f'boundary="\\"{boundary}\\""',
        f"boundary={boundary}; x={'y' * 3000}",
        f'boundary={boundary}; ="x"',
        f"boundary={boundary} x",
        "bound=x",
        ";;;=;",
        f"boundary={boundary[:-1]}",
    ]
    bad += [f'boundary="{boundary}{chr(c)}"' for c in (*range(0x20), *b'"<>@[]{}|~`!#$%^&*;', 0x7F, 0xE5)]
    for separator in ("; ", ";", " ; "):
        for tail in bad:
            yield Case(
                f"boundary {separator}{tail[:50]!r}",
                f"multipart/related{separator}{tail}",
                kit.good.body,
                ("HTTP 400", "HTTP 415"),
            )


@row("C02")
def boundaries(kit: Kit) -> Iterator[Case]:
    soap, part, content_id = envelope_and(kit)
    kind, body = pack_parts(soap, ((content_id, part),))
    line = b"--wrapped"
    refused = ("HTTP 400",)
    closing = body.rindex(b"--\r\n")
    for name, spoiled in (
        ("no closing", body[: body.rindex(line)]),
        ("no closing dashes", body[:closing] + b"\r\n"),
        ("one dash", body[:closing] + b"-\r\n"),
        ("LF only", body.replace(b"\r\n", b"\n")),
        ("CR only", body.replace(b"\r\n", b"\r")),
        ("LF before the last boundary", body[: body.rindex(b"\r\n" + line)] + b"\n" + line + b"--\r\n"),
        ("only the closing line", line + b"--\r\n"),
        ("nothing", b""),
        ("line end alone", b"\r\n"),
        ("word after the boundary", body.replace(line + b"\r\n", line + b"x\r\n")),
        ("two closing, no part", line + b"--\r\n" + line + b"--\r\n"),
        ("closing first", line + b"--\r\n" + body),
        ("padding of 200 blanks", body.replace(line + b"\r\n", line + b" " * 200 + b"\r\n")),
        ("boundary begins a payload line", body[:-14] + b"\r\n--wrappedx" + body[-14:]),
    ):
        yield mime_case(name, spoiled, *refused)
    for name, cut in (("payload", 40), ("start of payload", len(part) - 5)):
        inside = pack_parts(soap, ((content_id, part[:-cut] + b"\r\n--wrapped--\r\n" + part[-cut:]),))[1]
        yield mime_case(f"closing boundary within the {name}", inside, "EBMS:0102")
        inside = pack_parts(soap, ((content_id, part[:-cut] + b"\r\n--wrapped\r\n\r\n" + part[-cut:]),))[1]
        yield mime_case(f"boundary within the {name}", inside, "EBMS:0007")
    yield mime_case("boundary line in the preamble", b"--wrapped\r\n\r\nhello\r\n" + body, "HTTP 400", "EBMS:0007")
    yield mime_case("boundary text in the preamble", b"see --wrapped\r\n" + body, TAKEN)
    for length in range(0, closing, max(1, closing // 60)):
        yield Case(f"cut at {length}", kind, body[:length], refused)


@row("C03")
def tiny_parts(kit: Kit) -> Iterator[Case]:
    soap, _, _ = envelope_and(kit)
    for count in (11, 10_000, 100_000):
        body = (
            b"--wrapped\r\n\r\n"
            + soap
            + b"".join(b"\r\n--wrapped\r\n\r\nx" for _ in range(count))
            + b"\r\n--wrapped--\r\n"
        )
        yield Case(f"{count} parts", 'multipart/related; boundary="wrapped"', body, ("HTTP 400",), seconds=0.05)
        yield Case(
            f"{count} empty parts",
            'multipart/related; boundary="wrapped"',
            b"--wrapped\r\n\r\n\r\n" * count,
            ("HTTP 400",),
            seconds=0.05,
        )


@row("C04")
def nested(kit: Kit) -> Iterator[Case]:
    soap, _, _ = envelope_and(kit)
    for depth in (1, 2, 1000):
        inner = b"".join(
            b"--b%d\r\nContent-Type: multipart/related; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(depth)
        )
        for kind in (b"multipart/related; boundary=b0", b"Multipart/Mixed; boundary=b0", b"message/rfc822"):
            body = (
                b"--wrapped\r\n\r\n"
                + soap
                + b"\r\n--wrapped\r\nContent-ID: <x>\r\nContent-Type: "
                + kind
                + b"\r\n\r\n"
                + inner
                + b"\r\n--wrapped--\r\n"
            )
            yield mime_case(f"depth {depth} {kind.decode()[:20]}", body, "HTTP 400")
            root = b"--wrapped\r\nContent-Type: " + kind + b"\r\n\r\n" + inner + b"\r\n--wrapped--\r\n"
            yield mime_case(f"nested root {depth}", root, "HTTP 415")


@row("C05")
def part_headers(kit: Kit) -> Iterator[Case]:
    soap, part, content_id = envelope_and(kit)

    def with_headers(headers: bytes) -> bytes:
        return (
            b"--wrapped\r\n\r\n"
            + soap
            + b"\r\n--wrapped\r\n"
            + headers
            + b"Content-ID: <"
            + content_id.encode()
            + b">\r\n\r\n"
            + part
            + b"\r\n--wrapped--\r\n"
        )

    for name, headers in (
        ("10,000 headers", b"X: y\r\n" * 10_000),
        ("33 headers", b"X: y\r\n" * 33),
        ("1 MB header", b"X: " + b"y" * 1_000_000 + b"\r\n"),
        ("1 MB of folding", b"X: y\r\n" + b" z\r\n" * 250_000),
        ("no colon", b"nonsense\r\n"),
        ("blank name", b": x\r\n"),
        ("blank in the name", b"X Y: z\r\n"),
        ("NUL", b"X: \x00\r\n"),
        ("bare CR", b"X: a\rb\r\n"),
        ("bare LF", b"X: a\nb\r\n"),
        ("fold first", b" x: y\r\n"),
        ("non-ASCII name", b"\xc3\xa5: y\r\n"),
        ("two types", b"Content-Type: a/b\r\nContent-Type: a/b\r\n"),
        ("two ids", b"Content-ID: <other>\r\n"),
        ("headers that never end", b"X: y\r\n" * 5 + b"Z"),
    ):
        if name == "headers that never end":
            body = b"--wrapped\r\n\r\n" + soap + b"\r\n--wrapped\r\n" + headers + b"\r\n--wrapped--\r\n"
        else:
            body = with_headers(headers)
        yield Case(name, 'multipart/related; boundary="wrapped"', body, ("HTTP 400",), seconds=0.05)
    for name, headers in (
        ("folded", b"X: a\r\n b\r\n\tc\r\n"),
        ("30 headers", b"".join(b"X%d: y\r\n" % n for n in range(30))),
    ):
        yield mime_case(name, with_headers(headers), TAKEN)


@row("C07")
def content_ids(kit: Kit) -> Iterator[Case]:
    soap, part, content_id = envelope_and(kit)

    def with_id(raw: str, part: bytes = part) -> bytes:
        head = f"--wrapped\r\nContent-ID: {raw}\r\n\r\n" if raw else "--wrapped\r\n\r\n"
        return b"--wrapped\r\n\r\n" + soap + b"\r\n" + head.encode() + part + b"\r\n--wrapped--\r\n"

    yield mime_case("as it is", with_id(f"<{content_id}>"), TAKEN)
    yield mime_case("without <>", with_id(content_id), TAKEN)
    for name, raw in (
        ("case", content_id.upper()),
        ("percent", quote(content_id, safe="")),
        ("double <>", f"<<{content_id}>>"),
        ("half <>", f"<{content_id}"),
        ("cid:", f"cid:{content_id}"),
        ("blank inside", f"< {content_id} >"),
        ("comment", f"<{content_id}> (x)"),
        ("other", "<evil@x>"),
        ("NUL", f"<{content_id}%00>"),
    ):
        yield mime_case(name, with_id(raw if "<" in raw else f"<{raw}>"), "EBMS:0011")
    yield mime_case("none", with_id(""), "EBMS:0007")
    for octets in (part, part[::-1], b""):
        yield mime_case("twice", pack_parts(soap, ((content_id, part), (content_id, octets)))[1], "EBMS:0007")
        yield mime_case(
            "twice, other case", pack_parts(soap, ((content_id, part), (content_id.title(), octets)))[1], "EBMS:0011"
        )
        yield mime_case(
            "twice, escaped",
            pack_parts(soap, ((content_id, part), (quote(content_id, safe=""), octets)))[1],
            "EBMS:0011",
        )


@row("C08")
def transfer_encodings(kit: Kit) -> Iterator[Case]:
    soap, part, content_id = envelope_and(kit)

    def encoded(encoding: str, octets: bytes) -> bytes:
        head = f"\r\n--wrapped\r\nContent-Transfer-Encoding: {encoding}\r\nContent-ID: <{content_id}>\r\n\r\n"
        return b"--wrapped\r\n\r\n" + soap + head.encode() + octets + b"\r\n--wrapped--\r\n"

    lines = base64.encodebytes(part).replace(b"\n", b"\r\n")
    for name, octets in (
        ("binary", part),
        ("8bit", part),
        ("7bit", part),
        ("BINARY", part),
        ("", part),
        ("base64", lines),
        ("Base64", base64.b64encode(part)),
    ):
        yield mime_case(f"{name} accepted", encoded(name, octets), TAKEN)
    for name, octets in (
        ("quoted-printable", part),
        ("x-uuencode", part),
        ("gzip", part),
        ("identity", part),
        ("base64, binary", lines),
        ("base64", lines[:-5]),
        ("base64", lines + b"===="),
        ("base64", b"!" + lines),
        ("base64", "å".encode() + lines),
        ("base64", lines.rstrip() + b"A"),
        ("base64 (x)", lines),
        ("binary binary", part),
    ):
        yield mime_case(f"{name} refused", encoded(name, octets), "HTTP 400")
    yield mime_case("base64 of nothing", encoded("base64", b""), "EBMS:0102")
    yield mime_case("binary that is said to be base64", encoded("base64", part), "HTTP 400")


@row("C09")
def roots(kit: Kit) -> Iterator[Case]:
    soap, part, content_id = envelope_and(kit)
    _, body = pack_parts(soap, ((content_id, part),))
    swapped = (
        b"--wrapped\r\nContent-ID: <"
        + content_id.encode()
        + b">\r\n\r\n"
        + part
        + b"\r\n--wrapped\r\nContent-Type: application/soap+xml\r\nContent-ID: <root>\r\n\r\n"
        + soap
        + b"\r\n--wrapped--\r\n"
    )
    for start in ("", '; start="<root>"', "; start=root", f'; start="<{content_id}>"'):
        yield Case(f"root last{start}", f'multipart/related; boundary="wrapped"{start}', swapped, ("HTTP 400",))
    for start in (f'"<{content_id}>"', content_id, f"<{content_id}>"):
        yield Case(
            f"start {start}", f'multipart/related; boundary="wrapped"; start={start}', body, ("HTTP 400", "HTTP 415")
        )
    named = body.replace(b"application/soap+xml\r\n", b"application/soap+xml\r\nContent-ID: <root>\r\n")
    yield Case("start names nothing", 'multipart/related; boundary="wrapped"; start="<other>"', named, ("HTTP 400",))
    yield Case("start names the root", 'multipart/related; boundary="wrapped"; start="<root>"', named, (TAKEN,))


@row("C10")
def extra_parts(kit: Kit) -> Iterator[Case]:
    soap, part, content_id = envelope_and(kit)
    for name, octets in (("nothing", b""), ("the same", part), ("a document", DOCUMENT)):
        for parts in (
            ((content_id, part), ("extra@x", octets)),
            (("extra@x", octets), (content_id, part)),
            ((content_id, part), ("extra@x", octets), ("more@x", octets)),
        ):
            yield mime_case(f"extra part with {name}", pack_parts(soap, parts)[1], "EBMS:0011")
    yield mime_case("no part", pack_parts(soap, ())[1], "EBMS:0011")
    yield Case("bare envelope", SOAP_TYPE, soap, ("EBMS:0011",))


def _double(path: tuple[str, ...], place: str) -> Change:
    def change(root: Element) -> None:
        element = at(root, *path)
        twin = copy.deepcopy(element)
        for name in list(twin.attrib):
            if name.endswith("Id"):
                del twin.attrib[name]
        (element.addnext if place == "after" else element.addprevious)(twin)

    return change


def _empty_twin(path: tuple[str, ...], place: str) -> Change:
    def change(root: Element) -> None:
        element = at(root, *path)
        (element.addnext if place == "after" else element.addprevious)(etree.Element(element.tag))

    return change


def _to_soap_11(part: str) -> Change:
    def change(root: Element) -> None:
        for element in list(root.iter()):
            if part in ("all", etree.QName(element).localname) and element.tag.startswith(f"{{{ns.SOAP}}}"):
                element.tag = element.tag.replace(ns.SOAP, SOAP_11)

    return change


@row("C11")
def soap_forms(kit: Kit) -> Iterator[Case]:
    paths = {
        "Header": ("Header",),
        "Body": ("Body",),
        "Messaging": ("Header", "Messaging"),
        "Security": ("Header", "Security"),
    }
    for name, path in paths.items():
        for place in ("before", "after"):
            yield case(f"two {name}, {place}", kit.resign_first(_double(path, place)), "HTTP 400", "EBMS:0103")
            yield case(f"two {name}, one empty, {place}", kit.resign_first(_empty_twin(path, place)), "HTTP 400")
    for part in ("all", "Envelope", "Header", "Body"):
        yield case(f"SOAP 1.1 {part}", kit.resign_first(_to_soap_11(part)), "HTTP 400")
    must, role = f"{{{ns.SOAP}}}mustUnderstand", f"{{{ns.SOAP}}}role"
    for value in ("1", "true", " true ", " 1"):

        def stranger(root: Element, value: str = value) -> None:
            block = etree.SubElement(at(root, "Header"), "{urn:example:x}Block")
            block.set(must, value)

        yield case(f"stranger that must be understood: {value!r}", kit.resign(stranger), "HTTP 400")
    for value in ("urn:x", ns.SOAP + "/role/next", ns.SOAP + "/role/none", ""):
        for name in ("Messaging", "Security"):
            yield case(
                f"{name} for the role {value}",
                kit.resign(set_attribute(lambda r, n=name: at(r, "Header", n), role, value)),
                "HTTP 400",
            )
    for value in ("0", "false", "2", "", "yes"):
        yield case(f"Messaging mustUnderstand {value!r}", kit.resign(set_attribute(messaging, must, value)), TAKEN)
    for text in ("x", "<x/>", " . "):

        def fill(root: Element, text: str = text) -> None:
            body = at(root, "Body")
            if text.startswith("<"):
                body.append(parse(text.encode()))
            else:
                body.text = text

        yield case(f"Body with {text!r}", kit.resign(fill), "EBMS:0003")
    for name, path in paths.items():
        yield case(f"no {name}", kit.spoil(drop(lambda r, p=path: at(r, *p))), "HTTP 400", "EBMS:0009", "EBMS:0103")

    def swapped(root: Element) -> None:
        root.insert(0, at(root, "Body"))

    def beside(root: Element) -> None:
        etree.SubElement(root, "{urn:example:x}Beside")

    def inside_body(root: Element) -> None:
        at(root, "Body").append(at(root, "Header", "Messaging"))

    def header_in_body(root: Element) -> None:
        at(root, "Body").append(at(root, "Header"))

    for change, codes in (
        (swapped, ("HTTP 400",)),
        (beside, ("HTTP 400",)),
        (header_in_body, ("HTTP 400",)),
        (inside_body, ("EBMS:0009",)),
    ):
        yield case(change.__name__, kit.spoil(change), *codes)


def _unit(text: str) -> Element:
    return parse(f'<eb:x xmlns:eb="{ns.EB}">{text}</eb:x>'.encode())[0]


@row("C12")
def units(kit: Kit) -> Iterator[Case]:
    signal_info = (
        "<eb:MessageInfo><eb:Timestamp>2026-11-25T12:00:00Z</eb:Timestamp>"
        "<eb:MessageId>s@x</eb:MessageId>{}</eb:MessageInfo>"
    )
    plain, answer = signal_info.format(""), signal_info.format(f"<eb:RefToMessageId>{ID}</eb:RefToMessageId>")
    signals = {
        "PullRequest": f'<eb:SignalMessage>{plain}<eb:PullRequest mpc="{ns.EB}defaultMPC"/></eb:SignalMessage>',
        "receipt": f"<eb:SignalMessage>{answer}<eb:Receipt/></eb:SignalMessage>",
        "error": f'<eb:SignalMessage>{answer}<eb:Error errorCode="EBMS:0004" severity="failure"/></eb:SignalMessage>',
        "stranger": "<eb:Other/>",
    }
    for name, text in signals.items():

        def beside(root: Element, text: str = text) -> None:
            messaging(root).append(_unit(text))

        def before(root: Element, text: str = text) -> None:
            messaging(root).insert(0, _unit(text))

        def instead(root: Element, text: str = text) -> None:
            messaging(root).replace(messaging(root)[0], _unit(text))

        yield case(f"UserMessage and {name}", kit.resign(beside), "EBMS:0003")
        yield case(f"{name} and UserMessage", kit.resign(before), "EBMS:0003")
        yield case(f"{name} alone with a part", kit.resign(instead), "EBMS:0011")
        yield Case(f"{name} alone", SOAP_TYPE, _signal(kit, text), ("EBMS:0003",))

    def twice(root: Element) -> None:
        messaging(root).append(copy.deepcopy(messaging(root)[0]))

    def none(root: Element) -> None:
        messaging(root).remove(messaging(root)[0])

    yield case("two UserMessages", kit.resign(twice), "EBMS:0003")
    yield case("empty Messaging", kit.resign(none), "EBMS:0011")


def _signal(kit: Kit, text: str) -> bytes:
    """A signed envelope of C2 that holds only this unit, without parts."""

    def change(root: Element) -> None:
        messaging(root).replace(messaging(root)[0], _unit(text))
        for element in list(security(root))[:3]:
            security(root).remove(element)
        info(root).remove(info(root)[-1])

    return kit.resign(change).soap


MESSAGE_ID = ("MessageInfo", "MessageId")
TIMESTAMP = ("MessageInfo", "Timestamp")


@row("C13")
def message_ids(kit: Kit) -> Iterator[Case]:
    path: Callable[[Element], Element] = lambda root: user(root, *MESSAGE_ID)  # noqa: E731
    for bad in (
        "",
        " ",
        "x" * 10_240 + "@y",
        "x@" + "y" * 10_240,
        "../../x",
        "../../x@y",
        "/etc/passwd",
        "a@../b",
        "no-at",
        "a@b@c",
        "a b@c",
        "<a@b>",
        "\u202ea@b",
        "a\u202e@b",
        "a@b\u0085",
        "å@b",
        "a\r\nb@c",
        "a\tb@c",
        "a@b\u2028",
        "a\\b@c",
        "a@[127.0.0.1]",
        '"a b"@c',
        ".a@b",
        "a.@b",
        "a@b..c",
        "@",
        "a@",
        "@b",
        "a,b@c",
        "a;b@c",
        "(x)a@b",
        "a@b;rm -rf",
        "${x}@b:c",
        "a\ufeff@b",
    ):
        yield case(f"id {bad[:30]!r}", kit.resign(set_text(path, bad)), "EBMS:0009")
    yield case("id missing", kit.resign(drop(path)), "EBMS:0009")
    for odd in (
        "a/b@c",
        "'--@c",
        "a`b`@c",
        "{x}@y",
        "a%2e%2e%2fb@c",
        "$(x)@y".replace("(", "{").replace(")", "}"),
        "x@y",
    ):
        yield case(
            f"id {odd!r} is a value and nothing else",
            kit.resign(set_text(path, odd)),
            TAKEN,
            check=lambda r, odd=odd: r.message_id == odd,
        )
    for raw in ("&#0;", "&#x1;", "\x01", "&#xFFFF;"):
        soap = kit.good.soap.replace(b"<eb:MessageId>", b"<eb:MessageId>" + raw.encode())
        yield case(f"id with {raw!r}", _with_soap(kit, soap), "HTTP 400")


def _with_soap(kit: Kit, soap: bytes) -> Request:
    _, part, content_id = unpack(kit.good)
    return pack(soap, part, content_id)


@row("C14")
def timestamps(kit: Kit) -> Iterator[Case]:
    path: Callable[[Element], Element] = lambda root: user(root, *TIMESTAMP)  # noqa: E731
    for good in (
        "1970-01-01T00:00:00Z",
        "2099-12-31T23:59:59Z",
        "2026-11-25T12:00:00",
        "2016-12-31T23:59:60Z",
        "2026-11-25T12:00:00.123456789012Z",
        "2026-11-25T12:00:00+14:00",
    ):
        yield case(good, kit.resign(set_text(path, good)), TAKEN, check=lambda r, good=good: r.timestamp == good)
    for bad in (
        "",
        "yesterday",
        "2026-11-25",
        "12:00:00Z",
        "20261125T120000Z",
        "2026-11-25T12:00:00." + "1" * 30 + "Z",
        "9" * 30,
        "-1",
        "2026-11-25 12:00:00Z",
        "2026-11-25T12:00:00ZZ",
        "2026-11-25T12:00Z",
        "+2026-11-25T12:00:00Z",
        "2026-11-25T12:00:00 Europe/Paris",
        "٢٠٢٦-11-25T12:00:00Z",
    ):
        yield case(f"bad {bad[:30]!r}", kit.resign(set_text(path, bad)), "EBMS:0009")


PART_INFO = ("PayloadInfo", "PartInfo")


@row("C15")
def part_infos(kit: Kit) -> Iterator[Case]:
    part_info: Callable[[Element], Element] = lambda root: user(root, *PART_INFO)  # noqa: E731

    def property_of(name: str) -> Callable[[Element], Element]:
        return lambda root: next(p for p in user(root, *PART_INFO, "PartProperties") if p.get("name") == name)

    def twice(same: bool) -> Change:
        def change(root: Element) -> None:
            twin = copy.deepcopy(part_info(root))
            if not same:
                twin.set("href", "cid:other@x")
            part_info(root).addnext(twin)

        return change

    for name, change, codes in (
        ("missing", drop(part_info), ("EBMS:0011",)),
        ("no PayloadInfo", drop(lambda r: user(r, "PayloadInfo")), ("EBMS:0011",)),
        ("doubled", twice(True), ("EBMS:0011",)),
        ("a second part that is not there", twice(False), ("EBMS:0011",)),
        ("no href", set_attribute(part_info, "href", None), ("EBMS:0011",)),
        ("href #body", set_attribute(part_info, "href", "#body"), ("EBMS:0011",)),
        ("href http", set_attribute(part_info, "href", "http://127.0.0.1:1/x"), ("EBMS:0011",)),
        ("href empty", set_attribute(part_info, "href", "cid:"), ("EBMS:0011",)),
        ("href without cid:", set_attribute(part_info, "href", f"part.{ID}"), ("EBMS:0011",)),
        ("href CID:", set_attribute(part_info, "href", f"CID:part.{ID}"), ("EBMS:0011",)),
        ("CompressionType unknown", set_text(property_of("CompressionType"), "application/zip"), ("EBMS:0003",)),
        ("CompressionType empty", set_text(property_of("CompressionType"), ""), ("EBMS:0003",)),
        ("CompressionType in capitals", set_text(property_of("CompressionType"), "APPLICATION/GZIP"), ("EBMS:0003",)),
        ("CompressionType missing", drop(property_of("CompressionType")), ("EBMS:0004",)),
        ("MimeType missing", drop(property_of("MimeType")), ("EBMS:0009",)),
        ("MimeType empty", set_text(property_of("MimeType"), ""), ("EBMS:0009",)),
        ("name missing", set_attribute(property_of("MimeType"), "name", None), ("EBMS:0009",)),
        ("name twice", set_attribute(property_of("MimeType"), "name", "CompressionType"), ("EBMS:0009",)),
        ("no PartProperties", drop(lambda r: user(r, *PART_INFO, "PartProperties")), ("EBMS:0004",)),
    ):
        yield case(name, kit.resign(change), *codes)
    yield case("MimeType text/html is let be", kit.resign(set_text(property_of("MimeType"), "text/html")), TAKEN)


@row("C16")
def gzips(kit: Kit) -> Iterator[Case]:
    good, member = compress(SBD), gzip.compress(b"x")
    wrong_crc = good[:-8] + bytes([good[-8] ^ 1]) + good[-7:]
    wrong_size = good[:-4] + b"\0\0\0\0"
    stored = zlib.compressobj(0, wbits=31)
    endless = zlib.compressobj(9, wbits=31)
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
            yield case(f"SOAP in {encoding}, said {declared or 'nothing'}", _with_soap(kit, octets), *codes)
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
            _with_soap(kit, spoiled.replace(b"<eb:ConversationId>", b"<eb:ConversationId>" + bad)),
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
        yield case(f"SOAP begins {declaration}", _with_soap(kit, (declaration + text).encode()), "HTTP 400")
    yield case("SOAP with a byte order mark", _with_soap(kit, b"\xef\xbb\xbf" + spoiled), TAKEN)
    yield case("SOAP with two byte order marks", _with_soap(kit, b"\xef\xbb\xbf" * 2 + spoiled), "HTTP 400")

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
