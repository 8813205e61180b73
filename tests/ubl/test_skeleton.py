"""A skeleton says of a document what expat says of the whole of it, wherever a value may stand."""

from __future__ import annotations

import random
import re

import pytest

from gateway.ubl import skeleton
from gateway.ubl.plain import _DECLARED, _DOCUMENT
from tests.ubl.ubl_parts import example

DOCUMENT = example("network")
PIECE = DOCUMENT[DOCUMENT.index(b"<Invoice") :].rstrip()
LEAVES = (
    b"<cbc:ID>1</cbc:ID>",
    b'<cbc:ID schemeID="0088">a > b</cbc:ID>\n  ',
    b'<cbc:Note languageID="sv">\xc3\xa5</cbc:Note>',
    b"<cbc:Note>]]></cbc:Note>",
    b"<cbc:Note>&amp;</cbc:Note>",
    b"<cbc:Note>&x;</cbc:Note>",
    b"<cbc:Note>\x01</cbc:Note>",
    b"<cbc:Note>\xc3</cbc:Note>",
    b"<cbc:Note>\xef\xbf\xbe</cbc:Note>",
    b"<cbc:Note>x</cbc:Nota>",
    b'<cbc:ID a="1" a="2">1</cbc:ID>',
    b'<cbc:ID a="1" b="2">1</cbc:ID>',
    b'<cbc:ID a="\x0c">1</cbc:ID>',
    b'<cbc:ID xmlns="urn:x">1</cbc:ID>',
    b'<cac:X xmlns:cbc="urn:x"><cbc:ID>1</cbc:ID></cac:X>',
    b"<cbc:ID>1</cbc:ID>\x0b",
    b'"<cbc:ID>1</cbc:ID>"',
    b"<!--<cbc:ID>1</cbc:ID>-->",
    b"<_/>",
)


def own_of(piece: bytes) -> dict[bytes, bytes]:
    tag = _DOCUMENT.match(piece)
    assert tag is not None
    return dict(_DECLARED.findall(tag[3]))


def by_itself(piece: bytes, own: dict[bytes, bytes]) -> bool:
    return skeleton._declared(piece) == len(own)


def test_an_invoice_is_plain_and_its_skeleton_is_known_the_next_time() -> None:
    own = own_of(PIECE)
    assert by_itself(PIECE, own) and skeleton.is_one_plain_document(PIECE, own)
    before = skeleton._known.cache_info()
    assert skeleton.is_one_plain_document(PIECE.replace(b">Stk<", b">kg<").replace(b"<cbc:ID>1<", b"<cbc:ID>9<"), own)
    after = skeleton._known.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)


@pytest.mark.parametrize("leaf", LEAVES, ids=repr)
def test_a_value_put_in_anywhere_is_judged_as_expat_judges_the_whole(leaf: bytes) -> None:
    own, source = own_of(PIECE), random.Random(7)
    places = [0, len(PIECE), *source.sample(range(1, len(PIECE)), 150)]
    found = set()
    for place in places:
        changed = PIECE[:place] + leaf + PIECE[place:]
        good = skeleton.is_one_plain_document(changed, own)
        assert good == by_itself(changed, own), changed[max(0, place - 60) : place + 60]
        found.add(good)
    assert False in found


def test_tokens_left_out_moved_or_doubled_are_judged_as_expat_judges_the_whole() -> None:
    own, source = own_of(PIECE), random.Random(11)
    first, *tokens = re.findall(rb"<[^>]*>|[^<]+", PIECE)
    good = 0
    for _ in range(600):
        new = list(tokens)
        where, other = source.randrange(len(new)), source.randrange(len(new))
        match source.randrange(4):
            case 0:
                del new[where]
            case 1:
                new.insert(other, new[where])
            case 2:
                new[where], new[other] = new[other], new[where]
            case _:
                low, high = sorted((where, other))  # a whole element, if it happens to be one
                del new[low : high + 1]
        changed = first + b"".join(new)
        found = skeleton.is_one_plain_document(changed, own)
        assert found == by_itself(changed, own)
        good += found
    assert good > 40


def test_a_prefix_that_the_root_does_not_declare_is_not_taken_for_declared() -> None:
    piece = b'<Invoice xmlns="urn:x"><cbc:ID>1</cbc:ID></Invoice>'
    assert not skeleton.is_one_plain_document(piece, own_of(piece))
    assert not by_itself(piece, own_of(piece))


def test_a_large_document_is_read_as_it_stands() -> None:
    own = own_of(PIECE)
    line = PIECE[PIECE.index(b"<cac:InvoiceLine>") : PIECE.index(b"</cac:InvoiceLine>") + len(b"</cac:InvoiceLine>")]
    large = PIECE.replace(b"</Invoice>", line * 100 + b"</Invoice>")
    assert len(large) > skeleton._LONGEST and skeleton.is_one_plain_document(large, own)
    assert not skeleton.is_one_plain_document(large.replace(b"</cac:InvoiceLine>", b"", 1), own)
