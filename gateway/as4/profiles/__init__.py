"""Transport profiles: pages of data. A new one is a file here with ``PROFILE = Profile(...)``.

What a profile cannot say as data, such as a new algorithm, is a function in ``gateway/as4/wss``.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.as4 import namespaces as ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """The only algorithms that are written and read, compared by equality for every element that names one."""

    canonicalization: str = ns.EXCLUSIVE_C14N
    signature: str = ns.RSA_SHA256
    digest: str = ns.SHA256
    part_transform: str = ns.CONTENT_SIGNATURE
    key_transport: str = ns.RSA_OAEP
    key_transport_digest: str = ns.SHA256
    mask_generation: str = ns.MGF1_SHA256
    cipher: str = ns.AES128_GCM
    cipher_key_octets: int = 16
    cipher_transform: str = ns.CIPHERTEXT
    encrypted_type: str = ns.CONTENT_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What both sides have agreed beforehand (the P-Mode)."""

    name: str
    """Transport profile identifier, as an SMP names it."""
    agreement: str
    party_type: str
    initiator: str
    responder: str
    channel: str
    """The message partition channel; the attribute may also be absent."""
    original_sender: str
    final_recipient: str
    """Names of the four-corner message properties."""
    payloads: int
    """Exactly so many payload parts."""
    algorithms: Algorithms = Algorithms()
