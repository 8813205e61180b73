"""The ways into the gateway for one message: in memory, from file to file as the large ones go, and in memory where an
honest message of the same sender has taught its shape.

``DOOR`` chooses. The tests that take the fixture ``door`` run through all, so that none is the weaker one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.as4.large import LargeReceiving, UnwrapLarge
from gateway.as4.limits import LIMITS
from gateway.as4.msh import Receiving, Unwrap
from gateway.as4.shapes import Shapes
from gateway.files.spool import Place, in_memory, write_all
from gateway.model.document import Envelope
from gateway.model.message import Received
from gateway.model.octets import Spooled
from gateway.ubl import large, sbdh


@dataclass
class _Door:
    file: bool = False
    shapes: Shapes | None = None


DOOR = _Door()


class _FromFile(LargeReceiving):
    """Reads a message of any size as if it were large; what comes out is in memory, to be compared."""

    def __init__(self, content_type: str, body: bytes, **facts: Any) -> None:
        self._directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        place = Place(Path(self._directory.name))
        file = place.new("body")
        file.write_bytes(body)
        super().__init__(content_type, file, place, _unwrap_large(facts["unwrap"]), **facts)

    def read(self) -> Received:
        received = super().read()
        return replace(received, document=in_memory(received.document), part=in_memory(received.part))


def _unwrap_large(unwrap: Unwrap) -> UnwrapLarge:
    if unwrap is sbdh.unwrap:
        return partial(large.unwrap, limit=LIMITS.inflated)

    def adapted(octets: Spooled, target: Path) -> tuple[Envelope, Spooled]:
        envelope, document = unwrap(in_memory(octets))
        return envelope, write_all(target, [document])

    return adapted


def receiving_of(content_type: str, body: bytes, **facts: Any) -> Receiving:
    """A message on its way in, through the door that is open."""
    if DOOR.shapes is not None:
        facts.setdefault("shapes", DOOR.shapes)
    return (_FromFile if DOOR.file else Receiving)(content_type, bytes(body), **facts)


@pytest.fixture(params=["in memory", "from file to file", "of a known shape"])
def door(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a test through every door."""
    DOOR.file = request.param == "from file to file"
    DOOR.shapes = Shapes() if request.param == "of a known shape" else None
    yield
    DOOR.file, DOOR.shapes = False, None
