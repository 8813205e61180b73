"""Every octet counts: cut, flipped and bombed messages never do more than raise one of our own errors."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from gateway.as4.gzipped import compress, inflate
from gateway.as4.msh import Receiving, Request
from gateway.errors import GatewayError, InvalidMessage, PermanentError, UnreadableRequest
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import (
    CORPUS,
    DOCUMENT,
    NOW,
    World,
    outgoing,
    peer_identity,
    peer_trust,
    recorded,
    strict_limits,
)
from tests.as4.doors import receiving_of

pytestmark = pytest.mark.usefixtures("door")

GOLDEN = [
    ("phase4", "invoice-small", "POP000102"),
    ("oxalis", "invoice", "POP000104"),
    ("python-as4", "good-invoice", "POP000102"),
]


def ends_well(receiving: Receiving) -> bytes | None:
    """The document, or None after a proper refusal; anything else fails the test."""
    try:
        return receiving.read().document
    except InvalidMessage as error:
        assert error.code.startswith("EBMS:")
        receiving.error(error)
    except UnreadableRequest as error:
        assert error.status in (400, 413, 415)
    return None


def test_a_message_cut_anywhere_is_refused(world: World, request_of_c2: Request) -> None:
    body = request_of_c2.body
    whole = body.rindex(b"--\r\n") + 2
    for length in range(0, whole, 100):
        assert ends_well(world.receiving(request_of_c2.content_type, body[:length])) is None


def test_one_changed_octet_is_refused_or_changes_nothing(world: World, request_of_c2: Request) -> None:
    chance = random.Random(7)
    kept = 0
    for place in range(0, len(request_of_c2.body), 41):
        spoiled = bytearray(request_of_c2.body)
        spoiled[place] ^= 1 << chance.randrange(8)
        document = ends_well(world.receiving(request_of_c2.content_type, bytes(spoiled)))
        assert document in (None, DOCUMENT)
        kept += document is not None
    assert kept < 40  # what stands outside the signature: MIME headers and some attributes


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded messages (../shared/corpus/as4) are absent")
@pytest.mark.parametrize(("folder", "name", "seat"), GOLDEN)
def test_a_recorded_message_cut_or_changed_is_refused(folder: str, name: str, seat: str) -> None:
    message = recorded(folder, name)

    def receiving(body: bytes) -> Receiving:
        return receiving_of(
            message.content_type,
            body,
            identity=peer_identity(seat),
            trust=peer_trust(),
            now=NOW,
            unwrap=unwrap,
        )

    good = ends_well(receiving(message.body))
    assert good
    for length in range(0, len(message.body) - 4, 200):
        assert ends_well(receiving(message.body[:length])) is None
    chance = random.Random(11)
    for place in range(0, len(message.body), 211):
        spoiled = bytearray(message.body)
        spoiled[place] ^= 1 << chance.randrange(8)
        assert ends_well(receiving(bytes(spoiled))) in (None, good)


def test_noise_is_refused(world: World) -> None:
    chance = random.Random(3)
    types = [
        "",
        "multipart/related",
        "application/soap+xml",
        'multipart/related; boundary="b"',
        "\x00",
        "a/b; c=d; c=e",
    ]
    pieces = [
        b"--b",
        b"--b--",
        b"\r\n",
        b"\r\n\r\n",
        b"<",
        b"<a>",
        b"Content-ID: x",
        b"\xff",
        b"\x00",
        b"Content-Type: ",
        b": ",
    ]
    for _ in range(3000):
        body = b"".join(chance.choices(pieces, k=chance.randrange(12)))
        assert ends_well(world.receiving(chance.choice(types), body)) is None


@pytest.mark.parametrize("size", [2 << 20, 50 << 20])
def test_a_bomb_is_refused_before_it_is_unpacked(world: World, size: int) -> None:
    part = compress(b"\0" * size)
    assert len(part) * 150 < size
    with pytest.raises(InvalidMessage, match="too large") as raised:
        world.read(world.sending(outgoing(part=part)).request(), limits=strict_limits(ratio_free=1 << 20, ratio=20))
    assert raised.value.code == "EBMS:0303"


def test_a_bomb_takes_no_more_memory_than_is_allowed() -> None:
    bomb = compress(b"\0" * (50 << 20))
    tracemalloc.start()
    with pytest.raises(InvalidMessage):
        inflate(bomb, strict_limits(ratio_free=1 << 20, ratio=1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize(
    "part",
    [b"not gzip", compress(DOCUMENT)[:-1], compress(DOCUMENT)[:-9], compress(DOCUMENT) + b"x", compress(DOCUMENT) * 2],
)
def test_gzip_is_one_whole_member(world: World, part: bytes) -> None:
    with pytest.raises(InvalidMessage) as raised:
        world.read(world.sending(outgoing(part=part)).request())
    assert raised.value.code == "EBMS:0303"


def test_signals_of_noise_are_our_own_errors_too(world: World, request_of_c2: Request) -> None:
    receiving = world.receiving(request_of_c2.content_type, request_of_c2.body)
    receiving.read()
    receipt = receiving.receipt()
    for place in range(0, len(receipt), 37):
        spoiled = bytearray(receipt)
        spoiled[place] ^= 4
        try:
            world.sending().close(200, "application/soap+xml", bytes(spoiled))
        except GatewayError as error:
            assert isinstance(error, PermanentError) or error.temporary
    for length in range(0, len(receipt), 50):
        with pytest.raises(GatewayError):
            world.sending().close(200, "application/soap+xml", receipt[:length])
