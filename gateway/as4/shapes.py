"""Envelopes that look like one that was read before: the same elements, with other values.

A peer writes every envelope alike. After one of its envelopes was read whole and found good, all that may differ in
the next is in known places: ids and what refers to them, digests, signature, wrapped key, and the values of
eb:Messaging. Between those places the next envelope must be the same, octet for octet, and in them stands plain text
without any sign that XML knows. So it is the same tree; its canonical form is the one that was made then, with other
values; and what was checked of its form then holds again. Signature, certificate, digests and values are checked anew
each time.

A short cut and no second opinion: where anything is otherwise or does not hold, it gives nothing, and the envelope is
read whole, which says what is wrong. Only a message that was good throughout teaches a shape (``learning.py``), so
strangers teach none.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature

from gateway.as4.ebms import Acknowledged, Signal, UserMessage
from gateway.as4.usual import Layout, read_user_message
from gateway.as4.wss.encryption import Encryption
from gateway.as4.wss.references import Demand, Reference
from gateway.as4.wss.signature import PKCS1, SHA256, Signed, believe
from gateway.errors import InvalidMessage, RevocationUnknown
from gateway.model.often import made_often

TEXT: Final = b"\n !#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
"""What a value may hold: printable ASCII without the signs of markup, and the line ends of long base64."""
_DIGEST_SIZE: Final = 32
_KEYS: Final = 512
_SHAPES: Final = 4
"""Of one signer: a peer may have several forms, such as messages of different kinds."""
_MISSES: Final = 16
"""So often one signer's envelopes are studied without use; then its envelopes are not alike."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """One ds:Reference of the signature: which values are its URI and its digest, and what it names."""

    uri: int
    digest: int
    prefixes: list[str] | None
    spelled: Form
    """The element as a receipt repeats it."""
    target: Form | None
    """The element that it names; None for a part."""
    is_messaging: bool
    fixed: bytes | None
    """SHA-256 of an element without a value, such as the Body."""


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
    steps: tuple[tuple[bytes, bytes], ...]
    """For each value the octets before it, and the sign that ends it."""
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
    user: tuple[Layout, tuple[int, ...]] | None
    """How the values of a user message are to be read, and which they are; None where its text has to be read."""

    def match(self, octets: bytes) -> list[bytes] | None:
        """The values, when the octets are of this shape."""
        at = 0
        values: list[bytes] = []
        for literal, end in self.steps:
            if not octets.startswith(literal, at):
                return None
            at += len(literal)
            stop = octets.find(end, at)
            if stop <= at:
                return None
            values.append(octets[at:stop])
            at = stop
        plain = b"".join(values)
        if octets[at:] != self.tail or plain.translate(None, TEXT):
            return None
        if b"\n" in plain and any(b"\n" in values[place] for place in self.attributes):
            return None
        ids = {values[place] for place in self.ids}
        if len(ids) != len(self.ids) or any(values[name] != b"#" + values[id_] for name, id_ in self.names):
            return None
        return values


@made_often
@dataclass(frozen=True, slots=True)
class Recognised:
    """What an envelope of a known shape says, its signature verified."""

    signed: Signed
    encryption: Encryption | None
    signal: Signal | None
    user: UserMessage | None


@dataclass(slots=True)
class _Known:
    """The shapes of one signer, the one used last first."""

    shapes: list[Shape]
    misses: int = 0


class Shapes:
    """The shapes that were seen, by the certificates in the envelope."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}

    @property
    def known(self) -> int:
        """How many shapes are known."""
        return sum(len(known.shapes) for known in self._known.values())

    def read(
        self, octets: bytes, content_ids: tuple[str, ...], demand: Demand, whose: Sequence[bytes] = (b"",)
    ) -> Recognised | None:
        """Read and verify an envelope of a known shape; None says nothing but that it must be read whole.

        ``whose``: our certificates for which it may be encrypted.
        """
        known = self._known.get(_key(octets))
        if known is None or len(octets) > demand.limits.soap:
            return None
        for shape in tuple(known.shapes):
            if (values := shape.match(octets)) is not None:
                break
        else:
            return None
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
            if known.shapes[0] is not shape:
                known.shapes.sort(key=lambda other: other is not shape)
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
        known.shapes = [shape, *known.shapes][:_SHAPES]


def _verified(shape: Shape, values: list[bytes], content_ids: tuple[str, ...], demand: Demand) -> Recognised | None:
    signer = believe(shape.token, lambda: binascii.a2b_base64(shape.token), demand)
    signer.key.verify(
        _octets(values[shape.signature]),
        shape.signed_info.fill(values),
        PKCS1,
        SHA256,
    )
    messaging = b""
    references: list[Reference] = []
    parts: dict[str, bytes] = {}
    for covered in shape.covered:
        digest = binascii.a2b_base64(values[covered.digest], strict_mode=True)
        uri = values[covered.uri].decode()
        if covered.target is None:
            parts[unquote(uri[4:])] = digest
        elif covered.fixed is not None:
            if covered.fixed != digest:
                return None
        else:
            octets = covered.target.fill(values)
            if not hmac.compare_digest(hashlib.sha256(octets).digest(), digest):
                return None
            if covered.is_messaging:
                messaging = octets
        if len(digest) != _DIGEST_SIZE:
            return None
        references.append(Reference(uri, digest, covered.prefixes, None))
    signed = Signed(
        signer=signer,
        messaging=messaging,
        references=tuple(references),
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
