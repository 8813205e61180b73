"""Every ebMS error code there is: what provokes it here and what the peer's operator reads, or why it is never sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.as4 import ebms
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Request
from gateway.as4.soap import read_envelope
from gateway.errors import InvalidMessage, PeerRefused, UnreadableRequest
from gateway.model.signals import NOT_SERVICED, EbmsCode
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import DOCUMENT, ENVELOPE, outgoing, pack, unpack
from tests.attacks.catalogue import ROWS
from tests.attacks.parts import Kit, drop, set_text, token, user
from tests.attacks.rows_e import gcm, sealed

SPECIFICATIONS = Path(__file__).resolve().parents[2] / "conformance" / "specifications.md"


@dataclass(frozen=True, slots=True)
class Sent:
    """One code that we send, with one message that provokes it."""

    name: str
    category: str
    origin: str
    detail: str
    provoke: Callable[[Kit], Request]


def _without_id(kit: Kit) -> Request:
    root, part, _ = unpack(kit.good)
    return pack(root, part, "")


def _stranger(kit: Kit) -> Request:
    smp = kit.identity("PSP000001")
    return kit.resign(set_text(token, smp.token), by=smp)


SENT = {
    "EBMS:0003": Sent(
        "ValueInconsistent",
        "Content",
        "ebms",
        "Service differs from the process of the business envelope",
        lambda kit: kit.resign(set_text(lambda r: user(r, "CollaborationInfo", "Service"), "urn:x")),
    ),
    "EBMS:0004": Sent(
        "Other",
        "Content",
        "ebms",
        "Business envelope (SBDH): HeaderVersion is “2.0”, only 1.0 is known.",
        lambda kit: kit.sbdh(lambda sbd: sbd.replace(b"<HeaderVersion>1.0", b"<HeaderVersion>2.0")),
    ),
    "EBMS:0007": Sent(
        "MimeInconsistency", "Unpackaging", "ebms", "A part has no Content-ID, or two have the same", _without_id
    ),
    "EBMS:0009": Sent(
        "InvalidHeader",
        "Unpackaging",
        "ebms",
        "MessageInfo lacks MessageId in its place",
        lambda kit: kit.resign(drop(lambda r: user(r, "MessageInfo", "MessageId"))),
    ),
    "EBMS:0010": Sent(
        "ProcessingModeMismatch",
        "Processing",
        "ebms",
        "AgreementRef must be urn:fdc:peppol.eu:2017:agreements:tia:ap_provider",
        lambda kit: kit.resign(set_text(lambda r: user(r, "CollaborationInfo", "AgreementRef"), "urn:x")),
    ),
    "EBMS:0011": Sent(
        "ExternalPayloadError",
        "Content",
        "ebms",
        "PayloadInfo and the MIME parts do not correspond",
        lambda kit: kit.resign(drop(lambda r: user(r, "PayloadInfo"))),
    ),
    "EBMS:0101": Sent(
        "FailedAuthentication",
        "Processing",
        "security",
        "The signing certificate is not trusted in this network",
        _stranger,
    ),
    "EBMS:0102": Sent(
        "FailedDecryption",
        "Processing",
        "security",
        "The payload cannot be decrypted and verified",
        lambda kit: sealed(kit, gcm()[:-1]),
    ),
    "EBMS:0103": Sent(
        "PolicyNoncompliance",
        "Processing",
        "security",
        "There must be exactly one Signature",
        lambda kit: kit.spoil(drop(lambda r: r[0].find("{*}Security/{*}Signature"))),
    ),
    "EBMS:0303": Sent(
        "DecompressionFailure",
        "Communication",
        "ebms",
        "The payload is not gzip, or is damaged",
        lambda kit: kit.message(wrap(DOCUMENT, ENVELOPE)),
    ),
}
NEVER_SENT = {
    "EBMS:0001": "an unknown value is told by what it departs from: 0003, 0009 or 0010",
    "EBMS:0002": "it is a warning: a message is accepted with a receipt or refused, nothing between",
    "EBMS:0005": "who is answered is connected; from others it means “try again”",
    "EBMS:0006": "nothing is pulled in Peppol",
    "EBMS:0008": "what is packed in a way that we do not read is no message: HTTP 400 or 415",
    "EBMS:0201": "WS-Reliability is no part of AS4",
    "EBMS:0202": "a receipt leaves when the message is stored; a fault of ours is HTTP 503; from others: “try again”",
    "EBMS:0301": "a sender's own finding: here the document waits, then is UNKNOWN",
    "EBMS:0302": "a sender's own finding: here the answer proves nothing and the message goes again",
    "EBMS:4001": "a repeat gets the stored receipt; from others it means that the receiver has it",
}
CODES = frozenset([f"EBMS:{n:04}" for n in (*range(1, 12), 101, 102, 103, 201, 202, 301, 302, 303, 4001)])
"""Peppol's list: ebMS 3.0 Core 6.7, AS4 profile 3.6, and the one that phase4 added."""


def test_every_code_is_sent_or_has_a_reason_why_not() -> None:
    assert set(SENT) | set(NEVER_SENT) == CODES
    assert not set(SENT) & set(NEVER_SENT)
    assert CODES >= {str(code) for code in EbmsCode} >= set(SENT)


def test_the_table_of_the_specifications_says_the_same() -> None:
    rows = dict(re.findall(r"^\| (EBMS:\d{4}) [^|]*\| ([^|]*?) \|", SPECIFICATIONS.read_text(), re.MULTILINE))
    assert set(rows) == CODES
    assert {code for code, kind in rows.items() if kind != "never"} == set(SENT)


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("code", sorted(SENT))
def test_what_the_peer_s_operator_reads(kit: Kit, code: str) -> None:
    sent = SENT[code]
    request = sent.provoke(kit)
    receiving = kit.world.receiving(request.content_type, request.body)
    with pytest.raises(InvalidMessage) as raised:
        receiving.read()
    assert (raised.value.code, raised.value.detail) == (code, sent.detail)
    signal = receiving.error(raised.value)
    messaging = read_envelope(signal, LIMITS).messaging
    assert messaging is not None
    (error,) = messaging.iter("{*}Error")
    in_error = "" if code == "EBMS:0009" else outgoing().message_id
    assert dict(error.attrib) == {
        "category": sent.category,
        "errorCode": code,
        "origin": sent.origin,
        "severity": "failure",
        "shortDescription": sent.name,
    } | ({"refToMessageInError": in_error} if in_error else {})
    description, detail = error
    assert (description.tag, detail.tag) == (f"{{{ebms.ns.EB}}}Description", f"{{{ebms.ns.EB}}}ErrorDetail")
    assert description.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert description.text == detail.text == sent.detail
    # The sender that gets it reads the same, and that it is signed.
    with pytest.raises(PeerRefused) as refused:
        kit.world.sending().close(200, "application/soap+xml", signal)
    assert (refused.value.code, refused.value.detail, refused.value.signed) == (code, sent.detail, True)


def test_not_serviced_has_the_form_that_peppol_prescribes(kit: Kit) -> None:
    receiving = kit.world.receiving(kit.good.content_type, kit.good.body)
    receiving.read()
    messaging = read_envelope(receiving.error(InvalidMessage(EbmsCode.OTHER, NOT_SERVICED)), LIMITS).messaging
    assert messaging is not None
    (error,) = messaging.iter("{*}Error")
    assert (error.get("errorCode"), error.get("severity")) == ("EBMS:0004", "failure")
    assert error.findtext("{*}ErrorDetail") == "PEPPOL:NOT_SERVICED"
    assert error.findtext("{*}Description") == "This receiver is not served here"


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_others_is_understood(kit: Kit, code: str) -> None:
    receiving = kit.world.receiving(kit.good.content_type, kit.good.body)
    receiving.read()
    with pytest.raises(PeerRefused) as refused:
        kit.world.sending().close(500, "application/soap+xml", receiving.error(InvalidMessage(code, "why")))
    assert (refused.value.code, refused.value.detail) == (code, "why")


# --- a refusal is the same when the message comes again ---------------------------------------------------------------

CASES_OF_A_ROW = 12
_LARGE = 500_000


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("row", sorted(ROWS))
def test_a_refusal_repeats_word_for_word(kit: Kit, row: str) -> None:
    """The duplicate table's row “rejected for a proven fact”: the same error again.

    Which way a message takes is decided by its size, so the same one always takes the same; the other gives the same
    code, and only the words of two XML readers differ.
    """
    cases = [case for case in ROWS[row](kit) if len(case.body) < _LARGE]
    for case in cases[:: max(1, len(cases) // CASES_OF_A_ROW)]:
        first, again = (_refusal(kit, case.content_type, case.body) for _ in range(2))
        assert first == again, case.name


def _refusal(kit: Kit, content_type: str, body: bytes) -> tuple[object, ...] | None:
    try:
        kit.world.receiving(content_type, body).read()
    except InvalidMessage as error:
        return error.code, error.detail
    except UnreadableRequest as error:
        return error.status, error.peer_text
    return None
