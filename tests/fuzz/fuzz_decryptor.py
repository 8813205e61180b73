"""The encrypted part: no other octets than those that were encrypted are ever given out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gateway.as4.limits import LIMITS
from gateway.as4.mime import Part, read_message
from gateway.as4.profiles.peppol import PROFILE
from gateway.as4.soap import read_envelope
from gateway.as4.wss.encryption import open_parts, read_encryption
from gateway.as4.wss.signature import Demand, read_header, verify
from tests.as4.as4_parts import NOW, outgoing, unpack
from tests.fuzz.seeds import OURS, kit


def seeds() -> list[bytes]:
    _, part, _ = unpack(kit().good)
    return [part, part[:28], b""]


@lru_cache(maxsize=1)
def _shape() -> tuple[Any, dict[str, bytes], str]:
    good, world = kit().good, kit().world
    message = read_message(good.content_type, good.body, LIMITS)
    envelope = read_envelope(message.soap, LIMITS)
    ids = tuple(part.content_id for part in message.parts)
    demand = Demand(trust=world.trust, algorithms=PROFILE.algorithms, limits=LIMITS, at=NOW)
    header = read_header(envelope, demand)
    encryption = read_encryption(envelope, header, ids, identity=world.c3, algorithms=PROFILE.algorithms)
    return encryption, verify(envelope, header, ids, demand).parts, ids[0]


def fuzz(data: bytes) -> None:
    encryption, digests, content_id = _shape()
    part = Part(content_id, "application/octet-stream", memoryview(data))
    try:
        opened = open_parts(
            encryption,
            (part,),
            digests,
            identity=kit().world.c3,
            algorithms=PROFILE.algorithms,
            limits=LIMITS,
        )
    except OURS:
        return
    assert opened == {content_id: outgoing().part}
