from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gateway.delivery
import gateway.fallback
from gateway.discovery import ChannelContext, find_kinds, open_channel
from gateway.errors import ConfigurationError

DELIVERIES = ("folder", "inbox", "s3", "sftp", "webhook")


class Clock:
    def now(self) -> object:
        raise AssertionError("nobody asks for the time here")


def context(base: Path) -> ChannelContext:
    return ChannelContext(base=base, clock=Clock(), describe=lambda message: {})  # type: ignore[arg-type]


def test_every_file_of_a_package_is_a_kind_and_parts_of_files_are_not() -> None:
    assert find_kinds(gateway.fallback) == ("email", "print")
    assert find_kinds(gateway.delivery) == DELIVERIES


def test_a_new_file_is_found_without_an_edit_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "carrier_pigeon.py").write_text(
        "def open_channel(table, context):\n    return dict(table), context.section"
    )
    monkeypatch.setattr(gateway.delivery, "__path__", [*gateway.delivery.__path__, str(tmp_path)])
    assert "carrier_pigeon" in find_kinds(gateway.delivery)
    table = {"kind": "carrier_pigeon", "coop": 1}
    opened = open_channel(gateway.delivery, "delivery.roof", table, context(tmp_path))
    assert opened == (table, "delivery.roof")  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"kind": "foldr"}, '"foldr" is unknown; did you mean folder?'),
        ({"kind": "telex"}, '"telex" is unknown; known are ' + ", ".join(DELIVERIES)),
        ({"kind": "../fallback/mailing"}, '"../fallback/mailing" is unknown; known are ' + ", ".join(DELIVERIES)),
        ({}, '"" is unknown; known are ' + ", ".join(DELIVERIES)),
    ],
)
def test_an_unknown_kind_is_told_with_those_that_are_known(tmp_path: Path, table: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_channel(gateway.delivery, "delivery.default", table, context(tmp_path))
    assert caught.value.problems == (("delivery.default.kind", text),)


def test_a_section_without_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_channel(gateway.fallback, "scan", {}, context(tmp_path))
    assert caught.value.problems[0][0] == "scan"


def test_only_the_named_file_is_imported_and_heavy_parts_wait_until_they_are_used() -> None:
    code = (
        "import sys, pathlib, gateway.delivery, gateway.fallback\n"
        "from gateway.discovery import *\n"
        "from gateway.model.view import describe\n"
        "c = ChannelContext(base=pathlib.Path('.'), clock=None, describe=describe)\n"
        "class T:\n    now = None\n"
        "from dataclasses import replace\n"
        "open_channel(gateway.fallback, 'print', {}, replace(c, clock=T()))\n"
        "heavy = {'pypdf', 'aiosmtplib', 'gateway.fallback.mailing', 'gateway.delivery.inbox'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
