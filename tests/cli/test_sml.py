"""gateway sml: what the SML knows, and the next certificate of our SMP."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli import NO, WRONG, YES, main
from gateway.model.identifiers import ParticipantId
from gateway.network.market import ZONE, Market, new_market
from gateway.network.sml import Sml, serve_sml
from gateway.security.authority import issue

OURS = ParticipantId.parse("0007:5567212047")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Market, Sml]]:
    """A market with its SML running in a thread."""
    import asyncio

    port = 22_000 + (os.getpid() + 7_000) % 20_000
    market = new_market(tmp_path / "market", 1, now=datetime.now(UTC), sml=True, first_port=port)
    assert market.sml
    sml = Sml(market.zone_file, market.directory / "sml.json", name=ZONE)
    started, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serve_sml(sml, market.sml):
            started.set()
            await asyncio.to_thread(over.wait)

    with ExitStack() as stack:
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        assert started.wait(20)
        yield market, sml


def run(capsys: pytest.CaptureFixture[str], market: Market, *words: str) -> tuple[int, str]:
    code = main(["sml", *words, "--config", str(market.members[0].config), "--json"])
    return code, capsys.readouterr().out


def test_it_shows_lists_and_mends_what_the_sml_has(
    place: tuple[Market, Sml], capsys: pytest.CaptureFixture[str]
) -> None:
    market, sml = place
    code, out = run(capsys, market, "show")
    assert (code, json.loads(out)["registered"]) == (NO, False)
    sml.publishers["PSP000001"], sml.owners["PSP000001"] = "http://old.example", ""
    sml.held[OURS] = "PSP000001"
    code, out = run(capsys, market, "show")
    assert (code, json.loads(out)["address"]) == (NO, "http://old.example")
    assert run(capsys, market, "list") == (YES, '{"participant": "0007:5567212047"}\n')
    sml.held.clear()
    assert run(capsys, market, "address")[0] == YES
    assert sml.publishers["PSP000001"] == market.members[0].smp_url
    assert run(capsys, market, "show")[0] == YES


def test_the_next_certificate_is_judged_before_the_sml_is_told(
    place: tuple[Market, Sml], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    market, sml = place
    now = datetime.now(UTC)
    following = issue(market.directory / "pki", "smp", "PSP000001", now=now)
    late = (now + timedelta(days=30)).date().isoformat()
    code, out = run(capsys, market, "certificate", str(following), "--on", late)
    assert (code, json.loads(out)) == (YES, {"announced": True, "on": late})
    assert next(iter(sml.announced.values())).startswith("-----BEGIN CERTIFICATE-----")
    asked = len(sml.asked)
    assert run(capsys, market, "certificate", str(following), "--on", now.date().isoformat())[0] == WRONG
    assert run(capsys, market, "certificate", str(following), "--on", "soon")[0] == WRONG
    assert run(capsys, market, "certificate", str(tmp_path / "none.pem"))[0] == WRONG
    assert len(sml.asked) == asked


def test_check_says_whether_the_sml_has_our_smp(place: tuple[Market, Sml], capsys: pytest.CaptureFixture[str]) -> None:
    market, sml = place

    def said() -> str:
        main(["check", "--config", str(market.members[0].config), "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return next(json.dumps(check) for check in checks if "SML" in json.dumps(check.get("name", check)))

    assert "made known with the first participant" in said()
    sml.publishers["PSP000001"], sml.owners["PSP000001"] = "http://old.example", ""
    assert "gateway sml address" in said()
    sml.trouble = lambda operation: "500"
    assert "is no SOAP (status 500)" in said()
