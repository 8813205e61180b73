"""Every row of tables C to F and P: judged as the endpoint judges, then over HTTP, with nothing stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.as4.as4_parts import SHARED
from tests.attacks import test_special, test_wire
from tests.attacks.catalogue import ALL, BESIDE, ELSEWHERE, PARTLY, ROWS, SPECIAL
from tests.attacks.parts import Kit, Tally
from tests.attacks.wire import Wire, open_site

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("door")


@pytest.mark.parametrize("id", sorted(ROWS))
async def test_row(kit: Kit, whole: bool, id: str) -> None:
    cases = list(ROWS[id](kit))
    assert cases
    tally = Tally(id)
    for case in cases:
        verdict = kit.judge(case.content_type, case.body)
        tally.add(verdict, kit.problem(case, verdict))
    assert not tally.problems, "\n".join(tally.problems[:20])
    step = 1 if whole else max(1, len(cases) // 60)
    problems: list[str] = []
    async with open_site(kit) as site, Wire(site) as wire:
        for case in cases[::step]:
            before = len(site.stored)
            answer = await wire.post(case.content_type, case.body)
            if answer.outcome not in case.expect and not _http_knows_better(case.content_type, answer.status):
                problems.append(f"{case.name}: {answer.outcome}, not {' or '.join(case.expect)}")
            if len(site.stored) - before != (answer.outcome == "taken"):
                problems.append(f"{case.name}: stored {len(site.stored) - before}")
            if b"Traceback" in answer.body or b".py" in answer.body:
                problems.append(f"{case.name}: the answer shows our insides")
    assert not problems, "\n".join(problems[:20])


def _http_knows_better(content_type: str, status: int) -> bool:
    """A Content-Type that HTTP itself cannot carry ends in 400 and a closed connection, sometimes seen as that only."""
    return status in (0, 400) and (len(content_type) > 2000 or not content_type.isprintable())


def test_no_row_is_forgotten() -> None:
    names = {name[5:8] for module in (test_special, test_wire) for name in vars(module) if name.startswith("test_")}
    assert names >= SPECIAL
    assert set(ROWS) | SPECIAL | set(ELSEWHERE) == ALL
    assert not set(ELSEWHERE) & (set(ROWS) | SPECIAL)
    assert set(PARTLY) <= ALL
    assert set(BESIDE) == {"TLS", "250 MB", "slow headers"}
    assert all(len(reason) > 20 for reason in (*PARTLY.values(), *BESIDE.values()))


@pytest.mark.parametrize("id", ELSEWHERE)
def test_a_row_that_stands_elsewhere_is_there(id: str) -> None:
    file, name = ELSEWHERE[id]
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.skipif(not (SHARED / "knowledge").exists(), reason="the catalogue (../shared/knowledge) is absent")
def test_the_catalogue_has_these_rows() -> None:
    text = (SHARED / "knowledge" / "reliability.md").read_text()
    assert frozenset(re.findall(r"^\| ([CDEFP]\d\d) \|", text, re.MULTILINE)) == ALL
