"""What a user message must say before it is ours: profile, parties, parts, and agreement with the business envelope.

Source: Peppol AS4 profile 2.0.3 sections 3 to 9, AS4 profile 3.1, Business Message Envelope 2.0 section 4. Called
only with headers whose signature is verified.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import unquote

from gateway.as4.ebms import Typed, UserMessage
from gateway.as4.namespaces import GZIP
from gateway.as4.profiles import Profile
from gateway.errors import InvalidMessage
from gateway.model.document import Envelope, Unwrapped
from gateway.model.identifiers import DocumentTypeId, InstanceId, ParticipantId, ProcessId
from gateway.model.often import made_often
from gateway.model.signals import EbmsCode

_CHARSET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}", re.ASCII)

_NOBODY: Final = ParticipantId("")
NOTHING: Final = Unwrapped(
    envelope=Envelope(
        sender=_NOBODY,
        receiver=_NOBODY,
        document_type=DocumentTypeId(""),
        process=ProcessId(""),
        country_c1="",
        instance_id=InstanceId(""),
        created="",
    ),
    document=b"",
    summary=None,
)
"""What stands in for the business envelope of a test message, which has none."""


@made_often
@dataclass(frozen=True, slots=True)
class Payload:
    """The one payload part as the header describes it."""

    content_id: str
    compressed: bool


def check_profile(user: UserMessage, profile: Profile, *, seat: str, signer: str) -> None:
    """Compare the header with what both sides agreed on; raises ``InvalidMessage`` with the first departure."""
    # (1) One-way push: it answers nothing, on the default channel.
    if user.ref_to is not None:
        _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, "A user message must not have a RefToMessageId")
    if user.channel not in (None, profile.channel):
        _refuse(EbmsCode.VALUE_INCONSISTENT, "The message partition channel is not known here")
    # (2) One party on each side: the signer, and us.
    for name, parties in (("From", user.from_parties), ("To", user.to_parties)):
        if len(parties) != 1:
            _refuse(EbmsCode.VALUE_INCONSISTENT, f"{name} must have exactly one PartyId")
        if parties[0].type != profile.party_type:
            _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, f"{name}/PartyId must have the type {profile.party_type}")
    if user.from_parties[0].value != signer:
        _refuse(EbmsCode.FAILED_AUTHENTICATION, "From/PartyId is not the common name of the signing certificate")
    if user.to_parties[0].value != seat:
        _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, f"To/PartyId does not name this access point ({seat})")
    # (3) Roles and agreement.
    if user.from_role != profile.initiator or user.to_role != profile.responder:
        _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, "The roles are not initiator and responder")
    if user.agreement is None or user.agreement.value != profile.agreement:
        _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, f"AgreementRef must be {profile.agreement}")
    if user.agreement.type is not None or user.agreement_mode is not None:
        _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, "AgreementRef must have neither type nor pmode")
    # (4) The four corners; the test service has none.
    if not user.is_test:
        for name in (profile.original_sender, profile.final_recipient):
            if name not in user.properties or not user.properties[name].value:
                _refuse(EbmsCode.PROCESSING_MODE_MISMATCH, f"The message property {name} is missing")


def match_parts(user: UserMessage, content_ids: tuple[str, ...], profile: Profile) -> Payload | None:
    """Pair PartInfo and MIME part; None for a test message without payload. Raises ``InvalidMessage``."""
    named = {unquote((part.href or "").removeprefix("cid:")) for part in user.parts}
    if named != set(content_ids) or len(user.parts) != len(content_ids):
        _refuse(EbmsCode.EXTERNAL_PAYLOAD_ERROR, "PayloadInfo and the MIME parts do not correspond")
    if not content_ids and user.is_test:
        return None
    if len(content_ids) != profile.payloads:
        _refuse(EbmsCode.EXTERNAL_PAYLOAD_ERROR, f"There must be exactly {profile.payloads} payload part")
    part = user.parts[0]
    if part.href is None or not part.href.startswith("cid:"):
        _refuse(EbmsCode.EXTERNAL_PAYLOAD_ERROR, "PartInfo must refer to its part with cid:")
    compression = part.properties.get("CompressionType")
    if compression not in (None, GZIP):
        _refuse(EbmsCode.VALUE_INCONSISTENT, f"CompressionType must be {GZIP}")
    if compression and not part.properties.get("MimeType"):
        _refuse(EbmsCode.INVALID_HEADER, "A compressed part must have the property MimeType")
    charset = part.properties.get("CharacterSet")
    if charset is not None and not _is_charset(charset):
        _refuse(EbmsCode.INVALID_HEADER, "CharacterSet does not name a character set")
    return Payload(content_ids[0], compression is not None)


def check_envelope(user: UserMessage, envelope: Envelope, profile: Profile) -> None:
    """Compare header and business envelope; raises ``InvalidMessage``.

    Participants are compared without regard to case, as the network does; document type and process exactly.
    """
    for name, participant in (
        (profile.original_sender, envelope.sender),
        (profile.final_recipient, envelope.receiver),
    ):
        said = user.properties[name]
        if said.type != participant.scheme or said.value.lower() != participant.value:
            _refuse(EbmsCode.VALUE_INCONSISTENT, f"{name} and its type differ from the business envelope")
    if user.action != str(envelope.document_type):
        _refuse(EbmsCode.VALUE_INCONSISTENT, "Action differs from the document type of the business envelope")
    if user.service != Typed(envelope.process.value, envelope.process.scheme):
        _refuse(EbmsCode.VALUE_INCONSISTENT, "Service differs from the process of the business envelope")


def _is_charset(name: str) -> bool:
    if not _CHARSET.fullmatch(name):
        return False
    try:
        return bool(getattr(codecs.lookup(name), "_is_text_encoding", True))
    except LookupError:
        return False


def _refuse(code: str, detail: str) -> NoReturn:
    raise InvalidMessage(code, detail)
