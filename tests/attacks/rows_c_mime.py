"""Table C of the catalogue, C01 to C10: MIME as it comes over the wire. Connections have test_wire."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

from lxml import etree

from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, outgoing, unpack
from tests.attacks.parts import (
    SOAP_TYPE,
    TAKEN,
    Case,
    Kit,
    row,
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
        # An octet before it: a ciphertext that ends in CR would make CR LF of it, one time in 256.
        ("LF before the last boundary", body[: body.rindex(b"\r\n" + line)] + b"x\n" + line + b"--\r\n"),
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
