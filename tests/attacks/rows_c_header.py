"""Table C of the catalogue, C11 to C15: the SOAP envelope and the ebMS header."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.msh import Request
from gateway.security.safexml import parse
from tests.as4.as4_parts import at, pack, unpack
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
from tests.attacks.rows_c_mime import ID, SOAP_11


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
        yield case(f"id with {raw!r}", with_soap(kit, soap), "HTTP 400")


def with_soap(kit: Kit, soap: bytes) -> Request:
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
