"""One form of envelope: the octets between its values, what each value is, and what of it was signed.

It is made of an envelope that was read whole (``learning.py``) and used by ``shapes.py``, which says why that is safe.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.as4.limits import Limits
from gateway.as4.usual import Draft, Layout

TEXT: Final = b"\n !#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
"""What a value may hold: printable ASCII without the signs of markup, and the line ends of long base64."""


def digest_of(octets: bytes) -> bytes:
    """SHA-256 in base64, as a signature has it."""
    return binascii.b2a_base64(hashlib.sha256(octets).digest(), newline=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Canonical text with holes: the octets between the holes, and the value that goes into each."""

    pieces: tuple[bytes, ...]
    holes: tuple[int, ...]

    @staticmethod
    def joined(forms: Sequence[Form], before: bytes, after: bytes) -> Form:
        """Forms one after another, each between these octets."""
        pieces: list[bytes] = [b""]
        for form in forms:
            first, *others = form.pieces
            pieces[-1] += before + first
            pieces += others
            pieces[-1] += after
        return Form(tuple(pieces), tuple(hole for form in forms for hole in form.holes))

    def fill(self, values: Sequence[bytes] | Mapping[int, bytes]) -> bytes:
        """The canonical octets with these values."""
        octets = [b""] * (2 * len(self.holes) + 1)
        octets[::2] = self.pieces
        octets[1::2] = [values[hole] for hole in self.holes]
        return b"".join(octets)

    def narrowed(self, values: Sequence[bytes], alike: frozenset[int]) -> Form:
        """The same text with the values that are alike in their places."""
        pieces, holes = [self.pieces[0]], []
        for hole, piece in zip(self.holes, self.pieces[1:], strict=True):
            if hole in alike:
                pieces[-1] += values[hole] + piece
            else:
                holes.append(hole)
                pieces.append(piece)
        return Form(tuple(pieces), tuple(holes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """One ds:Reference of the signature: which values are its URI and its digest, and what it names."""

    uri: int
    digest: int
    spelled: Form
    """The element as a receipt repeats it."""
    part: int | None
    """The part that it names; None for an element."""
    target: Form | None
    """The element that it names; None for a part, and for an element that is alike in all, as its digest is."""
    is_messaging: bool

    def narrowed(self, values: Sequence[bytes], alike: frozenset[int]) -> Covered:
        """The same where these values are alike: the digest of an element without others was compared then."""
        target = None if self.target is None else self.target.narrowed(values, alike)
        if target is not None and not target.holes and self.digest in alike and not self.is_messaging:
            target = None
        return replace(self, target=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """Where a receipt has its ids and the references that it repeats (URI, algorithm, digest)."""

    message_id: int
    ref_to: int
    references: tuple[tuple[int, str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One form of envelope. Numbers are places of values, in the order of the octets."""

    whose: bytes
    """Our certificate, which it was encrypted for; empty for an answer."""
    values: tuple[bytes, ...]
    """Those of an envelope that was read by it. What stands in no step is alike in all."""
    steps: tuple[tuple[int, bytes, bytes], ...]
    """A value, the octets before it, and the sign that ends it."""
    tail: bytes
    attributes: tuple[int, ...]
    """The values of attributes, in which a parser would change a line end."""
    ids: tuple[int, ...]
    """All ids; no two may be equal."""
    names: tuple[tuple[int, int], ...]
    """(reference, id): ``#`` and that id."""
    part_names: tuple[tuple[int, int], ...]
    """(reference, part): ``cid:`` and the Content-ID of that part."""
    signed_info: Form
    covered: tuple[Covered, ...]
    signature: int
    token: str
    """The signer's certificate as it stands in the envelope."""
    key: int | None
    media_types: tuple[str, ...]
    """Of each part, before encryption."""
    receipt: Acknowledging | None
    spelled: Form
    """All references as a receipt repeats them."""
    user: tuple[Layout | Draft, tuple[int, ...]] | None
    """How the values of a user message are to be read, and which they are; None where its text has to be read."""

    def match(self, octets: bytes) -> list[bytes] | None:
        """The values, when the octets are of this shape."""
        at = 0
        values = [*self.values]
        found: list[bytes] = []
        for place, literal, end in self.steps:
            if not octets.startswith(literal, at):
                return None
            at += len(literal)
            stop = octets.find(end, at)
            if stop <= at:
                return None
            values[place] = value = octets[at:stop]
            found.append(value)
            at = stop
        plain = b"".join(found)
        if octets[at:] != self.tail or plain.translate(None, TEXT):
            return None
        if b"\n" in plain and any(b"\n" in values[place] for place in self.attributes):
            return None
        if self.ids and len({values[place] for place in self.ids}) != len(self.ids):
            return None
        for name, id_ in self.names:
            if values[name] != b"#" + values[id_]:
                return None
        return values

    def narrowed(self, values: Sequence[bytes], alike: frozenset[int], limits: Limits) -> Shape:
        """The same for envelopes in which these values are alike, of one that was read by it."""
        steps: list[tuple[int, bytes, bytes]] = []
        text = b""
        for place, literal, end in self.steps:
            text += literal
            if place in alike:
                text += values[place]
            else:
                steps.append((place, text, end))
                text = b""
        return replace(
            self,
            values=tuple(values),
            steps=tuple(steps),
            tail=text + self.tail,
            attributes=tuple(place for place in self.attributes if place not in alike),
            ids=() if alike.issuperset(self.ids) else self.ids,
            names=tuple(pair for pair in self.names if not alike.issuperset(pair)),
            signed_info=self.signed_info.narrowed(values, alike),
            covered=tuple(one.narrowed(values, alike) for one in self.covered),
            spelled=self.spelled.narrowed(values, alike),
            user=self._user(values, alike, limits),
        )

    def _user(
        self, values: Sequence[bytes], alike: frozenset[int], limits: Limits
    ) -> tuple[Layout | Draft, tuple[int, ...]] | None:
        if self.user is None or not isinstance(layout := self.user[0], Layout):
            return self.user
        places, fresh = self.user[1], layout.fresh
        if not alike.issuperset(place for number, place in enumerate(places) if number not in fresh):
            return self.user
        draft = layout.draft([values[place].decode() for place in places], limits)
        return self.user if draft is None else (draft, tuple(places[number] for number in fresh))
