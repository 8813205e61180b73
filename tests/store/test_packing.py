"""What is a piece of other octets comes back octet for octet, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_parts import incoming, message_in

from gateway.errors import StateError
from gateway.model.message import Direction, Evidence, PayloadKind
from gateway.store import packing
from gateway.store.packing import IN_ROW, Kept, pack, pack_arrival, pack_proofs, pack_together, unpack

PIECES = st.lists(
    st.sampled_from([b"<a>", b"</a>", b"urn:x", b" ", b"\0", b"\xff"]) | st.binary(max_size=40), max_size=60
)
OCTETS = PIECES.map(b"".join) | st.binary(max_size=2000)
LINES = b"".join(b"<line n='%d'/>" % n for n in range(400))


def given_back(kept: Kept) -> bytes:
    octets = kept.host.octets if kept.host else kept.octets
    assert octets is not None
    return unpack(kept, octets)


@given(envelope=OCTETS, receipt=OCTETS)
@settings(deadline=None)
def test_any_envelope_and_any_receipt_come_back(envelope: bytes, receipt: bytes) -> None:
    host, guest = pack_together(envelope, receipt)
    assert (given_back(host), given_back(guest)) == (envelope, receipt)
    assert [kept.sha256 for kept in (host, guest)] == [hashlib.sha256(o).hexdigest() for o in (envelope, receipt)]
    assert (host.size, guest.size) == (len(envelope), len(receipt))


@given(before=OCTETS, document=OCTETS, after=OCTETS, named=st.booleans(), level=st.integers(0, 9))
@settings(deadline=None)
def test_any_document_comes_back_from_any_part(
    before: bytes, document: bytes, after: bytes, named: bool, level: int
) -> None:
    whole = before + document + after
    part = gzip.compress(whole, level, mtime=0)
    if named:  # a header with a file's name, as other programs write it
        part = part[:3] + b"\x08" + part[4:10] + b"name\0" + part[10:]
    arrival = message_in("d1", document, part, len(before))
    packed = pack_arrival(arrival)
    assert packed is not None
    kept, host = packed[:2]
    assert kept.packing == f"slice:{len(before)}" and kept.octets is None and kept.host is host
    assert (given_back(kept), given_back(host)) == (document, part)
    assert (kept.sha256, kept.size) == (hashlib.sha256(document).hexdigest(), len(document))


def test_what_no_piece_can_be_is_kept_for_itself() -> None:
    part = gzip.compress(b"<e>" + LINES + b"</e>", mtime=0)
    as_it_is = message_in("d1", LINES, part, 3)
    for arrival in (
        replace(as_it_is, document_at=None),
        replace(as_it_is, payloads={PayloadKind.DOCUMENT: LINES, PayloadKind.PART: b"<e>" + LINES + b"</e>"}),
        replace(as_it_is, payloads={PayloadKind.DOCUMENT: LINES}),
        replace(as_it_is, document_at=2 * IN_ROW),
        replace(as_it_is, message=replace(as_it_is.message, direction=Direction.OUT)),
    ):
        packed = pack_arrival(replace(arrival, part_sha256=""))
        assert packed is not None and packed[0].packing == "deflate" and given_back(packed[0]) == LINES
    assert pack_arrival(replace(as_it_is, payloads={**as_it_is.payloads, PayloadKind.PART: bytes(IN_ROW + 1)})) is None
    large = Evidence(kind="receipt", media_type="text/plain", octets=os.urandom(IN_ROW + 1))
    assert pack_arrival(replace(as_it_is, evidence=(large,))) is None


def test_a_digest_that_is_known_is_not_computed_again() -> None:
    assert pack(b"part", "known").sha256 == "known"
    packed = pack_arrival(replace(incoming("d1"), payloads={PayloadKind.PART: b"part"}, part_sha256="known"))
    assert packed is not None and packed[0].sha256 == "known"
    part = gzip.compress(b"<e>" + LINES + b"</e>", mtime=0)
    for arrival in (message_in("d1", LINES, part, 3), message_in("d1", LINES, part, None)):
        packed = pack_arrival(replace(arrival, document_sha256="taken"))
        assert packed is not None and packed[0].sha256 == "taken"


def test_only_a_receipt_after_its_envelope_shares_a_stream() -> None:
    def proofs(*kinds: str) -> list[str]:
        evidence = [Evidence(kind=kind, media_type="text/xml", octets=LINES + kind.encode()) for kind in kinds]
        packed = pack_proofs(evidence)
        assert packed is not None and [given_back(kept) for kept in packed] == [proof.octets for proof in evidence]
        return [kept.packing for kept in packed]

    shared, cut = "shared:1", f"slice:{len(LINES) + len('request-envelope')}"
    assert proofs("lookup", "smp", "request-envelope", "receipt", "mail") == [
        "deflate",
        "deflate",
        shared,
        cut,
        "deflate",
    ]
    assert proofs("receipt", "request-envelope") == ["deflate", "deflate"]
    assert proofs("request-envelope") == ["deflate"]
    assert proofs() == []
    assert pack_together(os.urandom(300), os.urandom(300))[1].packing == "plain"  # nothing in common, nothing won
    assert pack_together(bytes(IN_ROW), b"receipt")[1].packing in ("plain", "deflate")


def test_octets_in_one_stream_are_fewer() -> None:
    host, guest = pack_together(LINES, LINES + b"receipt")
    assert host.octets is not None and guest.octets is None
    assert len(host.octets) < sum(len(pack(octets).octets or b"") for octets in (LINES, LINES + b"receipt"))


@pytest.mark.parametrize("place", range(0, 300, 7))
def test_a_changed_octet_of_the_host_is_never_given_away(place: int) -> None:
    host, guest = pack_together(LINES, LINES[::-1])
    part = gzip.compress(b"<e>" + LINES + b"</e>", mtime=0)
    packed = pack_arrival(message_in("d1", LINES, part, 3))
    assert packed is not None
    for kept, octets, wanted in (
        (host, host.octets, LINES),
        (guest, host.octets, LINES[::-1]),
        (packed[0], part, LINES),
    ):
        assert octets is not None
        spoiled = bytearray(octets)
        spoiled[place % len(octets)] ^= 0x10
        try:
            assert (
                unpack(kept, bytes(spoiled)) == wanted
            )  # an octet that says nothing of the piece, as the time of gzip
        except StateError as error:
            assert "quarantined" in str(error)
        with pytest.raises(StateError, match="quarantined"):
            unpack(kept, octets[: min(place, len(octets) // 2)])


@pytest.mark.parametrize(
    "words",
    [
        "slice:4",
        "slice:2",
        "slice:-3",
        "slice:",
        "slice:03",
        "slice:3 ",
        "slice:99999999",
        "slice:131000",
        "shared:1",
        "shared:2",
        "",
        "zip",
    ],
)
def test_a_changed_packing_is_never_believed(words: str) -> None:
    part = gzip.compress(b"<e>" + LINES + b"</e>", mtime=0)
    packed = pack_arrival(message_in("d1", LINES, part, 3))
    assert packed is not None
    with pytest.raises(StateError, match="quarantined"):
        unpack(packed[0]._replace(packing=words), part)


def test_a_damaged_row_makes_nobody_inflate_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    raw = bomb[10:-8]
    asked: list[int] = []
    real = packing._inflated

    def noted(packed: bytes, most: int, *more: int) -> bytes:
        asked.append(most)
        return real(packed, most, *more)

    monkeypatch.setattr(packing, "_inflated", noted)
    for words, size in (("slice:0", 1000), ("slice:100000", 31_000), ("slice:100000", 10**9), ("shared:1", 1000)):
        kept = Kept(sha256="0" * 64, size=size, packing=words, octets=None)
        with pytest.raises(StateError, match="quarantined"):
            unpack(kept, raw if words == "shared:1" else bomb)
    assert max(asked) <= 2 * IN_ROW


def test_the_text_that_streams_are_packed_against_is_what_it_was() -> None:
    """Nobody could read what is stored, if it changed; a better one gets the next number."""
    text = packing._dictionary("1")
    assert hashlib.sha256(text).hexdigest() == "ca3a1edb824143672e07691be4770ffd4bc966bdd9a4e00f6a03364158e935d3"
    assert not re.search(rb"[A-Za-z0-9+/]{44}=", text)  # no digest, key or signature of anybody


@pytest.mark.parametrize("writes", ["zlib", "isal.isal_zlib"])
@pytest.mark.parametrize("reads", ["zlib", "isal.isal_zlib"])
def test_either_library_reads_what_the_other_wrote(monkeypatch: pytest.MonkeyPatch, writes: str, reads: str) -> None:
    envelope = b'<S12:Envelope xmlns:S12="http://www.w3.org/2003/05/soap-envelope"><S12:Header>' + LINES
    part = gzip.compress(b"<e>" + LINES + b"</e>", mtime=0)
    monkeypatch.setattr(packing, "_deflate", pytest.importorskip(writes))
    arrival = message_in("d1", LINES, part, 3)
    receipt = Evidence(kind="receipt", media_type="application/soap+xml", octets=LINES[::-1])
    packed = pack_arrival(
        replace(arrival, evidence=(replace(receipt, kind="request-envelope", octets=envelope), receipt))
    )
    assert packed is not None and [kept.packing for kept in packed[2:]] == ["shared:1", f"slice:{len(envelope)}"]
    monkeypatch.setattr(packing, "_deflate", pytest.importorskip(reads))
    assert [given_back(kept) for kept in packed] == [LINES, part, envelope, LINES[::-1]]
    assert given_back(pack(LINES)) == LINES
