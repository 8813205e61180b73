"""Every envelope and document that a test reads is read as a large one too, and both ways have to agree.

Agree means: the same header, the same facts, the same refusal or none. A document that the small way writes anew, so
that it stands alone, may be written otherwise by the other one; it has to mean the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from lxml import etree

from gateway.errors import InvalidDocument, InvalidMessage
from gateway.files.spool import in_memory, write_all
from gateway.model.document import Envelope
from gateway.security import safexml
from gateway.ubl import large, sbdh, submission
from gateway.ubl.submission import Submission


@pytest.fixture
def both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches the two readers that tests call."""
    unwrap, read = sbdh.unwrap, submission.read_submission
    inside = False

    def unwrap_both(octets: bytes, *, limit: int = sbdh.MAX_DOCUMENT) -> tuple[Envelope, bytes]:
        nonlocal inside
        if inside:
            return unwrap(octets, limit=limit)
        inside = True
        try:
            with tempfile.TemporaryDirectory() as name:
                _agree_on_envelope(octets, limit, Path(name), unwrap)
        finally:
            inside = False
        return unwrap(octets, limit=limit)

    def read_both(octets: bytes, *, limit: int = sbdh.MAX_DOCUMENT) -> Submission:
        nonlocal inside
        inside = True
        try:
            with tempfile.TemporaryDirectory() as name:
                _agree_on_submission(octets, limit, Path(name), read)
            return read(octets, limit=limit)
        finally:
            inside = False

    monkeypatch.setattr(sbdh, "unwrap", unwrap_both)
    monkeypatch.setattr(submission, "read_submission", read_both)


def _agree_on_envelope(octets: bytes, limit: int, folder: Path, unwrap: object) -> None:
    file = write_all(folder / "envelope", [octets])
    try:
        small = unwrap(octets, limit=limit)  # type: ignore[operator]
    except InvalidMessage as refusal:
        with pytest.raises(InvalidMessage) as other:
            large.unwrap(file, folder / "document", limit=limit)
        assert other.value.code == refusal.code
        return
    found = large.unwrap(file, folder / "document", limit=limit)
    assert (found.envelope, found.summary) == (small.envelope, small.summary)
    document = in_memory(found.document)
    assert document == small.document or _meaning(document) == _meaning(small.document)


def _agree_on_submission(octets: bytes, limit: int, folder: Path, read: object) -> None:
    file = write_all(folder / "body", [octets])
    try:
        expected = read(octets, limit=limit)  # type: ignore[operator]
    except InvalidDocument as refusal:
        with pytest.raises(InvalidDocument) as other:
            large.read_submission(file, lambda name: folder / name, limit=limit)
        assert other.value.findings[0].rule == refusal.findings[0].rule
        return
    found = large.read_submission(file, lambda name: folder / name, limit=limit)
    assert (found.facts, found.envelope) == (expected.facts, expected.envelope)


def _meaning(document: bytes) -> list[tuple[object, ...]]:
    """Names, attributes and texts; which prefixes are declared and not used means nothing."""
    root = safexml.parse(document, huge=True)
    return [
        (node.tag, sorted(node.items()), node.text, node.tail if node is not root else "")
        for node in root.iter(etree.Element)
    ]
