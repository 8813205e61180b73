"""Keys and seed inputs of the fuzz targets: real messages, made once with keys that are made once."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from gateway.as4.gzipped import compress
from gateway.as4.limits import LIMITS
from gateway.as4.mime import read_message
from gateway.errors import GatewayError
from gateway.ubl.sbdh import wrap
from tests.as4.as4_parts import CORPUS, DOCUMENT, ENVELOPE, recorded
from tests.attacks.parts import Kit, make_kit

OURS = GatewayError
"""The only thing that may come out of a target."""


@lru_cache(maxsize=1)
def kit() -> Kit:
    """Two access points of a private network, made at the first use."""
    with tempfile.TemporaryDirectory() as directory:
        return make_kit(Path(directory) / "pki")


@lru_cache(maxsize=1)
def envelopes() -> tuple[bytes, ...]:
    """SOAP envelopes: a message and a receipt of ours, and messages of others where they are recorded."""
    world = kit().world
    receiving = world.receiving(kit().good.content_type, kit().good.body)
    receiving.read()
    folders = sorted(folder for folder in CORPUS.glob("*") if folder.is_dir())
    files = [path for folder in folders for path in sorted(folder.glob("*.request.http"))[:3]]
    names = [(path.parent.name, path.name.removesuffix(".request.http")) for path in files]
    foreign = (recorded(folder, name) for folder, name in names)
    return (kit().good.soap, receiving.receipt(), *(read_message(m.content_type, m.body, LIMITS).soap for m in foreign))


@lru_cache(maxsize=1)
def business() -> bytes:
    return wrap(DOCUMENT, ENVELOPE)


@lru_cache(maxsize=1)
def part() -> bytes:
    return compress(business())
