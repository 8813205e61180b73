"""Envelopes of a known shape: read the short way, they say what the whole reading says, and nothing else is let in."""

from __future__ import annotations

import binascii
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from gateway.as4 import learning, mime, soap
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Receiving, Request
from gateway.as4.shape import Form, Shape, digest_of
from gateway.as4.shapes import Shapes
from gateway.errors import GatewayError, InvalidMessage, UnreadableRequest
from gateway.model.identifiers import ParticipantId, ProcessId
from gateway.model.message import Received
from gateway.model.signals import Receipt
from gateway.ubl.sbdh import unwrap
from tests.as4.as4_parts import (
    CORPUS,
    ENVELOPE,
    NOW,
    Recorded,
    World,
    outgoing,
    peer_identity,
    peer_trust,
    recorded,
    vectors,
)
from tests.as4.test_vectors import RECEIVER

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
"""Of base64."""


def never(*_: Any) -> Any:
    raise AssertionError("the envelope was read whole")


def reading(world: World, request: Request, shapes: Shapes | None) -> Receiving:
    return Receiving(
        request.content_type,
        request.body,
        identity=world.c3,
        trust=world.trust,
        now=NOW,
        unwrap=unwrap,
        shapes=shapes,
    )


def outcome(read: Callable[[], Received]) -> object:
    """What came out: the message, or the error in the words that the peer gets."""
    try:
        return read()
    except InvalidMessage as error:
        return error.code, error.detail
    except UnreadableRequest as error:
        return error.status, str(error)
    except GatewayError as error:
        return type(error), str(error)


@pytest.fixture(params=[False, True], ids=["after one", "after two"])
def taught(world: World, request: pytest.FixtureRequest) -> Shapes:
    """By the second message what is alike is text of the shape, by the first nothing is."""
    shapes = Shapes()
    world.teach(shapes, often=request.param)
    return shapes


def another(world: World) -> Request:
    """A second message of the same peer, in which everything differs that may."""
    message = outgoing(message_id="c5a9e3d0-0001-4f0e-9a24-6d0a3b5f2c11@pop000001.as4", conversation_id="another")
    return world.sending(message).request()


def test_the_second_message_is_read_by_its_values_and_says_the_same(world: World, taught: Shapes) -> None:
    request = another(world)
    whole = reading(world, request, None)
    expected = whole.read()
    with mock.patch.object(soap, "read_envelope", never):
        short = reading(world, request, taught)
        assert short.read() == expected
    assert short._signed is not None and whole._signed is not None
    assert short._signed.repeated == whole._signed.repeated
    assert taught.known == 1


def test_what_looks_like_base64_is_no_mark_of_ours(world: World) -> None:
    """Some signature or wrapped key holds a v, four digits and a v: it is studied all the same."""
    shapes = Shapes()
    message = outgoing(conversation_id="av0001vb", message_id="v1234v@pop000001.as4")
    reading(world, world.sending(message).request(), shapes).read()
    assert shapes.known == 1
    with mock.patch.object(soap, "read_envelope", never):
        assert reading(world, another(world), shapes).read().conversation_id == "another"


def test_a_receipt_is_read_by_its_values_too(world: World, request_of_c2: Request) -> None:
    answers = Shapes()
    for number in range(2):
        sending = world.sending(outgoing(message_id=f"message-{number}@pop000001.as4"), shapes=answers)
        request = sending.request()
        receiving = reading(world, request, None)
        receiving.read()
        answer = receiving.receipt()
        if not number:
            sending.close(200, "application/soap+xml", answer)
        else:
            with mock.patch.object(soap, "read_envelope", never):
                receipt = sending.close(200, "application/soap+xml", answer)
            assert isinstance(receipt, Receipt) and receipt.ref_to == "message-1@pop000001.as4"
            assert receipt.message_id.encode() in answer and receipt.signer == world.c3.common_name
            other = world.sending(outgoing(message_id="message-2@pop000001.as4"), shapes=answers)
            with pytest.raises(GatewayError, match="another message"):
                other.close(200, "application/soap+xml", answer)
    assert answers.known == 1


def _recorded(folder: str, message: Recorded, shapes: Shapes | None) -> Receiving:
    return Receiving(
        message.content_type,
        message.body,
        identity=peer_identity(RECEIVER[folder]),
        trust=peer_trust(),
        now=NOW,
        unwrap=unwrap,
        shapes=shapes,
    )


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded messages (../shared/corpus/as4) are absent")
@pytest.mark.parametrize("folder", sorted(RECEIVER))
def test_what_foreign_access_points_send_has_a_shape_and_is_read_by_it(folder: str) -> None:
    read, unlike = 0, []
    for entry in vectors(folder):
        message, shapes = recorded(folder, entry["name"]), Shapes()
        expected = outcome(_recorded(folder, message, shapes).read)
        if not isinstance(expected, Received):
            assert not shapes.known
            continue
        read += 1
        if not shapes.known:
            unlike.append(entry["name"])
            continue
        with mock.patch.object(soap, "read_envelope", never):
            assert outcome(_recorded(folder, message, shapes).read) == expected
    assert read and unlike in ([], ["comment-in-messageid"]), unlike


def _pieces(request: Request) -> tuple[int, int, bytes]:
    at = request.body.index(request.soap)
    return at, at + len(request.soap), request.soap


def _changed(request: Request, envelope: bytes) -> Request:
    start, end, _ = _pieces(request)
    return Request(
        content_type=request.content_type,
        body=request.body[:start] + envelope + request.body[end:],
        soap=envelope,
    )


def agree(world: World, taught: Shapes, envelope: bytes, request: Request) -> object:
    """The short and the whole reading come to the same end; gives it. What was taught stays as it was."""
    changed = _changed(request, envelope)
    shapes = Shapes()
    for key, known in taught._known.items():
        shapes._known[key] = replace(known, habits=[replace(habit) for habit in known.habits])
    found = outcome(reading(world, changed, shapes).read)
    assert found == outcome(reading(world, changed, None).read)
    return found


def test_one_octet_changed_or_put_in_anywhere_ends_as_in_the_whole_reading(world: World, taught: Shapes) -> None:
    request = another(world)
    envelope = request.soap
    chance = random.Random(5)
    good = 0
    for at in sorted(chance.sample(range(len(envelope)), 400)):
        octet = chance.choice(
            (b"<", b"&", b">", b'"', b"'", b"\n", b"\r", b" ", b"x", b"=", b"\x00", b"\xc3", b"/", b"#")
        )
        after = at + chance.randrange(2)
        good += isinstance(agree(world, taught, envelope[:at] + octet + envelope[after:], request), Received)
    assert good < 40  # blanks in the markup and what is not signed


def _habit(taught: Shapes) -> Any:
    (known,) = taught._known.values()
    return known.habits[0]


def _slots(taught: Shapes, envelope: bytes) -> tuple[Shape, list[bytes]]:
    shape: Shape = _habit(taught).shape
    values = shape.match(envelope)
    assert values is not None
    return shape, values


def _written(shape: Shape, values: list[bytes]) -> bytes:
    return b"".join(literal + value for (_, literal, _), value in zip(shape.steps, values, strict=True)) + shape.tail


def _signed_anew(world: World, shape: Shape, values: list[bytes], *, digests: bool = True) -> bytes:
    """The envelope as C2 itself would have it with these values."""
    values = list(values)
    for covered in shape.covered:
        if digests and covered.target is not None:
            values[covered.digest] = digest_of(covered.target.fill(values))
    signature = world.c2.signer.sign(shape.signed_info.fill(values))
    values[shape.signature] = binascii.b2a_base64(signature, newline=False)
    return _written(shape, values)


def test_values_in_each_others_place_end_as_in_the_whole_reading(world: World, taught: Shapes) -> None:
    request = another(world)
    shape, values = _slots(taught, request.soap)
    assert _written(shape, values) == request.soap
    for one in range(len(values)):
        for other in range(len(values)):
            if values[one] != values[other]:
                swapped = list(values)
                swapped[one] = values[other]
                agree(world, taught, _written(shape, swapped), request)
                agree(world, taught, _signed_anew(world, shape, swapped), request)


def test_a_digest_that_was_signed_is_compared_and_told_in_its_usual_spelling(world: World, taught: Shapes) -> None:
    request = another(world)
    shape, values = _slots(taught, request.soap)
    taken = 0
    for covered in shape.covered:
        right = values[covered.digest]
        spelled = right[:-2] + bytes((ALPHABET[ALPHABET.index(right[-2]) + 1],)) + b"="  # of two bits nobody reads
        for digest in (right, spelled, right[1:] + right[:1], b"AAAA", digest_of(b"")):
            changed = [*values[: covered.digest], digest, *values[covered.digest + 1 :]]
            envelope = _signed_anew(world, shape, changed, digests=False)
            found = agree(world, taught, envelope, request)
            assert isinstance(found, Received) == (digest in (right, spelled))
            taken += isinstance(found, Received)
    assert taken == 2 * len(shape.covered)


@pytest.mark.parametrize("value", [b"", b" ", b"\n", b"a&#x41;b", b"<x/>", b"\xc3\xa5", b"a>b", b"%23", b"cid:", b"#"])
def test_strange_values_end_as_in_the_whole_reading(world: World, taught: Shapes, value: bytes) -> None:
    request = another(world)
    shape, values = _slots(taught, request.soap)
    for place in range(len(values)):
        for strange in (value, values[place] + value, value + values[place]):
            agree(world, taught, _written(shape, [*values[:place], strange, *values[place + 1 :]]), request)


def _mutants(shape: Shape, envelope: bytes, chance: random.Random) -> Iterator[bytes]:
    values = shape.match(envelope)
    assert values is not None and _written(shape, values) == envelope
    yield envelope
    for place, value in enumerate(values):
        for strange in (b"", b" ", b"\n", b"x", b"<", b'"', value, chance.choice(values)):
            for put in (value + strange, strange):
                yield _written(shape, [*values[:place], put, *values[place + 1 :]])
    for name, id_ in shape.names:  # an id that is named changes with what names it, or alone
        for new in (b"other", values[name][1:] + b"x", values[chance.choice(shape.ids)]):
            changed = list(values)
            changed[id_] = new
            yield _written(shape, changed)
            changed[name] = b"#" + new
            yield _written(shape, changed)
    for at in chance.sample(range(len(envelope)), 2_000):
        octet = chance.choice((b"", b"<", b'"', b">", b"\n", b"x", envelope[at - 1 : at]))
        yield envelope[:at] + octet + envelope[at + chance.randrange(2) :]


def takes_the_same_or_nothing(narrow: Shape, shape: Shape, envelope: bytes) -> int:
    """The narrower shape reads of changed envelopes what the wider reads of them; how many it took."""
    taken = 0
    for mutant in _mutants(shape, envelope, random.Random(7)):
        if (found := narrow.match(mutant)) is None:
            continue
        taken += 1
        assert found == shape.match(mutant), mutant
        assert narrow.signed_info.fill(found) == shape.signed_info.fill(found)
        assert narrow.spelled.fill(found) == shape.spelled.fill(found)
        for one, other in zip(narrow.covered, shape.covered, strict=True):
            if one.target is not None and other.target is not None:
                assert one.target.fill(found) == other.target.fill(found)
            elif other.target is not None:  # not to be compared again
                assert found[other.digest] == digest_of(other.target.fill(found))
        said = [
            user and user[0].read([found[place].decode() for place in user[1]], LIMITS)
            for user in (narrow.user, shape.user)
        ]
        assert said[0] == said[1]
    return taken


def test_the_narrower_shape_takes_what_the_wider_takes_or_nothing(world: World) -> None:
    shapes = Shapes()
    world.teach(shapes)
    habit = _habit(shapes)
    assert len(habit.narrow.steps) < 15 < len(habit.shape.steps)
    assert takes_the_same_or_nothing(habit.narrow, habit.shape, another(world).soap) > 20


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded messages (../shared/corpus/as4) are absent")
@pytest.mark.parametrize("folder", sorted(RECEIVER))
def test_what_one_foreign_access_point_writes_alike_is_read_as_its_messages_are_whole(folder: str) -> None:
    shapes = Shapes()
    messages = [recorded(folder, entry["name"]) for entry in vectors(folder)]
    expected = [(message, outcome(_recorded(folder, message, None).read)) for message in messages]
    good = [(message, found) for message, found in expected if isinstance(found, Received)]
    for _ in range(2):
        for message, found in good:
            assert outcome(_recorded(folder, message, shapes).read) == found
    habits = [habit for known in shapes._known.values() for habit in known.habits if habit.narrow is not None]
    for habit in habits:
        assert habit.narrow is not None
        assert takes_the_same_or_nothing(habit.narrow, habit.shape, _written(habit.shape, list(habit.shape.values)))
    assert any(0 < len(habit.narrow.steps) < len(habit.shape.steps) for habit in habits if habit.narrow is not None)


def test_the_digest_of_what_is_alike_is_compared_once_if_it_is_alike_too(world: World, taught: Shapes) -> None:
    shape, values = _slots(taught, another(world).soap)
    everything = frozenset(range(len(values)))
    _, body, part = sorted(shape.covered, key=lambda one: (one.part is not None, not one.is_messaging))
    assert part.target is None and body.target is not None
    narrow = {one.digest: one.target for one in shape.narrowed(values, everything, LIMITS).covered}
    assert narrow[body.digest] is None
    for differs in (body.digest, *body.target.holes):
        narrow = {one.digest: one.target for one in shape.narrowed(values, everything - {differs}, LIMITS).covered}
        assert narrow[body.digest] is not None


def test_the_same_message_again_and_again_says_what_it_says_when_read_whole(world: World) -> None:
    shapes = Shapes()
    request = another(world)
    whole = reading(world, request, None)
    expected = whole.read()
    for _ in range(3):
        short = reading(world, request, shapes)
        assert short.read() == expected
        assert short._signed is not None and whole._signed is not None
        assert short._signed.messaging == whole._signed.messaging
        assert short._signed.repeated == whole._signed.repeated
    assert not _habit(shapes).narrow.steps


@pytest.mark.parametrize(
    ("changes", "is_new"),
    [
        ({"envelope": replace(ENVELOPE, receiver=ParticipantId.parse("0088:7300010000002"))}, True),
        ({"envelope": replace(ENVELOPE, process=ProcessId.parse("urn:another"))}, True),
        ({"timestamp": NOW.replace(year=2030)}, False),
    ],
    ids=["receiver", "service", "time"],
)
def test_what_was_alike_so_far_may_differ(world: World, changes: dict[str, Any], is_new: bool) -> None:
    shapes = Shapes()
    world.teach(shapes)
    habit = _habit(shapes)
    before = habit.alike
    message = outgoing(**changes, message_id="other@pop000001.as4")
    requests = [world.sending(message).request(), another(world)]
    expected = [reading(world, request, None).read() for request in requests]
    with mock.patch.object(soap, "read_envelope", never):
        assert [reading(world, request, shapes).read() for request in requests] == expected
    assert all(habit.narrow.match(request.soap) is not None for request in requests)
    assert habit.alike < before if is_new else habit.alike == before
    assert shapes.known == 1


def test_a_message_for_another_certificate_of_ours_is_not_recognised(world: World, taught: Shapes) -> None:
    request = another(world)
    message = mime.read_message(request.content_type, request.body, LIMITS)
    content_ids = tuple(part.content_id for part in message.parts)
    receiving = reading(world, request, taught)
    assert taught.read(message.soap, content_ids, receiving._demand, world.c3.der) is not None
    assert taught.read(message.soap, content_ids, receiving._demand, world.c2.der) is None
    assert taught.read(message.soap, (content_ids[0] + "x",), receiving._demand, world.c3.der) is None
    assert taught.read(message.soap, (), receiving._demand, world.c3.der) is None


@pytest.mark.parametrize("changed", ["target", "spelled"])
def test_a_shape_that_does_not_give_what_the_whole_reading_gave_is_not_kept(world: World, changed: str) -> None:
    made = learning._Study._covered

    def wrong(study: Any, elements: Any) -> Any:
        first, *rest = made(study, elements)
        return [
            replace(
                first, **{changed: Form((*getattr(first, changed).pieces[:-1], b"x"), getattr(first, changed).holes)}
            ),
            *rest,
        ]

    shapes = Shapes()
    with mock.patch.object(learning._Study, "_covered", wrong):
        assert isinstance(reading(world, another(world), shapes).read(), Received)
    assert shapes.known == 0


def test_an_envelope_that_cannot_be_studied_is_taken_all_the_same(world: World) -> None:
    shapes = Shapes()
    with mock.patch.object(learning, "canonicalization", side_effect=ValueError("odd")):
        assert isinstance(reading(world, another(world), shapes).read(), Received)
    assert shapes.known == 0


def test_a_refused_message_teaches_nothing(world: World) -> None:
    shapes = Shapes()
    request = another(world)
    spoiled = Request(content_type=request.content_type, body=request.body[:-60] + b"x" + request.body[-59:], soap=b"")
    assert isinstance(outcome(reading(world, spoiled, shapes).read), tuple)
    assert shapes.known == 0


def test_a_peer_whose_envelopes_are_never_alike_is_studied_no_longer(world: World) -> None:
    shapes = Shapes()
    request = another(world)
    for _ in range(16):
        assert shapes.wants(request.soap)
    assert not shapes.wants(request.soap)
