"""Large documents are judged in a process of their own; losing it loses nothing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.exchange.judge_process import read_verdict, write_verdict
from gateway.exchange.judges import HERE, Judges, open_judges
from gateway.model.octets import Spooled
from tests.exchange.conftest import sample
from tests.exchange.test_rules import GOOD, WRONG

_PADDING = b"<!--" + b"x" * HERE + b"--></Invoice>"


@pytest.fixture
async def judges() -> AsyncIterator[Judges]:
    async with open_judges(Judges()) as judges:
        yield judges


def _large(document: bytes) -> bytes:
    return document.replace(b"</Invoice>", _PADDING)


async def test_a_small_document_needs_no_process(judges: Judges) -> None:
    assert (await judges.verdict(GOOD)).words == "valid by en16931 1.3.16 and peppol-billing 3.0.21"
    assert judges._free == []


async def test_a_large_one_gets_the_same_verdict_from_a_process_that_stays(judges: Judges) -> None:
    assert await judges.verdict(_large(WRONG)) == await judges.verdict(WRONG)
    (process,) = judges._free
    swedish = await judges.verdict(_large(WRONG), language="sv")
    assert "moms" in swedish.findings[0].message
    assert judges._free == [process]


async def test_a_process_that_died_is_replaced(judges: Judges) -> None:
    await judges.verdict(_large(GOOD))
    judges._free[0].kill()
    await judges._free[0].wait()
    assert (await judges.verdict(_large(GOOD))).judged


async def test_without_an_answer_in_time_the_document_is_not_validated_and_that_is_said(judges: Judges) -> None:
    judges.seconds = 0.0
    verdict = await judges.verdict(_large(WRONG))
    assert verdict.valid and not verdict.judged and "took longer than 0 seconds" in verdict.words
    assert judges._free == []


async def test_without_memory_too(judges: Judges) -> None:
    judges.memory = 1_000_000
    verdict = await judges.verdict(_large(WRONG))
    assert verdict.valid and "not validated" in verdict.words and "cannot be started" in verdict.words


async def test_a_file_is_judged_where_it_lies(judges: Judges, tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(WRONG)
    file = Spooled(path=path, sha256=hashlib.sha256(WRONG).hexdigest(), size=len(WRONG))
    assert (await judges.verdict(file)).findings == (await judges.verdict(WRONG)).findings


async def test_more_than_the_rules_can_hold_is_said_to_be_not_validated(judges: Judges, tmp_path: Path) -> None:
    line = GOOD[GOOD.index(b"<cac:InvoiceLine>") : GOOD.index(b"</cac:InvoiceLine>") + len(b"</cac:InvoiceLine>")]
    path = tmp_path / "document"
    path.write_bytes(GOOD.replace(b"</Invoice>", line * (17 * 1024 * 1024 // len(line)) + b"</Invoice>"))
    verdict = await judges.verdict(Spooled(path=path, sha256="", size=path.stat().st_size))
    assert verdict.valid and "more than 16777216 octets" in verdict.words


async def test_what_cannot_be_read_is_a_finding(judges: Judges) -> None:
    for document in (b"<Invoice", _large(GOOD) + b"<"):
        verdict = await judges.verdict(document)
        assert not verdict.valid and verdict.findings[0].rule == "XML"


def test_a_verdict_goes_through_the_pipe_unchanged() -> None:
    from gateway.exchange.judges import judge_here
    from gateway.ubl.rules.judge import Rulebook

    verdict = judge_here(sample("network").replace(b"<cbc:ID>", b"<cbc:ID>x</cbc:ID><cbc:ID>", 1), Rulebook())
    assert not verdict.valid and read_verdict(write_verdict(verdict)) == verdict
