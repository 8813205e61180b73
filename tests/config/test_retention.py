"""How long what is kept: contradictions are told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.config.reading import _retention_contradictions
from gateway.config.sections import Retention

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("kept", "paths"),
    [
        (Retention(), []),
        (Retention(payloads=365 * DAY), []),
        (Retention(payloads=365 * DAY, evidence=400 * DAY, timeline=400 * DAY, keys=400 * DAY), []),
        (Retention(keys=399 * DAY, payloads=DAY, evidence=DAY, timeline=DAY), ["retention.keys"]),
        (Retention(payloads=timedelta(hours=1)), ["retention.payloads"]),
        (
            Retention(keys=400 * DAY, evidence=500 * DAY, timeline=400 * DAY),
            ["retention.payloads", "retention.evidence"],
        ),
    ],
)
def test_nothing_is_kept_for_longer_than_the_document_it_belongs_to(kept: Retention, paths: list[str]) -> None:
    assert [path for path, _ in _retention_contradictions(kept)] == paths
