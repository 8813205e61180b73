"""gateway lookup --csv: one row in, one row out, in order, whatever the rows are."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from gateway.cli.lookup_bulk import ADDED, Bulk
from gateway.errors import ConfigurationError, LookupUnavailable
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Endpoint, Reachable, Reason, Unreachable
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS


class Network:
    """Answers by the last digit; earlier questions take longer than later ones."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_once = self.most = 0

    async def find(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> Reachable | Unreachable:
        self.asked.append(participant.value)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.02 / len(self.asked))
        self.at_once -= 1
        last = participant.value[-1]
        if last == "9":
            raise LookupUnavailable("SERVFAIL")
        if last == "8":
            return Unreachable(participant=participant, reason=Reason.NOT_REGISTERED, text="not registered")
        end = Endpoint(url="https://ap/as4", certificate=b"", seat="POP000101", transport_profile="as4")
        return Reachable(
            participant=participant, document_type=document_type, process=process, endpoint=end, smp="https://smp"
        )


async def bulk(text: str) -> tuple[list[dict[str, str]], Bulk, Network]:
    network, target = Network(), io.StringIO()
    run = Bulk(lookup=network, document_type=str(BILLING_INVOICE), process=str(BILLING_PROCESS), at_once=8)
    await run.run(io.StringIO(text), target)
    return list(csv.DictReader(io.StringIO(target.getvalue()))), run, network


async def test_every_row_keeps_its_columns_and_its_place() -> None:
    rows = [f"name {n},0088:{n:013}" for n in range(50)]
    found, run, network = await bulk("Name,Participant\n" + "\n".join(rows))
    assert [row["name"] for row in found] == [f"name {n}" for n in range(50)]
    assert [row["participant"] for row in found] == [f"0088:{n:013}" for n in range(50)]
    assert dict(run.counts) == {"positive": 40, "negative": 5, "indeterminate": 5}
    assert found[0] | {"warnings": "", "asked_at": ""} == {
        "name": "name 0",
        "participant": "0088:0000000000000",
        **dict.fromkeys(ADDED, ""),
        "verdict": "positive",
        "reason": "takes it at POP000101",
        "smp": "https://smp",
        "access_point": "POP000101",
        "endpoint": "https://ap/as4",
    }
    assert (found[8]["verdict"], found[8]["code"]) == ("negative", "not-registered")
    assert (found[9]["verdict"], found[9]["reason"]) == ("indeterminate", "SERVFAIL")
    assert 1 < network.most <= 9


async def test_a_row_that_is_no_identifier_costs_only_itself() -> None:
    found, run, _ = await bulk("participant\n9955:SE556721204701\n\n5567212047\n,\n0007:5567212040\n")
    assert [row["verdict"] for row in found] == ["invalid", "invalid", "positive"]
    assert "use 0007:5567212047" in found[0]["reason"]
    assert "check digit" in found[2]["warnings"]
    assert run.counts["invalid"] == 2


async def test_without_a_header_the_first_column_counts_and_short_rows_are_filled() -> None:
    found, _, _ = await bulk("0007:5567212047,Exempel AB\n0007:5567212048\n")
    assert [(row["participant"], row["column_2"], row["verdict"]) for row in found] == [
        ("0007:5567212047", "Exempel AB", "positive"),
        ("0007:5567212048", "", "negative"),
    ]


async def test_an_empty_file_is_told() -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        await bulk("")
