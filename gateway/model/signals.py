"""What comes back when something was handed over: receipts, ebMS errors, handovers.

Source of codes: ebMS 3.0 Core 6.7, AS4 profile 3.6, Peppol AS4 profile 2.0.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.model.identifiers import MessageId
from gateway.model.often import made_often


class EbmsCode(StrEnum):
    """The ebMS error codes that this gateway writes or understands."""

    VALUE_NOT_RECOGNIZED = "EBMS:0001"
    VALUE_INCONSISTENT = "EBMS:0003"
    OTHER = "EBMS:0004"
    CONNECTION_FAILURE = "EBMS:0005"
    MIME_INCONSISTENCY = "EBMS:0007"
    INVALID_HEADER = "EBMS:0009"
    PROCESSING_MODE_MISMATCH = "EBMS:0010"
    EXTERNAL_PAYLOAD_ERROR = "EBMS:0011"
    FAILED_AUTHENTICATION = "EBMS:0101"
    FAILED_DECRYPTION = "EBMS:0102"
    POLICY_NONCOMPLIANCE = "EBMS:0103"
    DELIVERY_FAILURE = "EBMS:0202"
    INVALID_RECEIPT = "EBMS:0302"
    DECOMPRESSION_FAILURE = "EBMS:0303"
    DUPLICATE_DETECTED = "EBMS:4001"


NOT_SERVICED = "PEPPOL:NOT_SERVICED"
"""ErrorDetail that Peppol prescribes when the receiver is not ours."""


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A signed receipt that was checked against what was sent."""

    message_id: MessageId
    """The receipt's own id."""
    ref_to: MessageId
    """The message it acknowledges."""
    signer: str
    """Common name of the signing certificate."""
    received_at: datetime
    octets: bytes
    """The receipt as it came: the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A channel's word that it has the parcel: the proof of mail, print and delivery."""

    reference: str
    """What the other side calls it: the mail server's answer, the batch and file of a letter."""
    text: str
    """One sentence for people."""
    confirmed: bool = False
    """True when the far side has it, not only a carrier on the way."""
    evidence: bytes = b""
    """Octets worth keeping: the mail as sent, the manifest line."""
