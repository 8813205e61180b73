"""What others wrote is text in every table that we write for a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from gateway.cli.lookup_bulk import Bulk
from gateway.model.cells import as_meant, harmless
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reason, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS

FORMULAS = ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")
COMMON = ("", "Exempel AB", "'", "''", "'t Hoekje", "1-2", "a=b")


def runs(cell: str) -> bool:
    return cell[:1] in ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize("text", [*FORMULAS, *COMMON])
def test_a_formula_becomes_text_and_comes_back_as_it_was(text: str) -> None:
    assert not runs(harmless(text)) and as_meant(harmless(text)) == text
    assert (harmless(text) == text) is (text in COMMON)


class Stranger:
    """An SMP whose words end in the table."""

    async def find(self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId) -> Unreachable:
        reason = Reason.NOT_REGISTERED
        return Unreachable(participant=participant, reason=reason, text="=cmd|'/c calc'!A1", smp="@https://smp")


async def test_the_answers_of_a_bulk_search_run_nothing() -> None:
    out = io.StringIO()
    run = Bulk(lookup=Stranger(), document_type=str(BILLING_INVOICE), process=str(BILLING_PROCESS), at_once=1)  # type: ignore[arg-type]
    await run.run(io.StringIO("participant\n0088:7300010000001\n"), out)
    assert "=cmd|" in out.getvalue()
    assert not any(runs(cell) for row in csv.reader(io.StringIO(out.getvalue())) for cell in row)
