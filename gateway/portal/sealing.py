"""Keys of devices are kept encrypted (AES-256-GCM): a copy of the database alone makes nobody's codes.

What is sealed is bound to what it is for: a row that was copied to another person, or a form to another session, opens
nothing.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import KeyUnavailable
from gateway.security.tokens import read_key

_NONCE: Final = 12


@dataclass(slots=True)
class Seal:
    """Encrypts under the key of a file, which is made at the first use."""

    file: Path
    _key: bytes = field(default=b"", repr=False)

    def close(self, octets: bytes, purpose: str) -> str:
        """Seal it for this purpose. Raises ``KeyUnavailable`` where the key cannot be read."""
        nonce = secrets.token_bytes(_NONCE)
        return base64.b64encode(nonce + self._cipher().encrypt(nonce, octets, purpose.encode())).decode()

    def open(self, sealed: str, purpose: str) -> bytes | None:
        """What was sealed; None for what is not ours, or for something else, or of another key.

        Raises ``KeyUnavailable``.
        """
        try:
            octets = base64.b64decode(sealed, validate=True)
            return self._cipher().decrypt(octets[:_NONCE], octets[_NONCE:], purpose.encode())
        except (InvalidTag, ValueError, binascii.Error):
            return None

    def _cipher(self) -> AESGCM:
        if not self._key:
            try:
                self._key = read_key(self.file)[:32]
            except (OSError, ValueError) as error:
                where = f"portal.second_factor_key: {self.file}: {getattr(error, 'strerror', None) or error}"
                raise KeyUnavailable(
                    where, remedy="Put the file of before there, readable by this user only."
                ) from None
        return AESGCM(self._key)
