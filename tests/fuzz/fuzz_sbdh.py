"""The business envelope: what is opened stands alone as a document."""

from __future__ import annotations

from gateway.security.safexml import parse
from gateway.ubl.sbdh import unwrap
from tests.fuzz.seeds import OURS, business


def seeds() -> list[bytes]:
    sbd = business()
    declared = b'<?xml version="1.0" encoding="UTF-8"?>' + sbd
    prefixed = sbd.replace(b"<StandardBusiness", b"<s:StandardBusiness").replace(
        b"</StandardBusiness", b"</s:StandardBusiness"
    )
    return [sbd, declared, sbd.decode().encode("utf-16"), prefixed, sbd.replace(b"<Invoice ", b"<!-- x --><Invoice ")]


def fuzz(data: bytes) -> None:
    try:
        opened = unwrap(data, limit=1_000_000)
        envelope, document = opened.envelope, opened.document
    except OURS:
        return
    assert envelope.sender and envelope.receiver and envelope.country_c1
    parse(document, huge=True)
