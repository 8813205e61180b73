"""The answer to a message of ours: it is a receipt for exactly that message, or an error of ours."""

from __future__ import annotations

from functools import lru_cache

from tests.as4.as4_parts import outgoing
from tests.fuzz.seeds import OURS, envelopes, kit

TYPE = "application/soap+xml;charset=UTF-8"


@lru_cache(maxsize=1)
def _sending() -> object:
    return kit().world.sending()


def seeds() -> list[bytes]:
    return [envelopes()[1], envelopes()[0]]


def fuzz(data: bytes) -> None:
    try:
        receipt = _sending().close(200, TYPE, data)  # type: ignore[attr-defined]
    except OURS:
        return
    assert receipt.ref_to == outgoing().message_id
    assert receipt.signer == "POP000002"
