"""What an outsider may make us read: every size, count, depth and time of the AS4 side, in one table.

A breach of the outer gates is answered with 400, 408 or 413 and no ebMS signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Octets, counts and seconds. The defaults fit every honest Peppol message that is known."""

    # Sizes, from the wire inwards: message <= inflated <= ratio * message
    message: int = 100 * _MIB
    """One request body; ``as4.max_message``, at most 250 MB."""
    inflated: int = 400 * _MIB
    """The business envelope in it, and so the document: four times ``max_message``, at most this."""
    ratio: int = 200
    """How many times larger than the gzip octets, once beyond ``ratio_free``."""
    ratio_free: int = _MIB
    in_memory: int = _MIB
    """A larger body goes to the spool and is worked on from file to file, in a memory that does not grow with it."""
    inflated_in_memory: int = 4 * _MIB
    """So does a smaller one with a larger envelope: its tree would take ten times as much."""
    xml_part: int = 4 * _MIB
    """An uncompressed part whose signature is over its canonical XML has to be parsed and canonicalised in memory."""

    # On the wire
    answer: int = _MIB
    """One answer to a message of ours: a receipt has about 7 KiB."""
    bodies: int = 512 * _MIB
    """All request bodies together that are being read or worked on (two of the largest); beyond it comes 503."""
    inline: int = 64 * _KIB
    """Above this a message is worked on in a thread, so that the event loop goes on. XML shrinks ten times and more."""

    inflated_inline: int = 768 * _KIB
    """What inflates beyond this is worked on in a thread too, however small it came: XML can shrink a hundred times."""

    # Connections, of each site in each process
    connections: int = 2000
    """Beyond this the one that has waited longest for a request makes room. Never more than half of our descriptors."""
    per_address: int = 64
    """Of one address (IPv6: one /64); a proxy in front is exempt, because all its callers come from one."""
    handshake: float = 10.0
    """Seconds for TLS to be agreed."""
    head: float = 10.0
    """Seconds for the whole head of a request: from the connection for the first, from its first octet for others."""
    kept: float = 75.0
    """Seconds that a connection stays open without a request."""
    stalled: float = 30.0
    """Seconds in which a caller takes nothing of an answer that waits for it."""
    lingering: float = 5.0
    """Seconds in which the rest of a refused body is read, so that the caller sees the answer."""
    header_octets: int = 8190
    """The request line, or one header."""
    headers: int = 64

    # Time, for a request body
    idle: float = 30.0
    """Seconds without an octet."""
    grace: float = 30.0
    """Seconds before the minimum rate counts."""
    rate: int = 10 * _KIB
    """Octets a second that a body must keep on average after the grace; one that has a place in the spool: ``pace``."""

    # Time, for a message of ours
    connect: float = 5.0
    total: float = 120.0
    pace: int = 64 * _KIB
    """Octets a second for which the time of a large message grows: of ours beyond ``total``, to us beyond ``grace``."""

    # MIME
    content_type: int = 2 * _KIB
    boundary: int = 70
    preamble: int = 64 * _KIB
    """Octets before the first boundary line. Of a larger body no more is read when it is not among them."""
    parts: int = 10
    """An invoice has two: the SOAP envelope and the gzipped document."""
    part_headers: int = 32
    part_header_octets: int = 8 * _KIB

    # SOAP part
    soap: int = 256 * _KIB
    """Usual are 10 to 20 KiB."""
    depth: int = 32
    elements: int = 2000
    attributes: int = 32
    """Of one element."""
    namespaces: int = 200
    """Declarations in the whole envelope: canonicalising is slow with many."""

    # Security header
    tokens: int = 4
    prefixes: int = 32
    """Names in one PrefixList."""
    certificate: int = 16 * _KIB

    # Header values
    value: int = 1000
    """Characters of one value in eb:Messaging; the longest that Peppol knows has some 530."""
    message_id: int = 255
    properties: int = 64


LIMITS: Final = Limits()
