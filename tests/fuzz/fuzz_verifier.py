"""The whole reading of a message up to the document: a spoiled envelope is refused, or says exactly what was signed."""

from __future__ import annotations

from functools import lru_cache

from gateway.as4.mime import write_message
from tests.as4.as4_parts import unpack
from tests.fuzz.seeds import OURS, kit


def seeds() -> list[bytes]:
    return [kit().good.soap]


@lru_cache(maxsize=1)
def _part() -> tuple[bytes, str]:
    _, part, content_id = unpack(kit().good)
    return part, content_id


def fuzz(data: bytes) -> None:
    part, content_id = _part()
    content_type, body = write_message(data, content_id, part, boundary="fuzz", root_id="root@x")
    receiving = kit().world.receiving(content_type, body)
    try:
        received = receiving.read()
        receiving.receipt()
    except OURS:
        return
    assert kit().bare(received) == kit().baseline
