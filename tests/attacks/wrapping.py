"""Signature wrapping, made systematically from one signed message.

Five coordinates make a case: what is forged, what becomes of the original, where (every gap between and inside all
elements of the envelope), how the forgery is called (every id attribute, none, several), how it is written (prefixes,
namespaces) and what the references do. Tree surgery on one message: no key is used.

An outsider makes all of these: the signature value is never right for anything but the original.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from gateway.as4 import namespaces as ns
from gateway.as4.gzipped import compress
from gateway.as4.soap import canonical
from gateway.as4.wss.write import seal
from gateway.security.safexml import parse
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, at, digest_of, unpack
from tests.attacks.parts import Element, Kit, Tally, Verdict

WSU_ID = f"{{{ns.WSU}}}Id"
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
EVIL_DOCUMENT = DOCUMENT.replace(b"F-1001", b"F-6666")
EVIL_PARTY = "0088:6666666666666"

ID_FORMS: dict[str, tuple[str, ...]] = {
    "none": (),
    "wsu:Id": (WSU_ID,),
    "Id": ("Id",),
    "ID": ("ID",),
    "id": ("id",),
    "xml:id": (XML_ID,),
    "wsu:Id and Id": (WSU_ID, "Id"),
    "Id and xml:id": ("Id", XML_ID),
}
PREFIXES = ("same", "other", "default", "lookalike")
FATES = ("moved", "moved in a block", "moved in ds:Object", "kept", "kept, evil in a block", "removed")
REFERENCES = ("kept", "beside", "doubled", "retargeted")
PARTS = ("evil for good", "good then evil", "evil then good", "same id twice", "encoded id", "other case", "good")

WRAPPED_CODES = ("HTTP 400", "EBMS:0103", "EBMS:0101", "EBMS:0011", "EBMS:0009")
"""What may be said: no envelope, no such signature, changed, other parts, no Messaging."""
PART_CODES = (*WRAPPED_CODES, "EBMS:0102", "EBMS:0007")
"""A wrapped part may also be refused when it is opened, or because two parts have one id."""


@dataclass(frozen=True, slots=True)
class Point:
    """The coordinates of one case."""

    what: str
    fate: str
    gap: int
    id_form: str
    prefix: str
    references: str

    @property
    def name(self) -> str:
        return " | ".join((self.what, self.fate, f"gap {self.gap}", self.id_form, self.prefix, self.references))


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A forged message. ``in_place``: the signed elements still stand where they are read from."""

    point: Point
    content_type: str
    body: bytes
    in_place: bool
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can be forged: where it stands, what its forgery says, and its id."""

    name: str
    path: tuple[str, ...]
    evil: Callable[[str], str]
    id: str = ""
    signed: bool = False
    """Whether a reference names it by id."""
    structural: bool = False


class Forge:
    """Makes cases from one honest message."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._root, self._part, self._content_id = unpack(kit.good)
        self._evils: dict[tuple[str, str, str, str], Element] = {}

    @cached_property
    def targets(self) -> dict[str, Target]:
        return {target.name: target for target in TARGETS}

    # --- coordinates ---

    def points(self) -> Iterator[Point]:
        """Every coordinate there is."""
        for target in TARGETS:
            for fate in FATES:
                yield from self.points_of(target.name, fate)

    def points_of(self, what: str, fate: str) -> Iterator[Point]:
        """Every coordinate of one target and fate."""
        target = self.targets[what]
        for gap in range(self._gaps(target, fate)):
            yield from self._variants(target, fate, gap)

    def count(self) -> int:
        return sum(1 for _ in self.points())

    def sample(self, number: int, seed: int) -> list[Point]:
        """So many of them, the same for the same seed, every kind of target in equal share."""
        chance = random.Random(seed)
        share: dict[str, list[Point]] = {}
        for point in self.points():
            share.setdefault(point.what, []).append(point)
        return [p for points in share.values() for p in chance.sample(points, min(len(points), number // len(share)))]

    def _variants(self, target: Target, fate: str, gap: int) -> Iterator[Point]:
        if not target.signed and not target.structural:
            for prefix in ("same", "other"):
                for parts in PARTS:
                    for id_form in ("Id", "none"):
                        yield Point(target.name, fate, gap, id_form, prefix, parts)
            return
        for prefix in PREFIXES:
            for id_form in ID_FORMS if target.signed else ("none", "Id", "wsu:Id"):
                for references in REFERENCES if target.signed and id_form != "none" else ("kept",):
                    yield Point(target.name, fate, gap, id_form, prefix, references)

    def _gaps(self, target: Target, fate: str) -> int:
        root = copy.deepcopy(self._root)
        original = at(root, *target.path)
        if fate.startswith("moved"):
            original.getparent().replace(original, self._evil(target, "same", "none", ""))
        elif fate == "removed":
            original.getparent().remove(original)
        return sum(len(element) + 1 for element in root.iter())

    # --- making ---

    def make(self, point: Point) -> Wrapped:
        """Make the message at these coordinates."""
        target = self.targets[point.what]
        root = copy.deepcopy(self._root)
        original = at(root, *target.path)
        parent = original.getparent()
        assert parent is not None
        evil_id = target.id if point.references == "kept" or not target.signed else "evil"
        evil = self._evil(target, point.prefix, point.id_form, evil_id)
        if point.fate.startswith("moved"):
            parent.replace(original, evil)
            self._insert(root, point.gap, _wrapped(original, point.fate))
        elif point.fate.startswith("kept"):
            self._insert(root, point.gap, _wrapped(evil, point.fate))
        else:
            parent.remove(original)
            self._insert(root, point.gap, evil)
        if point.references in ("doubled", "retargeted"):
            _refer(root, target.id, evil, doubled=point.references == "doubled")
        if target.signed or target.structural:
            content_type, body = self._pack(root, ((self._content_id, self._part),))
            return Wrapped(point, content_type, body, point.fate.startswith("kept"), WRAPPED_CODES)
        content_type, body = self._pack(root, self._parts(point.references))
        return Wrapped(point, content_type, body, point.references == "good", PART_CODES)

    def judge(self, wrapped: Wrapped) -> tuple[Verdict, str]:
        """The verdict and what is wrong with it: anything taken that is not exactly what was signed, in its place."""
        verdict = self._kit.judge(wrapped.content_type, wrapped.body)
        if verdict.received is not None:
            same = wrapped.in_place and self._kit.bare(verdict.received) == self._kit.baseline
            return verdict, "" if same else f"{wrapped.point.name}: TAKEN"
        if verdict.outcome not in wrapped.codes:
            return verdict, f"{wrapped.point.name}: {verdict.outcome}"
        if verdict.seconds > 0.25:
            return verdict, f"{wrapped.point.name}: {verdict.seconds * 1000:.0f} ms"
        return verdict, ""

    def _evil(self, target: Target, prefix: str, id_form: str, id: str) -> Element:
        known = (target.name, prefix, id_form, id)
        if known not in self._evils:
            original = canonical(at(self._root, *target.path)).decode()
            text = _prefixed(target.evil(original), prefix)
            element = parse(re.sub(r'(xmlns(?::\w+)?="[^"]*)"', rf'\1{_FOREIGN}"', text).encode())
            for name in (_foreign(WSU_ID), "Id"):
                element.attrib.pop(name, None)
            for name in ID_FORMS[id_form]:
                element.set(_foreign(name), id or "evil")
            self._evils[known] = element
        return copy.deepcopy(self._evils[known])

    @cached_property
    def honest(self) -> bytes:
        """The body that a forgery must differ from."""
        return self._pack(self._root, self._parts("good"))[1]

    def _parts(self, arrangement: str) -> tuple[tuple[str, bytes], ...]:
        good, evil, name = self._part, self._evil_part, self._content_id
        return {
            "good": ((name, good),),
            "evil for good": ((name, evil),),
            "good then evil": ((name, good), ("evil@x", evil)),
            "evil then good": (("evil@x", evil), (name, good)),
            "same id twice": ((name, evil), (name, good)),
            "encoded id": ((name, good), (name.replace("@", "%40"), evil)),
            "other case": ((name, good), (name.upper(), evil)),
        }[arrangement]

    @cached_property
    def _evil_part(self) -> bytes:
        return seal(EVIL_PART, self._content_id, self._kit.world.c3.der, content_key=b"k" * 16, iv=b"i" * 12).octets

    @staticmethod
    def _insert(root: Element, gap: int, node: Element) -> None:
        for element in root.iter():
            if gap <= len(element):
                element.insert(gap, node)
                return
            gap -= len(element) + 1
        raise IndexError("there is no such gap")

    @staticmethod
    def _pack(root: Element, parts: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
        return pack_parts(etree.tostring(root).replace(_FOREIGN.encode(), b""), parts)


def pack_parts(soap: bytes, parts: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """MIME with any parts."""
    pieces = [b"--wrapped\r\nContent-Type: application/soap+xml\r\n\r\n" + soap]
    for content_id, octets in parts:
        head = f"--wrapped\r\nContent-Type: application/octet-stream\r\nContent-ID: <{content_id}>\r\n\r\n"
        pieces.append(head.encode() + octets)
    return 'multipart/related; boundary="wrapped"', b"\r\n".join((*pieces, b"--wrapped--\r\n"))


def run_points(kit: Kit, points: Iterator[Point] | Sequence[Point]) -> tuple[list[Tally], int]:
    """Judge each; gives a tally for each target and fate, and how many different bodies there were."""
    forge = Forge(kit)
    tallies: dict[str, Tally] = {}
    seen = {hash(forge.honest)}
    for point in points:
        wrapped = forge.make(point)
        mark = hash(wrapped.body)
        if mark in seen:  # two coordinates may meet in one text: counted once
            continue
        seen.add(mark)
        verdict, problem = forge.judge(wrapped)
        group = f"wrapped {point.what}"
        tallies.setdefault(group, Tally(group)).add(verdict, problem)
    return list(tallies.values()), len(seen) - 1


_FOREIGN = "-foreign-"
"""Ends every namespace of a forgery until it is written, lest lxml give it the prefixes of its surroundings."""


def _foreign(name: str) -> str:
    return name.replace("}", _FOREIGN + "}") if ns.WSU in name else name


def _wrapped(node: Element, fate: str) -> Element:
    if fate.endswith("block"):
        block = etree.Element("{urn:example:x}Block")
        block.append(node)
        return block
    if fate.endswith("ds:Object"):
        block = etree.Element(f"{{{ns.DS}}}Object", nsmap={"ds": ns.DS})
        block.append(node)
        return block
    return node


def _refer(root: Element, id: str, evil: Element, *, doubled: bool) -> None:
    """Let the signature name the forgery, with the digest that it has."""
    for reference in root.iter(f"{{{ns.DS}}}Reference"):
        if reference.get("URI") == f"#{id}":
            if doubled:
                reference.addnext(copy.deepcopy(reference))
            reference.set("URI", "#evil")
            value = reference.find("{*}DigestValue")
            if value is not None:
                value.text = digest_of(canonical(parse(etree.tostring(evil).replace(_FOREIGN.encode(), b""))))
            return


def _prefixed(text: str, prefix: str) -> str:
    """The same element written with another prefix, none, or a namespace that only looks the same."""
    name = text[1 : text.index(":")]
    declared = re.compile(f'xmlns:{name}="([^"]*)"')
    if prefix == "other":
        text = text.replace(f"<{name}:", "<q:").replace(f"</{name}:", "</q:")
        return declared.sub(rf'xmlns:q="\1" xmlns:{name}="\1"', text)
    if prefix == "default":
        text = text.replace(f"<{name}:", "<").replace(f"</{name}:", "</")
        return declared.sub(rf'xmlns="\1" xmlns:{name}="\1"', text)
    return declared.sub(rf'xmlns:{name}="\1/"', text) if prefix == "lookalike" else text


def _evil_messaging(text: str) -> str:
    return text.replace("0088:7300010000001", EVIL_PARTY).replace("MessageId>4f4a6a7e", "MessageId>66666666")


def _evil_info(text: str) -> str:
    return text.replace("DigestValue>", "DigestValue> ", 1)


EVIL_PART = compress(wrap(EVIL_DOCUMENT, ENVELOPE))
_SIGNATURE = ("Header", "Security", "Signature")
TARGETS: tuple[Target, ...] = (
    Target("Messaging", ("Header", "Messaging"), _evil_messaging, "messaging", signed=True),
    Target("Body", ("Body",), lambda text: text.replace("></", "><evil></evil></"), "body", signed=True),
    Target("empty Body", ("Body",), lambda text: text, "body", signed=True),
    Target("SignedInfo", (*_SIGNATURE, "SignedInfo"), _evil_info, structural=True),
    Target("Signature", _SIGNATURE, _evil_info, "signature", structural=True),
    Target("Security", ("Header", "Security"), _evil_info, structural=True),
    Target("Header", ("Header",), _evil_messaging, structural=True),
    Target(
        "EncryptedData", ("Header", "Security", "EncryptedData"), lambda t: t.replace("cid:part.", "cid:evil."), "data"
    ),
    Target(
        "PartInfo",
        ("Header", "Messaging", "UserMessage", "PayloadInfo", "PartInfo"),
        lambda t: t.replace("application/xml", "application/evil"),
    ),
    Target("UserMessage", ("Header", "Messaging", "UserMessage"), _evil_messaging),
)
