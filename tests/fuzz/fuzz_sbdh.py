"""The business envelope: what is opened stands alone as a document, and the short way says what the tree says."""

from __future__ import annotations

from unittest.mock import patch

from gateway.files.spool import in_memory
from gateway.security.safexml import parse
from gateway.ubl import plain, sbdh
from tests.fuzz.seeds import OURS, business
from tests.ubl.ubl_parts import example

_END = b"</StandardBusinessDocument>"


def seeds() -> list[bytes]:
    sbd, document = business(), example("network")
    usual = b"".join((sbd[: sbd.index(b"<Invoice ")], document[document.index(b"<Invoice ") :], _END))
    for _ in range(2):
        assert plain.usual_envelope(usual) is not None  # now its form is known
    declared = b'<?xml version="1.0" encoding="UTF-8"?>' + sbd
    prefixed = sbd.replace(b"<StandardBusiness", b"<s:StandardBusiness").replace(
        b"</StandardBusiness", b"</s:StandardBusiness"
    )
    commented = sbd.replace(b"<Invoice ", b"<!-- x --><Invoice ")
    return [sbd, usual, declared, sbd.decode().encode("utf-16"), prefixed, commented]


def fuzz(data: bytes) -> None:
    short = plain.usual_envelope(data)
    try:
        with patch.object(sbdh, "usual_envelope", lambda _: None):
            opened = sbdh.unwrap(data, limit=1_000_000)
        envelope, document = opened.envelope, in_memory(opened.document)
    except OURS:
        assert short is None
        return
    assert short in (None, opened)
    assert envelope.sender and envelope.receiver and envelope.country_c1
    parse(document, huge=True)
