"""Keys about sites: certificates in pairs, a number of workers that can be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import load
from gateway.errors import ConfigurationError
from gateway.network.market import new_market


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return new_market(tmp_path / "market", 1, now=datetime.now(UTC)).members[0].config


def problems(config: Path, **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        load(config, environ)
    return dict(raised.value.problems)


@pytest.mark.parametrize("section", ["as4", "api", "smp"])
def test_each_certificate_needs_its_key(config: Path, section: str) -> None:
    found = problems(config, **{f"GATEWAY__{section.upper()}__TLS_CERTIFICATE": "some.pem"})
    assert found == {f"{section}.tls_key": "must name one key for each tls_certificate, in the same order"}


@pytest.mark.parametrize("number", ["0", "-1", "65"])
def test_there_are_between_1_and_64_workers(config: Path, number: str) -> None:
    assert problems(config, GATEWAY__AS4__WORKERS=number) == {"as4.workers": "must be between 1 and 64"}


@pytest.mark.parametrize("number", [1, 64])
def test_the_bounds_are_taken(config: Path, number: int) -> None:
    assert load(config, {"GATEWAY__AS4__WORKERS": str(number)}).as4.workers == number
