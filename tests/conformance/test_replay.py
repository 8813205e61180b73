"""Changes on the way touch what they say and nothing else; answers are read for what they are."""

from __future__ import annotations

import pytest

from conformance.interop import replay
from conformance.interop.programs import InteropError

RECORDED = (
    b'POST /as4 HTTP/1.1\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n\r\n'
    b'<e:Header><w:Security><ds:Signature Id="s"><ds:SignatureValue>x</ds:SignatureValue></ds:Signature></w:Security>'
    b"<eb:MessageId>0f@x</eb:MessageId></e:Header>\r\n--b\r\n\r\n" + bytes(range(100, 200)) + b"\r\n--b--\r\n"
)


def test_the_payload_differs_in_one_bit_of_the_last_part() -> None:
    changed = replay.with_other_payload(RECORDED)
    different = [i for i, (a, b) in enumerate(zip(RECORDED, changed, strict=True)) if a != b]
    assert len(different) == 1
    assert RECORDED.rindex(bytes(range(100, 200))) < different[0] < RECORDED.rindex(b"\r\n--b--")


def test_the_message_id_differs_in_one_digit() -> None:
    assert replay.with_other_message_id(RECORDED) == RECORDED.replace(b">0f@x<", b">ef@x<")


def test_the_whole_signature_goes_and_nothing_else() -> None:
    unsigned = replay.without_signature(RECORDED)
    assert b"Signature" not in unsigned and b"<w:Security></w:Security><eb:MessageId>" in unsigned


def test_nothing_to_change_is_told_and_not_passed_over() -> None:
    for change in (replay.with_other_message_id, replay.without_signature):
        with pytest.raises(InteropError):
            change(b"POST / HTTP/1.1\r\n\r\nnothing")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<r><ebbp:NonRepudiationInformation/></r>", "receipt"),
        (
            200,
            b'<eb:Error errorCode="EBMS:0004" severity="failure"><eb:ErrorDetail>'
            b"PEPPOL:NOT_SERVICED</eb:ErrorDetail></eb:Error>",
            "EBMS:0004 PEPPOL:NOT_SERVICED",
        ),
        (400, b"no", "HTTP 400"),
        (204, b"", "HTTP 204"),
    ],
)
def test_an_answer_is_a_receipt_an_error_or_a_status(status: int, body: bytes, said: str) -> None:
    assert replay.verdict(status, body) == said
    assert replay.recorded_verdict(b"HTTP/1.1 %d x\r\nA: b\r\n\r\n" % status + body) == said
