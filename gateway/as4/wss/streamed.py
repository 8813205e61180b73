"""Encryption of parts that are too large for memory: AES-GCM from file to file, in small steps.

What is decrypted lies in a file that nobody else knows until its tag and its signed digest were compared. The key, the
checks and the one answer to every failure are those of ``encryption.py``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from gateway.as4.filemime import FilePart
from gateway.as4.limits import Limits
from gateway.as4.profiles import Algorithms
from gateway.as4.wss.encryption import (
    IV,
    TAG,
    Encryption,
    is_signed_as_canonical,
    may_be_canonical,
    one_answer,
    unwrap_key,
)
from gateway.files.spool import Writing, pieces, read_range
from gateway.model.octets import Spooled
from gateway.security.keys import Identity

_STEP: Final = 256 * 1024


def open_files(
    encryption: Encryption,
    parts: tuple[FilePart, ...],
    digests: dict[str, bytes],
    *,
    identity: Identity,
    algorithms: Algorithms,
    limits: Limits,
    new_file: Callable[[str], Path],
) -> dict[str, Spooled]:
    """Decrypt every part into a new file and compare it with its signed digest; gives the files by Content-ID."""
    opened: dict[str, Spooled] = {}
    with one_answer():
        content_key = unwrap_key(encryption, identity, algorithms)
        for number, part in enumerate(parts):
            octets = _decrypt(part, content_key, new_file(f"part-{number}"))
            if not _is_signed(octets, digests[part.content_id], encryption.media_types[part.content_id], limits):
                raise ValueError("the signed digest is another")
            opened[part.content_id] = octets
    return opened


def _decrypt(part: FilePart, content_key: bytes, target: Path) -> Spooled:
    if part.size <= IV + TAG:
        raise ValueError("nothing is encrypted")
    iv, tag = part.read(0, IV), part.read(part.size - TAG, part.size)
    decryptor = Cipher(AES(content_key), GCM(iv, tag)).decryptor()
    with Writing(target) as writing:
        for piece in read_range(part.path, part.start + IV, part.end - TAG, step=_STEP):
            writing.write(decryptor.update(piece))
        decryptor.finalize()  # raises InvalidTag
        return writing.done()


def _is_signed(octets: Spooled, digest: bytes, media_type: str, limits: Limits) -> bool:
    if hmac.compare_digest(bytes.fromhex(octets.sha256), digest):
        return True
    return may_be_canonical(octets.size, media_type, limits) and is_signed_as_canonical(
        octets.path.read_bytes(), digest, limits
    )


def encrypted(part: Spooled, content_key: bytes, iv: bytes) -> Iterator[bytes]:
    """The encrypted part, piece by piece: IV, ciphertext, tag; as long as the part and 28 octets."""
    encryptor = Cipher(AES(content_key), GCM(iv)).encryptor()
    yield iv
    for piece in pieces(part, step=_STEP):
        yield encryptor.update(piece)
    yield encryptor.finalize() + encryptor.tag
