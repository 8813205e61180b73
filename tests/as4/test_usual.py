"""The short cuts over signed octets say what the way over the tree says, or nothing at all."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from lxml import etree

from gateway.as4 import ebms, usual
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Request
from gateway.as4.profiles.peppol import PROFILE
from gateway.as4.soap import Envelope, canonical, read_envelope
from gateway.as4.wss.references import Demand, Reference, covered, read_references, usual_references
from gateway.errors import InvalidMessage
from gateway.security.safexml import UnsafeXml, parse
from tests.as4.as4_parts import NOW, World, at

CHANGES = 4_000
_TOKEN = re.compile(r"<[^>]*>|[^<]+")
_INSERTED = (
    "<!-- x -->", "<?x y?>", "<![CDATA[x]]>", "&amp;", "&#13;", " ", "\t", "\u00a0", "x", "<x/>",
    '<eb:Property name="x">y</eb:Property>', '<p:x xmlns:p="urn:x"/>',
)  # fmt: skip
_ATTRIBUTES = (' xmlns="urn:x"', ' xmlns:eb="urn:x"', ' xmlns:ds="urn:x"', ' x="y"', ' type=""', ' Id="a"')


def changed(text: str) -> Iterator[bytes]:
    """The document with tokens left out, doubled, moved, or something put in; most are not well-formed any more."""
    tokens = _TOKEN.findall(text)
    source = random.Random(20261125)
    for _ in range(CHANGES):
        new = list(tokens)
        where, other = source.randrange(1, len(new) - 1), source.randrange(1, len(new) - 1)
        match source.randrange(6):
            case 0:
                del new[where]
            case 1:
                new.insert(other, new[where])
            case 2:
                new[where], new[other] = new[other], new[where]
            case 3:
                new.insert(where, source.choice(_INSERTED))
            case 4:
                new[where] = re.sub(r"(?=/?>$)", source.choice(_ATTRIBUTES), new[where])
            case _:
                first, last = sorted((where, other))  # a whole element, if it happens to be one
                del new[first : last + 1]
        yield "".join(new).encode()


def test_the_usual_header_is_read_as_its_tree_is(world: World, request_of_c2: Request) -> None:
    messaging = canonical(at(parse(request_of_c2.soap), "Header", "Messaging"))
    assert usual.read_user_message(messaging, LIMITS) is not None
    seen, short = 0, 0
    for octets in (messaging, *changed(messaging.decode())):
        try:
            tree = parse(octets, comments=False, drop_comments=True)
        except UnsafeXml:
            continue
        seen += 1
        found = usual.read_user_message(canonical(tree), LIMITS)
        if found is None:
            continue
        short += 1
        assert found == ebms.read_user_message(tree, LIMITS), octets
    assert seen > CHANGES // 20 and short > 1


@pytest.mark.parametrize("prefix", ["eb", "ns2", ""])
def test_the_usual_header_is_known_by_any_prefix(world: World, request_of_c2: Request, prefix: str) -> None:
    text = canonical(at(parse(request_of_c2.soap), "Header", "Messaging")).decode()
    named = f"{prefix}:" if prefix else ""
    text = text.replace("<eb:", f"<{named}").replace("</eb:", f"</{named}")
    text = text.replace("xmlns:eb=", f"xmlns:{prefix}=" if prefix else "xmlns=")
    tree = parse(text.encode())
    assert usual.read_user_message(canonical(tree), LIMITS) == ebms.read_user_message(tree, LIMITS)


def test_usual_references_are_read_as_their_tree_is(world: World, request_of_c2: Request) -> None:
    demand = Demand(trust=world.trust, algorithms=PROFILE.algorithms, limits=LIMITS, at=NOW)
    envelope = read_envelope(request_of_c2.soap, LIMITS)
    info = at(parse(request_of_c2.soap), "Header", "Security", "Signature", "SignedInfo")
    signed = canonical(info)
    content_ids = (_content_id(signed),)
    assert covered(envelope, usual_references(signed, demand), content_ids) is not None
    seen, short = 0, 0
    for octets in (signed, *changed(signed.decode())):
        try:
            tree = parse(octets, comments=False, drop_comments=True)
        except UnsafeXml:
            continue
        seen += 1
        references = usual_references(canonical(tree), demand)
        parts = covered(envelope, references, content_ids)
        if parts is None:
            continue
        short += 1
        wanted, wanted_parts = _by_tree(envelope, tree, content_ids, demand)
        assert parts == wanted_parts, octets
        assert [_said(r) for r in references] == [_said(r) for r in wanted], octets
    assert seen > CHANGES // 20 and short > 1


def _by_tree(
    envelope: Envelope, info: etree._Element, content_ids: tuple[str, ...], demand: Demand
) -> tuple[list[Reference], dict[str, bytes]]:
    try:
        return read_references(envelope, list(info)[2:], content_ids, demand)
    except InvalidMessage as error:
        raise AssertionError(f"the short cut took what the tree refuses: {error}") from error


def _content_id(signed_info: bytes) -> str:
    found = re.search(rb'URI="cid:([^"]+)"', signed_info)
    assert found is not None
    return found[1].decode()


def _said(reference: Reference) -> tuple[str, bytes, list[str] | None, str]:
    return reference.uri, reference.digest, reference.prefixes, reference.text
