"""Messages that are too large for memory: the exchange of ``msh.py`` with files instead of octets.

The order of the checks, their code and their refusals are those of ``msh.py``; here stands only how the body is split,
the part opened and inflated, and the request written. What was read becomes visible to nobody before ``read`` returns,
that is before signature, tag and digest were found good.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from gateway.as4 import filemime, mime
from gateway.as4.gzipped import allowed_size, compressor, refusal
from gateway.as4.limits import Limits
from gateway.as4.msh import Opened, Receiving, Sending
from gateway.as4.wss.encryption import IV, TAG, addressee
from gateway.as4.wss.streamed import encrypted, open_files
from gateway.as4.wss.write import seal_key, write_envelope
from gateway.files.spool import STEP, Place, Spool, Writing, pieces
from gateway.model.document import Unwrapped
from gateway.model.octets import Octets, Spooled

UnwrapLarge = Callable[[Spooled, Path], Unwrapped]
"""Reads a business envelope from a file; the document goes to the new file. Raises ``PermanentError``."""

_GZIP: Final = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """What the endpoint needs for large messages."""

    spool: Spool
    unwrap: UnwrapLarge


class LargeReceiving(Receiving):
    """A message of another access point to us, whose body is a file. Everything blocks: for threads."""

    def __init__(self, content_type: str, body: Path, place: Place, unwrap_large: UnwrapLarge, **facts: Any) -> None:
        super().__init__(content_type, b"", **facts)
        self._file = body
        self._place = place
        self._unwrap_large = unwrap_large

    def _split(self) -> mime.Related[filemime.FilePart]:
        size = self._file.stat().st_size
        return filemime.read_message(self._content_type, self._file, size, self._limits, self._place.new)

    def _open(self, opened: Opened) -> tuple[Octets, Octets]:
        if opened.payload is None or opened.encryption is None:
            return b"", b""
        part = open_files(
            opened.encryption,
            cast("tuple[filemime.FilePart, ...]", opened.parts),
            opened.signed.parts,
            identity=addressee(opened.encryption, self._identity, self._others),
            algorithms=self._profile.algorithms,
            limits=self._limits,
            new_file=self._place.new,
        )[opened.payload.content_id]
        return part, inflate(part, self._place.new("envelope"), self._limits) if opened.payload.compressed else part

    def _unwrap_octets(self, octets: Octets) -> Unwrapped:
        if isinstance(octets, bytes):
            return super()._unwrap_octets(octets)
        return self._unwrap_large(octets, self._place.new("document"))


def inflate(part: Spooled, target: Path, limits: Limits) -> Spooled:
    """Read exactly one gzip member into a new file, as :func:`gateway.as4.gzipped.inflate` does in memory."""
    allowed = allowed_size(part.size, limits)
    reader = zlib.decompressobj(wbits=_GZIP)
    with Writing(target) as writing:
        for piece in pieces(part):
            while piece:
                if reader.eof:
                    raise refusal("Octets follow the gzip payload")
                try:
                    octets = reader.decompress(piece, STEP)
                except zlib.error:
                    raise refusal("The payload is not gzip, or is damaged") from None
                writing.write(octets)
                if writing.size > allowed:
                    raise refusal("The decompressed payload is too large")
                piece = reader.unconsumed_tail or reader.unused_data
        if not reader.eof:
            raise refusal("The gzip payload ends early")
        return writing.done()


def pack(octets: Iterable[bytes], target: Path) -> Spooled:
    """Make one gzip member of the pieces in a new file."""
    packing = compressor()
    with Writing(target) as writing:
        for piece in octets:
            writing.write(packing.compress(piece))
        writing.write(packing.flush())
        return writing.done()


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeRequest:
    """What goes on the wire, and the SOAP envelope in it as evidence."""

    content_type: str
    soap: bytes
    length: int
    body: Iterator[bytes]
    """The octets of the body, once; ``length`` of them."""


class LargeSending(Sending):
    """A message of ours whose part is a file; it is encrypted while it goes on the wire."""

    def stream(self) -> LargeRequest:
        """Sign and wrap the key; the part itself is read when the body is. Raises as ``request``."""
        self._believe_endpoint()
        part = self._outgoing.part
        assert isinstance(part, Spooled)  # Sending is for the others
        content_key = os.urandom(self._profile.algorithms.cipher_key_octets)
        sealed = seal_key(self._content_id, self._endpoint.certificate, content_key=content_key)
        envelope = write_envelope(self._messaging, sealed + self._signature.text)
        content_type, before, after = mime.write_around(
            envelope,
            self._content_id,
            boundary=f"as4-{os.urandom(16).hex()}",
            root_id=f"soap.{self._outgoing.message_id}",
        )
        return LargeRequest(
            content_type=content_type,
            soap=envelope,
            length=len(before) + IV + part.size + TAG + len(after),
            body=_body(before, encrypted(part, content_key, os.urandom(IV)), after),
        )


def _body(before: bytes, part: Iterator[bytes], after: bytes) -> Iterator[bytes]:
    yield before
    yield from part
    yield after
