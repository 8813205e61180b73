"""A document of a known form says what the reading of it says; what is not of it exactly is read."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from gateway.ubl import forms, plain, skeleton
from gateway.ubl.forms import Forms
from tests.ubl.ubl_parts import example

DOCUMENT = example("network")
PIECE = DOCUMENT[DOCUMENT.index(b"<Invoice") :].rstrip()
START = PIECE.index(b">") + 1
VALUES = (
    b"",
    b" ",
    b"9",
    b"\xc3\xa5",
    b"a > b",
    b"Party>",
    b"cbc:ID>",
    b"cbc:PaymentDueDate",
    b"&amp;",
    b"&#1;",
    b"&x;",
    b"]]>",
    b"]]",
    b"\r",
    b"\n\t",
    b"\x00",
    b"\x0b",
    b"\x1f",
    b"\x7f",
    b"\xc3",
    b"\xa5",
    b"\xed\xa0\x80",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"<",
    b"<x/>",
    b"<x>",
    b"<!-- -->",
    b"<![CDATA[x]]>",
    b"<?x?>",
    b"</cbc:ID><cbc:ID>",
    b"</cbc:ID>",
    b"<cbc:ID>1</cbc:ID>",
)


def find(octets: bytes) -> Sequence[bytes] | None:
    return plain._said(octets, _own(octets), START)


def _own(octets: bytes) -> dict[bytes, bytes]:
    tag = plain._DOCUMENT.match(octets)
    return dict(plain._DECLARED.findall(tag[3])) if tag is not None else {}


def is_plain(octets: bytes) -> bool:
    return skeleton._declared(octets) == len(_own(octets))


def taught(*pieces: bytes) -> Forms:
    known = Forms()
    for piece in pieces:
        for _ in range(2):
            assert known.read(piece, find, lambda: True) is not None
    return known


def short_way(known: Forms, piece: bytes) -> Sequence[bytes] | None:
    """What is said without reading the document."""
    return known.read(piece, find, lambda: False)


KNOWN = taught(PIECE)
KNOWN._known[()] = next(iter(KNOWN._known.values()))


@pytest.fixture
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key only chooses the form; what is of it has to be seen without."""
    monkeypatch.setattr(forms, "_key", lambda _: ())


def judge(changed: bytes) -> bool:
    """Whether it was of the known form; then reading it must say the same."""
    said = short_way(KNOWN, changed)
    if said is None:
        return False
    assert is_plain(changed), changed
    assert list(find(changed) or ()) == list(said), changed
    return True


def test_a_form_is_known_when_it_comes_again_and_then_needs_no_reading() -> None:
    known = Forms()
    assert short_way(known, PIECE) is None
    assert known.read(PIECE, find, lambda: True) == find(PIECE)
    assert short_way(known, PIECE) is None, "one document alone teaches nothing"
    known.read(PIECE, find, lambda: True)
    other = PIECE.replace(b"<cbc:ID>202611870<", b"<cbc:ID>7<").replace(b">Exempel Bygg AB<", b">Annan Bygg \xc3\xa5<")
    said = short_way(known, other)
    assert said is not None and list(said) == list(find(other) or ())
    assert b"7" in said and b"Annan Bygg \xc3\xa5" in said


def test_a_document_that_is_not_plain_teaches_nothing() -> None:
    known = Forms()
    for _ in range(3):
        assert known.read(PIECE, find, lambda: False) is None
        assert known.read(PIECE, lambda _: None, lambda: True) is None
    assert not known._known


@pytest.mark.usefixtures("one_key")
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_any_value_in_any_place_is_read_as_the_whole_is_read_or_not_at_all(value: bytes) -> None:
    known = 0
    for place in re.finditer(rb">([^<]*)</cbc:", PIECE):
        known += judge(PIECE[: place.start(1)] + value + PIECE[place.end(1) :])
        known += judge(PIECE[: place.start(1)] + value + PIECE[place.start(1) :])
        known += judge(PIECE[: place.end(1)] + value + PIECE[place.end(1) :])
    assert (known > 100) == (value in VALUES[:8] or value in (b"\n\t", b"\x7f")), known


@pytest.mark.usefixtures("one_key")
def test_a_sequence_of_octets_that_two_values_share_is_no_text() -> None:
    first, second = list(re.finditer(rb">([^<]*)</cbc:", PIECE))[3:5]
    split = PIECE[: first.end(1)] + b"\xc3" + PIECE[first.end(1) : second.start(1)] + b"\xa5" + PIECE[second.start(1) :]
    assert short_way(KNOWN, split) is None and not is_plain(split)


@pytest.mark.usefixtures("one_key")
def test_tokens_left_out_moved_or_doubled_are_not_of_the_form() -> None:
    source = random.Random(13)
    first, *tokens = re.findall(rb"<[^>]*>|[^<]+", PIECE)
    known = 0
    for _ in range(3000):
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
                new[where] = new[other]
        known += judge(first + b"".join(new))
    assert 20 < known < 1500


@pytest.mark.usefixtures("one_key")
def test_one_octet_changed_or_put_in_anywhere_is_read_as_the_whole_is_read_or_not_at_all() -> None:
    source = random.Random(17)
    known = 0
    for _ in range(6000):
        at = source.randrange(len(PIECE))
        octet = source.choice([bytes((source.randrange(256),)), *(b"<", b">", b"&", b'"', b"/", b"\r", b" ", b"x")])
        known += judge(PIECE[:at] + octet + PIECE[at + source.randrange(2) :])
    assert 300 < known < 3000


@pytest.mark.usefixtures("one_key")
def test_an_end_of_the_wrong_element_is_seen_where_no_tag_begins_in_the_part() -> None:
    """``Name>2`` is a part that holds no tag: only its length says that it begins otherwise than ``ID>``."""
    nested = b"<cbc:Note><cbc:ID>1</cbc:ID>2</cbc:Note>"
    piece = PIECE.replace(b"</Invoice>", nested + b"</Invoice>")
    known = taught(piece)
    assert short_way(known, piece) is not None
    assert short_way(known, piece.replace(b"1</cbc:ID>2", b"1</cbc:ID>3 4")) is not None
    assert short_way(known, piece.replace(b"1</cbc:ID>2", b"1</cbc:Name>2")) is None
    assert short_way(known, piece.replace(b"1</cbc:ID>2", b"1</cbc:IDs>2")) is None


@pytest.mark.usefixtures("one_key")
def test_one_part_more_is_seen_where_the_lengths_agree() -> None:
    nested = b"<cbc:Note><cbc:Identifier>1</cbc:Identifier>2</cbc:Note>"
    piece = PIECE.replace(b"</Invoice>", nested + b"</Invoice>")
    known = taught(piece)
    wrong = piece.replace(b"1</cbc:Identifier>2", b"1</cbc:Wrong>2")
    for more in range(12):  # one of them is as long as what was not taken off
        assert short_way(known, wrong + b"</cbc:" + b"x" * more + b">") is None


@pytest.mark.usefixtures("one_key")
def test_what_follows_the_last_value_is_of_the_form_too() -> None:
    for changed in (PIECE + b"<x/>", PIECE + b" ", PIECE[:-1], PIECE + b"Invoice>", PIECE.replace(b"</Invoice>", b"")):
        assert short_way(KNOWN, changed) is None


@pytest.mark.usefixtures("one_key")
def test_a_document_that_ends_where_one_of_the_form_has_a_value_is_not_of_it() -> None:
    for end in re.finditer(rb"</cbc:", PIECE):
        assert short_way(KNOWN, PIECE[: end.start()]) is None
        assert short_way(KNOWN, PIECE[: end.end()]) is None
    assert short_way(KNOWN, PIECE + b"</cbc:") is None
    assert short_way(KNOWN, PIECE + b"</cbc:ID>") is None


def test_a_sign_of_a_tag_in_a_value_that_taught_is_part_of_the_form() -> None:
    odd = PIECE.replace(b">Kundtj\xc3\xa4nst<", b">a > b<")
    assert odd != PIECE
    known = taught(odd)
    said = short_way(known, odd.replace(b"a > b", b"a > c"))
    assert said is not None and list(said) == list(find(odd) or ())
    assert short_way(known, odd.replace(b"a > b", b"d > b")) is None
    named = PIECE.replace(b"<cbc:Name>Exempel Bygg AB<", b"<cbc:Name>a > b<")
    assert short_way(taught(named), named) is None, "a value that is asked for has to stand alone"


def test_two_forms_are_told_apart_though_they_have_as_many_values() -> None:
    other = PIECE.replace(b"cbc:BuyerReference", b"cbc:AccountingCost")
    known = taught(PIECE, other)
    for piece in (PIECE, other, PIECE):
        said = known.read(piece, find, lambda: True)
        assert said is not None and list(said) == list(find(piece) or ())


def test_documents_that_are_never_alike_are_not_studied_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    studied = []
    monkeypatch.setattr(forms, "_form", lambda parts, _: studied.append(parts))
    known = Forms()
    for number in range(60):
        unlike = PIECE.replace(b"<cbc:InvoiceTypeCode>", b'<cbc:InvoiceTypeCode listID="%d">' % number)
        assert known.read(unlike, find, lambda: True) is not None
    assert len(known._known) == 1 and len(studied) == forms._MISSES - 1


def test_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "_KEYS", 4)
    known = Forms()
    for number in range(9):
        piece = PIECE.replace(b"</Invoice>", b"<cbc:ID>1</cbc:ID>" * number + b"</Invoice>")
        for _ in range(2):
            known.read(piece, find, lambda: True)
        assert short_way(known, piece) is not None
        assert 1 <= len(known._known) <= 4


def test_a_large_document_is_read_each_time() -> None:
    large = PIECE.replace(b"<cbc:Note>", b"<cbc:Note>" + b"x" * forms._LONGEST)
    known = taught(large)
    assert not known._known and short_way(known, large) is None
