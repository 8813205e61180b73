"""docs/operation.md names only metrics, checks and commands that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.cli.commands import _parser
from tests.web.conftest import Site

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "operation.md").read_text()
ELSEWHERE = {"gateway_revocation_list_failing", "gateway_certificate_end_seconds"}
"""Shown where lists and certificates are: tests/cli."""


async def test_every_metric_of_an_alarm_is_shown(site: Site) -> None:
    site.gateway.door.store = site.gateway.store
    async with site.client.get("/metrics") as answer:
        shown = set(re.findall(r"^# TYPE (\S+)", await answer.text(), re.MULTILINE))
    named = set(re.findall(r"\bgateway_[a-z0-9_]+", TEXT))
    # A site of tests has no disk to watch, and not every kernel can be asked for its clock.
    machine = {name for name in named if name.startswith(("gateway_space_", "gateway_clock_"))}
    assert named - ELSEWHERE - machine <= shown and len(named) > 10


async def test_every_check_is_there(site: Site) -> None:
    async with site.client.get("/readyz") as answer:
        checks = set((await answer.json())["checks"])
    watch = TEXT.partition("## Watch")[2].partition("|")[0]
    assert checks <= set(re.findall(r"`([a-z]+)`", watch))


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?:`|^    )gateway ((?:db )?[a-z]+)", TEXT, re.MULTILINE))))
def test_every_command_is_there(command: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        _parser().parse_args([*command.split(), "--help"])
    assert stopped.value.code == 0
