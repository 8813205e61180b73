"""One message exchange between two access points, without a wire: octets in, values out, and back.

``Sending`` makes a request and judges the answer to it; ``Receiving`` reads a request and makes the answer. Source:
AS4 profile 5.1 (one-way push, synchronous receipt), Peppol AS4 profile 2.0.3. Storing, retrying and delivering are
the exchange's; the wire is ``http.py``'s.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final, NoReturn, cast

from lxml import etree

from gateway.as4 import ebms, mime, soap, usual, usualmime
from gateway.as4.gzipped import inflate
from gateway.as4.learning import shape_of
from gateway.as4.limits import LIMITS, Limits
from gateway.as4.namespaces import SHA256
from gateway.as4.profiles import Profile
from gateway.as4.profiles.peppol import PROFILE
from gateway.as4.rules import NOTHING, Payload, check_envelope, check_profile, match_parts
from gateway.as4.shapes import Shapes
from gateway.as4.wss.encryption import Encryption, addressee, open_parts, read_encryption
from gateway.as4.wss.references import Demand
from gateway.as4.wss.signature import Signed, read_header, verify
from gateway.as4.wss.write import Signature, seal, sign, write_envelope
from gateway.errors import (
    GatewayError,
    InvalidAnswer,
    InvalidMessage,
    PeerRefused,
    PeerUnavailable,
    PermanentError,
    RevocationUnknown,
    StateError,
    Untrusted,
)
from gateway.model.document import Unwrapped
from gateway.model.identifiers import MessageId
from gateway.model.message import Outgoing, Received, Verification
from gateway.model.octets import Octets
from gateway.model.often import made_often
from gateway.model.relation import Endpoint
from gateway.model.signals import EbmsCode, Receipt
from gateway.ports import Clock
from gateway.security.keys import Identity
from gateway.security.trust import Role, Trust

Unwrap = Callable[[bytes], Unwrapped]
"""Reads a business envelope: header, document and its facts. Raises ``PermanentError``."""

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)


def new_message_id(seat: str, unique: uuid.UUID | None = None) -> MessageId:
    """Make an ebMS MessageId ``uuid@seat.as4``, plain enough for every known stack."""
    return MessageId(f"{unique or _random_uuid()}@{_domain(seat)}.as4")


def _random_uuid() -> str:
    """A UUID of version 4, without an object of its own."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


@lru_cache(maxsize=64)
def _domain(seat: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", seat.lower()).strip("-") or "seat"


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What goes on the wire, and the SOAP envelope in it as evidence."""

    content_type: str
    body: bytes
    soap: bytes


class Sending:
    """A message of ours to one access point.

    The same ``Outgoing`` gives the same signed octets every time, so that a retry is the same message; only the
    encryption is fresh.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        endpoint: Endpoint,
        *,
        identity: Identity,
        trust: Trust,
        clock: Clock,
        profile: Profile = PROFILE,
        limits: Limits = LIMITS,
        shapes: Shapes | None = None,
    ) -> None:
        if len(outgoing.message_id) > limits.message_id or not _PLAIN_ID.fullmatch(outgoing.message_id):
            raise StateError(f"“{outgoing.message_id[:80]}” cannot be the id of a message of ours")
        self._outgoing = outgoing
        self._endpoint = endpoint
        self._identity = identity
        self._trust = trust
        self._clock = clock
        self._profile = profile
        self._limits = limits
        self._shapes = Shapes() if shapes is None else shapes
        self._content_id = f"part.{outgoing.message_id}"

    @cached_property
    def _messaging(self) -> str:
        return ebms.write_user_message(
            self._outgoing,
            from_party=self._identity.common_name,
            to_party=self._endpoint.seat,
            content_id=self._content_id,
            profile=self._profile,
        )

    @cached_property
    def _signature(self) -> Signature:
        return sign(self._messaging, self._identity, (self._content_id, self._outgoing.part))

    def request(self) -> Request:
        """Sign, encrypt and pack. Raises ``PeerUnavailable`` when the endpoint's certificate is not believed now."""
        self._believe_endpoint()
        part = self._outgoing.part
        assert isinstance(part, bytes)  # files are LargeSending's
        sealed = seal(
            part,
            self._content_id,
            self._endpoint.certificate,
            content_key=os.urandom(self._profile.algorithms.cipher_key_octets),
            iv=os.urandom(12),
        )
        envelope = write_envelope(self._messaging, sealed.text + self._signature.text)
        content_type, body = mime.write_message(
            envelope,
            self._content_id,
            sealed.octets,
            boundary=f"as4-{os.urandom(16).hex()}",
            root_id=f"soap.{self._outgoing.message_id}",
        )
        return Request(content_type=content_type, body=body, soap=envelope)

    def _believe_endpoint(self) -> None:
        """Look at the endpoint's certificate again: an SMP's answer may be some minutes old.

        A revocation counts at once. Raises ``PeerUnavailable``; nothing has been sent then.
        """
        try:
            self._trust.believe(self._endpoint.certificate, Role.ACCESS_POINT, self._clock.now())
        except (Untrusted, RevocationUnknown) as error:
            text = f"The certificate of the access point {self._endpoint.seat} cannot be used: {error}"
            raise PeerUnavailable(text, sent=False, remedy=error.remedy) from None

    def close(self, status: int, content_type: str, body: bytes) -> Receipt:
        """Judge the answer; gives the receipt, or raises.

        ``PeerRefused``: an ebMS error. ``InvalidAnswer``: a receipt that proves nothing. ``PeerUnavailable``: no
        signal at all. The HTTP status decides nothing, since access points send signals with any.
        """
        seen = self._shapes.read(body, (), self._demand())
        if seen is not None and seen.signal is not None and seen.signal.receipt:
            self._is_addressee(seen.signed)
            return self._receipt(seen.signal, seen.signed, body)
        envelope = self._open(status, content_type, body)
        signal = None if envelope.messaging is None else ebms.read_signal(envelope.messaging)
        failures = () if signal is None else [e for e in signal.errors if e.severity != "warning"]
        if signal is None or not (failures or signal.receipt is not None):
            raise PeerUnavailable(f"HTTP {status} without a receipt or an error", sent=True)
        if failures:
            self._refused(envelope, signal, failures[0], body)
        signed = self._verify(envelope)
        receipt = self._receipt(signal, signed, body)
        if self._shapes.wants(body):
            shape = shape_of(body, envelope, (), signed, self._limits, signal=signal)
            self._shapes.keep(body, shape)
        return receipt

    def _receipt(self, signal: ebms.Signal, signed: Signed, body: bytes) -> Receipt:
        self._compare(signal)
        return Receipt(
            message_id=MessageId(signal.message_id),
            ref_to=self._outgoing.message_id,
            signer=signed.signer.common_name,
            received_at=self._clock.now(),
            octets=body,
        )

    def _open(self, status: int, content_type: str, body: bytes) -> soap.Envelope:
        if not body.strip():
            raise PeerUnavailable(f"HTTP {status} with an empty body", sent=True)
        try:
            if content_type.lower().lstrip().startswith("multipart/related"):
                body = mime.read_message(content_type, body, self._limits).soap
            return soap.read_envelope(body, self._limits)
        except GatewayError as error:
            raise PeerUnavailable(f"HTTP {status} without a readable SOAP envelope: {error}", sent=True) from None

    def _refused(self, envelope: soap.Envelope, signal: ebms.Signal, problem: ebms.Problem, body: bytes) -> NoReturn:
        if signal.ref_to not in ("", self._outgoing.message_id):
            raise InvalidAnswer(f"An ebMS error ({problem.code}) about another message")
        try:
            self._verify(envelope)
            signed = True
        except InvalidAnswer:
            signed = False
        raise PeerRefused(problem.code, problem.detail, signed=signed, octets=body)

    def _verify(self, envelope: soap.Envelope) -> Signed:
        """Messaging and Body are signed by the addressee: its very certificate, or one of the same name."""
        demand = self._demand()
        try:
            header = read_header(envelope, demand)
            signed = verify(envelope, header, (), demand)
        except InvalidMessage as error:
            raise InvalidAnswer(f"The signature of the answer is not acceptable: {error}") from None
        except RevocationUnknown as error:
            raise PeerUnavailable(f"The answer cannot be judged now: {error}", sent=True, remedy=error.remedy) from None
        self._is_addressee(signed)
        return signed

    def _demand(self) -> Demand:
        return Demand(trust=self._trust, algorithms=self._profile.algorithms, limits=self._limits, at=self._clock.now())

    def _is_addressee(self, signed: Signed) -> None:
        if signed.signer.der != self._endpoint.certificate and signed.signer.common_name != self._endpoint.seat:
            raise InvalidAnswer(f"The answer is signed by {signed.signer.common_name}, not by {self._endpoint.seat}")

    def _compare(self, signal: ebms.Signal) -> None:
        """The receipt is about this message and repeats each of our digests; foreign additions are let be."""
        if signal.ref_to != self._outgoing.message_id:
            raise InvalidAnswer("The receipt acknowledges another message")
        acknowledged: dict[str, tuple[str, str]] = {}
        for named in signal.receipt or ():
            if named.uri in acknowledged:
                raise InvalidAnswer("The receipt names a reference twice")
            acknowledged[named.uri] = (named.algorithm, named.digest)
        for uri, digest in self._signature.references:
            if acknowledged.get(uri) != (SHA256, digest):
                raise InvalidAnswer(f"The receipt does not repeat the digest of {uri}")


@made_often
@dataclass(frozen=True, slots=True)
class Opened:
    """A request past every gate: what was verified, and what is needed to answer it."""

    parts: tuple[mime.Headed, ...]
    signed: Signed
    encryption: Encryption | None
    user: ebms.UserMessage
    payload: Payload | None


class Receiving:
    """A message of another access point to us: one request, one answer."""

    def __init__(
        self,
        content_type: str,
        body: bytes,
        *,
        identity: Identity,
        trust: Trust,
        now: datetime,
        unwrap: Unwrap,
        profile: Profile = PROFILE,
        limits: Limits = LIMITS,
        in_memory: int = sys.maxsize - 1,
        shapes: Shapes | None = None,
        others: tuple[Identity, ...] = (),
    ) -> None:
        self._content_type = content_type
        self._body = body
        self._identity = identity
        self._others = others
        self._trust = trust
        self._now = now
        self._unwrap = unwrap
        self._profile = profile
        self._limits = limits
        self._in_memory = in_memory
        self._shapes = Shapes() if shapes is None else shapes
        self._demand = Demand(trust=trust, algorithms=profile.algorithms, limits=limits, at=now)
        self._messaging: etree._Element | None = None
        self._message_id = ""
        self._signed: Signed | None = None

    def read(self) -> Received:
        """Verify, decrypt, inflate and unwrap, in this order only.

        Raises ``UnreadableRequest`` (an HTTP status is the answer), ``InvalidMessage`` (``error()`` is),
        ``RevocationUnknown`` (come again later), and ``TooLargeForMemory`` when the envelope inflates beyond
        ``in_memory``: ``LargeReceiving`` can read it then.
        """
        # (1) MIME and SOAP within their limits.
        message = self._split()
        content_ids = tuple(part.content_id for part in message.parts)
        demand = self._demand
        # (2) Signature and trust; no private key is used before this holds.
        opened = self._recognised(message, content_ids, demand)
        envelope = None
        if opened is None:
            envelope = soap.read_envelope(message.soap, self._limits)
            opened = self._verify(envelope, message.parts, content_ids, demand)
        # (3) Decrypt, compare with the signed digest, inflate.
        part, octets = self._open(opened)
        # (4) Profile and parties, then the business envelope.
        user = opened.user
        check_profile(user, self._profile, seat=self._identity.common_name, signer=opened.signed.signer.common_name)
        business = NOTHING
        if not user.is_test:
            business = self._unwrapped(octets)
            check_envelope(user, business.envelope, self._profile)
        self._signed, self._message_id = opened.signed, user.message_id
        # Of a part that is XML as it stands the digest may be that of its canonical form.
        payload = opened.payload if opened.payload is not None and opened.payload.compressed else None
        if envelope is not None:
            self._learn(message.soap, envelope, content_ids, opened)
        return Received(
            message_id=MessageId(user.message_id),
            conversation_id=user.conversation_id,
            timestamp=user.timestamp,
            from_party=user.from_parties[0].value,
            to_party=user.to_parties[0].value,
            is_test=user.is_test,
            envelope=business.envelope,
            document=business.document,
            summary=business.summary,
            part=part,
            part_sha256=opened.signed.parts[payload.content_id].hex() if payload is not None else "",
            document_at=_place(octets, business.document) if payload is not None else None,
            compressed=payload is not None,
            soap=message.soap,
            verification=_verification(opened.signed, self._now),
        )

    def receipt(self) -> bytes:
        """The signed receipt of the message that ``read()`` gave: it repeats the references of its signature."""
        if self._signed is None:
            raise StateError("There is no receipt for a message that was not read and verified")
        messaging = ebms.write_receipt(
            message_id=new_message_id(self._identity.common_name),
            ref_to=self._message_id,
            now=self._now,
            repeated=self._signed.repeated,
        )
        return write_envelope(messaging, sign(messaging, self._identity).text)

    def error(self, error: InvalidMessage) -> bytes:
        """A signed error signal, about this message as far as its id could be read."""
        about = self._message_id
        if not about and self._messaging is not None:
            about = ebms.glimpse_message_id(self._messaging, self._limits)
        messaging = ebms.write_error(
            message_id=new_message_id(self._identity.common_name),
            ref_to=about,
            now=self._now,
            code=error.code,
            detail=error.detail,
        )
        return write_envelope(messaging, sign(messaging, self._identity).text)

    def _split(self) -> mime.Related[Any]:
        usual = usualmime.read_message(self._content_type, self._body, self._limits)
        return mime.read_message(self._content_type, self._body, self._limits) if usual is None else usual

    def _recognised(self, message: mime.Related[Any], content_ids: tuple[str, ...], demand: Demand) -> Opened | None:
        """The short way, for an envelope that looks like one that was read whole before."""
        whose = [self._identity.der, *[other.der for other in self._others]]
        seen = self._shapes.read(message.soap, content_ids, demand, whose)
        if seen is None or (user := seen.user) is None:
            return None
        self._message_id = user.message_id
        return self._opened(message.parts, content_ids, seen.signed, seen.encryption, user)

    def _learn(self, octets: bytes, envelope: soap.Envelope, content_ids: tuple[str, ...], opened: Opened) -> None:
        if self._shapes.wants(octets):
            shape = shape_of(
                octets,
                envelope,
                content_ids,
                opened.signed,
                self._limits,
                encryption=opened.encryption,
                whose=opened.encryption.whose if opened.encryption else self._identity.der,
            )
            self._shapes.keep(octets, shape)

    def _verify(
        self,
        envelope: soap.Envelope,
        parts: tuple[mime.Headed, ...],
        content_ids: tuple[str, ...],
        demand: Demand,
    ) -> Opened:
        if envelope.messaging is None:
            raise InvalidMessage(EbmsCode.INVALID_HEADER, "There is no eb:Messaging header")
        self._messaging = envelope.messaging
        if "" in content_ids or len(set(content_ids)) != len(content_ids):
            raise InvalidMessage(EbmsCode.MIME_INCONSISTENCY, "A part has no Content-ID, or two have the same")
        try:
            header = read_header(envelope, demand)
            encryption = read_encryption(
                envelope,
                header,
                content_ids,
                identity=self._identity,
                algorithms=self._profile.algorithms,
                others=self._others,
            )
            signed = verify(envelope, header, content_ids, demand)
        except (InvalidMessage, RevocationUnknown):
            _correspond(ebms.glimpse_hrefs(envelope.messaging), content_ids)  # a lost part is said first
            raise
        user = usual.read_user_message(signed.messaging, self._limits)
        if user is None:
            _correspond(ebms.glimpse_hrefs(envelope.messaging), content_ids)
            user = ebms.read_user_message(envelope.messaging, self._limits)
        if len(envelope.body) or (envelope.body.text or "").strip():
            raise InvalidMessage(EbmsCode.VALUE_INCONSISTENT, "The SOAP Body must be empty")
        return self._opened(parts, content_ids, signed, encryption, user)

    def _opened(
        self,
        parts: tuple[mime.Headed, ...],
        content_ids: tuple[str, ...],
        signed: Signed,
        encryption: Encryption | None,
        user: ebms.UserMessage,
    ) -> Opened:
        return Opened(parts, signed, encryption, user, match_parts(user, content_ids, self._profile))

    def _open(self, opened: Opened) -> tuple[Octets, Octets]:
        """The part as signed, and the business envelope's octets."""
        if opened.payload is None or opened.encryption is None:
            return b"", b""
        octets = open_parts(
            opened.encryption,
            cast("tuple[mime.Part, ...]", opened.parts),
            opened.signed.parts,
            identity=addressee(opened.encryption, self._identity, self._others),
            algorithms=self._profile.algorithms,
            limits=self._limits,
        )[opened.payload.content_id]
        if not opened.payload.compressed:
            return octets, octets
        return octets, inflate(octets, self._limits, in_memory=self._in_memory)

    def _unwrap_octets(self, octets: Octets) -> Unwrapped:
        assert isinstance(octets, bytes)  # files are LargeReceiving's
        return self._unwrap(octets)

    def _unwrapped(self, octets: Octets) -> Unwrapped:
        try:
            return self._unwrap_octets(octets)
        except PermanentError as error:
            detail = error.detail if isinstance(error, InvalidMessage) else f"The business envelope: {error}"
            raise InvalidMessage(EbmsCode.OTHER, detail) from error


def _correspond(hrefs: set[str], content_ids: tuple[str, ...]) -> None:
    if hrefs != set(content_ids):
        raise InvalidMessage(EbmsCode.EXTERNAL_PAYLOAD_ERROR, "PayloadInfo and the MIME parts do not correspond")


def _place(octets: Octets, document: Octets) -> int | None:
    """Where the document stands in its envelope, octet for octet; None for one that was written anew or is a file."""
    if not isinstance(octets, bytes) or not isinstance(document, bytes):
        return None
    at = octets.find(document[:48])
    return at if at >= 0 and octets.startswith(document, at) else None


def _verification(signed: Signed, at: datetime) -> Verification:
    return Verification(
        signer=signed.signer.der,
        seat=signed.signer.common_name,
        chain=signed.signer.chain,
        covered=signed.covered,
        checked_at=at,
        revocation=signed.signer.revocation,
        revocation_proof=tuple([standing.proof for standing in signed.signer.standing]),
    )
