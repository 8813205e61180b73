"""The corpus beside the checkout, our own examples, and an envelope to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.model.document import Envelope
from gateway.model.identifiers import InstanceId, ParticipantId
from gateway.ubl import invoice
from tests.ubl.both_ways import both_ways
from tests.ubl.ubl_parts import example

CORPUS = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpus" / "invoices"

__all__ = ["both_ways"]


@pytest.fixture(scope="session")
def corpus() -> Path:
    if not (CORPUS / "truth.json").is_file():
        pytest.skip("../shared/corpus/invoices is not beside this checkout")
    return CORPUS


@pytest.fixture(scope="session")
def truth(corpus: Path) -> dict[str, Any]:
    documents: dict[str, Any] = json.loads((corpus / "truth.json").read_text())["documents"]
    return documents


@pytest.fixture
def network() -> bytes:
    return example("network")


@pytest.fixture
def envelope(network: bytes) -> Envelope:
    facts = invoice.read(network)
    assert facts.seller.endpoint is not None
    return Envelope(
        sender=facts.seller.endpoint,
        receiver=ParticipantId.parse("0088:7300010000001"),
        document_type=facts.document_type,
        process=facts.process,
        country_c1="SE",
        instance_id=InstanceId("7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10"),
        created="2026-11-25T10:15:30Z",
        standard=facts.document_type.namespace,
        type_version="2.1",
        type="Invoice",
    )
