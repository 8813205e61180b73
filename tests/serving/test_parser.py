"""Nothing is served behind a reader of HTTP that is known to be loose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import http_parser

from gateway.errors import ConfigurationError
from gateway.serving.parser import require_parser

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", ["3.14.4", "3.9.0b1", "2", ""])
def test_an_old_release_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(aiohttp, "__version__", version)
    with pytest.raises(ConfigurationError, match=r"install 3\.14\.5 or newer"):
        require_parser()


@pytest.mark.parametrize("version", ["3.14.5", "3.15.0rc1", "4.0"])
def test_a_newer_one_is_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(aiohttp, "__version__", version)
    require_parser()


def test_the_parser_in_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(ConfigurationError, match="AIOHTTP_NO_EXTENSIONS"):
        require_parser()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_does_not_start_with_it(tmp_path: Path, workers: str) -> None:
    """P03: the command ends with the code of a wrong set-up and says what to do."""
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--workers", workers],
        cwd=ROOT,
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1", "GATEWAY_STORE_DATABASE": f"sqlite:{tmp_path}/g.db"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "AIOHTTP_NO_EXTENSIONS" in ended.stderr
    assert not list(tmp_path.rglob("*.db"))
