"""Envelopes that look like one that was read before: the same elements, with other values.

A peer writes every envelope alike. After one of its envelopes was read whole and found good, all that may differ in
the next is in known places: ids and what refers to them, digests, signature, wrapped key, and the values of
eb:Messaging. Between those places the next envelope must be the same, octet for octet, and in them stands plain text
without any sign that XML knows. So it is the same tree; its canonical form is the one that was made then, with other
values; and what was checked of its form then holds again. Signature, certificate, digests and values are checked anew
each time.

Most of those values are alike too in all that a peer sends: parties, roles, agreement, names of ids. What was alike in
all envelopes of a shape so far is text of a narrower shape, which is tried first; the first envelope in which one of
these values differs makes it wider again, by this value and for good.

A short cut and no second opinion: where anything is otherwise or does not hold, it gives nothing, and the envelope is
read whole, which says what is wrong. Only a message that was good throughout teaches a shape (``learning.py``), so
strangers teach none.
"""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature

from gateway.as4.ebms import Acknowledged, Signal, UserMessage
from gateway.as4.limits import Limits
from gateway.as4.shape import Acknowledging, Shape, digest_of
from gateway.as4.usual import read_user_message
from gateway.as4.wss.encryption import Encryption
from gateway.as4.wss.references import Demand
from gateway.as4.wss.signature import PKCS1, SHA256, Signed, believe
from gateway.errors import InvalidMessage, RevocationUnknown
from gateway.model.often import made_often

_DIGEST_SIZE: Final = 32
_KEYS: Final = 512
_SHAPES: Final = 4
"""Of one signer: a peer may have several forms, such as messages of different kinds."""
_MISSES: Final = 16
"""So often one signer's envelopes are studied without use; then its envelopes are not alike."""


@made_often
@dataclass(frozen=True, slots=True)
class Recognised:
    """What an envelope of a known shape says, its signature verified."""

    signed: Signed
    encryption: Encryption | None
    signal: Signal | None
    user: UserMessage | None


@dataclass(slots=True)
class _Habit:
    """A shape, and the narrower one of what was alike in all its envelopes so far."""

    shape: Shape
    alike: frozenset[int]
    narrow: Shape | None = None

    def match(self, octets: bytes) -> tuple[Shape, list[bytes]] | None:
        """The narrowest shape that the octets have, and their values."""
        for shape in (self.narrow, self.shape):
            if shape is not None and (values := shape.match(octets)) is not None:
                return shape, values
        return None

    def widen(self, values: Sequence[bytes], limits: Limits) -> None:
        """Let these values differ from now on, where they do."""
        first = self.shape.values
        self.alike = frozenset(place for place in self.alike if values[place] == first[place])
        self.narrow = self.shape.narrowed(values, self.alike, limits)


@dataclass(slots=True)
class _Known:
    """The shapes of one signer, the one used last first."""

    habits: list[_Habit]
    misses: int = 0


class Shapes:
    """The shapes that were seen, by the certificates in the envelope."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}

    @property
    def known(self) -> int:
        """How many shapes are known."""
        return sum(len(known.habits) for known in self._known.values())

    def read(
        self, octets: bytes, content_ids: tuple[str, ...], demand: Demand, whose: Sequence[bytes] = (b"",)
    ) -> Recognised | None:
        """Read and verify an envelope of a known shape; None says nothing but that it must be read whole.

        ``whose``: our certificates for which it may be encrypted.
        """
        known = self._known.get(_key(octets))
        if known is None or len(octets) > demand.limits.soap:
            return None
        for habit in tuple(known.habits):
            if (match := habit.match(octets)) is not None:
                break
        else:
            return None
        shape, values = match
        if shape.whose not in whose or not len(shape.media_types) == len(content_ids) == len({*content_ids} - {""}):
            return None
        try:
            for name, part in shape.part_names:
                if values[name][:4] != b"cid:" or unquote(values[name][4:].decode()) != content_ids[part]:
                    return None
            found = _verified(shape, values, content_ids, demand)
        except (InvalidMessage, RevocationUnknown, InvalidSignature, ValueError):
            return None
        if found is not None:
            known.misses = 0
            if shape is habit.shape:
                habit.widen(values, demand.limits)
            if known.habits[0] is not habit:
                known.habits.sort(key=lambda other: other is not habit)
        return found

    def wants(self, octets: bytes) -> bool:
        """Whether an envelope that was not recognised is worth being studied; counts it."""
        key = _key(octets)
        if not key:
            return False
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEYS:
                self._known.clear()
            known = self._known[key] = _Known([])
        known.misses += 1
        return known.misses <= _MISSES

    def keep(self, octets: bytes, shape: Shape | None) -> None:
        """Remember the shape that this envelope has, if any could be made of it."""
        if shape is None:
            return
        known = self._known.setdefault(_key(octets), _Known([]))
        known.habits = [_Habit(shape, frozenset(range(len(shape.values)))), *known.habits][:_SHAPES]


def _verified(shape: Shape, values: list[bytes], content_ids: tuple[str, ...], demand: Demand) -> Recognised | None:
    signer = believe(shape.token, lambda: binascii.a2b_base64(shape.token), demand)
    signer.key.verify(
        _octets(values[shape.signature]),
        shape.signed_info.fill(values),
        PKCS1,
        SHA256,
    )
    messaging = b""
    said: list[tuple[str, str]] = []
    parts: dict[str, bytes] = {}
    for covered in shape.covered:
        uri, digest = values[covered.uri].decode(), values[covered.digest]
        if covered.part is not None:
            parts[content_ids[covered.part]] = octets = binascii.a2b_base64(digest, strict_mode=True)
            # Base64 leaves two bits free at the end of a digest: one spelling is usual.
            if len(octets) != _DIGEST_SIZE or binascii.b2a_base64(octets, newline=False) != digest:
                return None
        elif covered.target is not None:
            octets = covered.target.fill(values)
            if not hmac.compare_digest(digest_of(octets), digest):
                return None
            if covered.is_messaging:
                messaging = octets
        said.append((uri, digest.decode()))
    signed = Signed(
        signer=signer,
        messaging=messaging,
        covered=tuple(said),
        parts=parts,
        spelled=shape.spelled.fill(values).decode(),
    )
    encryption = None
    if shape.key is not None:
        media_types = dict(zip(content_ids, shape.media_types, strict=True))
        encryption = Encryption(_octets(values[shape.key]), media_types, shape.whose)
    if shape.receipt is not None:
        return Recognised(signed, encryption, _signal(shape.receipt, values), None)
    if shape.user is None:
        return Recognised(signed, encryption, None, read_user_message(messaging, demand.limits))
    layout, places = shape.user
    user = layout.read([values[place].decode() for place in places], demand.limits)
    return Recognised(signed, encryption, None, user)


def _octets(value: bytes) -> bytes:
    """Base64, in lines or not; raises ``ValueError``."""
    octets = binascii.a2b_base64(value.replace(b"\n", b""), strict_mode=True)
    if not octets:
        raise ValueError("nothing is there")
    return octets


def _signal(receipt: Acknowledging, values: list[bytes]) -> Signal:
    return Signal(
        message_id=values[receipt.message_id].decode().strip(),
        ref_to=values[receipt.ref_to].decode().strip(),
        errors=(),
        receipt=tuple(
            Acknowledged(values[uri].decode(), algorithm, "".join(values[digest].decode().split()))
            for uri, algorithm, digest in receipt.references
        ),
    )


def _key(octets: bytes) -> bytes:
    """The first two tokens of the envelope: whom it is from, and whom it is for."""
    first, end = _token(octets, 0)
    return first + _token(octets, end)[0] if first else b""


def _token(octets: bytes, at: int) -> tuple[bytes, int]:
    at = octets.find(b"BinarySecurityToken ", at)
    if at < 0:
        return b"", -1
    start = octets.find(b">", at) + 1
    end = octets.find(b"<", start)
    return (octets[start:end], end + 22) if 0 < start < end else (b"", -1)
