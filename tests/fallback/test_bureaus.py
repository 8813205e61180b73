"""The four kinds of bureau, each with a real far side: the same letter twice is one, and what is in doubt stays so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bureaus import http_bureau, ipp_printer
from channel_parts import NOW, make_context, make_page, make_parcel
from far_sides import sftp_server

from gateway.errors import ChannelRefused, ChannelUnavailable
from gateway.fallback.printing import Printing, open_channel
from gateway.model.identifiers import AccountId, DocumentId
from gateway.model.letter import Letter, LetterId, LetterState, ReturnReason


def channel(base: Path, **table: object) -> Printing:
    opened = open_channel(table, make_context(base, section="print"))
    assert isinstance(opened, Printing)
    return opened


def forget(base: Path) -> None:
    """The process died before it could remember its handover."""
    for memory in (base / "var/handovers/print").glob("*/*.handover"):
        memory.unlink()


def waiting(reference: str = "") -> list[Letter]:
    return [
        Letter(
            id=LetterId("letter-doc-0001"),
            account=AccountId("main"),
            document=DocumentId("doc-0001"),
            state=LetterState.SUBMITTED,
            reference=reference,
            created=NOW,
            updated=NOW,
        )
    ]


async def test_a_printer_prints_once_and_is_asked_before_a_second_try(tmp_path: Path) -> None:
    with ipp_printer(tmp_path / "printer") as printer:
        table = {"kind": "ipp", "url": printer.url, "timeout": "30 seconds"}
        first = await channel(tmp_path, **table).dispatch(make_parcel())
        assert [path.read_bytes() for path in printer.printed()] == [make_page()]
        assert "Printed on" in first.text
        told = json.loads(first.evidence.splitlines()[1])["steps"]
        assert [step["state"] for step in told] == ["accepted", "printed"]
        forget(tmp_path)
        again = await channel(tmp_path, **table).dispatch(make_parcel())
        assert again == first and len(printer.printed()) == 1
        await channel(tmp_path, **table).dispatch(make_parcel("doc-0002", page=make_page(3)))
        assert len(printer.printed()) == 2
        # Begun, and the printer knows of no such job: nobody prints it by himself.
        begun = tmp_path / "var/handovers/print/2026-11-25/doc-0003.begun.doc-0003"
        begun.write_text("")
        with pytest.raises(ChannelUnavailable, match="in doubt") as caught:
            await channel(tmp_path, **table).dispatch(make_parcel("doc-0003"))
        assert caught.value.sent and len(printer.printed()) == 2
        begun.unlink()
        await channel(tmp_path, **table).dispatch(make_parcel("doc-0003"))
        assert len(printer.printed()) == 3
    with pytest.raises(ChannelUnavailable, match="nothing was printed"):
        await channel(tmp_path, **table).dispatch(make_parcel("doc-0004"))


async def test_a_bureau_with_an_api_gets_a_letter_once_though_its_answer_was_lost(tmp_path: Path) -> None:
    async with http_bureau() as bureau:
        table = {"kind": "http", "url": bureau.url, "token": "secret"}
        bureau.cut = 1
        with pytest.raises(ChannelUnavailable, match="in doubt") as caught:
            await channel(tmp_path, **table).dispatch(make_parcel())
        assert caught.value.sent
        done = await channel(tmp_path, **table).dispatch(make_parcel())
        [letter] = bureau.letters.values()
        assert letter["pdf"] == make_page() and letter["row"]["address"][0] == "Exempel AB" and bureau.posts == 2
        assert json.loads(done.evidence.splitlines()[1])["steps"][0]["reference"] == "b-letter-doc-0001"
        letter.update(status="sent", posted_at="2026-11-25T12:30:00+00:00", carrier="PostNord")
        [(id_, step)] = await channel(tmp_path, **table).answers(waiting("b-letter-doc-0001"))
        assert (id_, step.state, step.carrier) == ("letter-doc-0001", LetterState.POSTED, "PostNord")
        assert step.time == NOW - timedelta(minutes=30)
        letter.update(status="undeliverable", reason="Mottagaren okänd")
        [(_, step)] = await channel(tmp_path, **table).answers(waiting("b-letter-doc-0001"))
        assert (step.state, step.returned) == (LetterState.RETURNED, ReturnReason.UNKNOWN_ADDRESS)


@pytest.mark.parametrize(
    ("status", "error", "sent"),
    [(422, ChannelRefused, None), (401, ChannelUnavailable, False), (429, ChannelUnavailable, False),
     (503, ChannelUnavailable, True)],
)  # fmt: skip
async def test_what_a_bureau_answers_means_never_later_or_in_doubt(
    tmp_path: Path, status: int, error: type[Exception], sent: bool | None
) -> None:
    async with http_bureau() as bureau:
        bureau.answers.append((status, {"detail": "no such paper"}))
        with pytest.raises(error, match="no such paper") as caught:
            await channel(tmp_path, kind="http", url=bureau.url, token="secret").dispatch(make_parcel())
        assert getattr(caught.value, "sent", None) is sent and bureau.letters == {}


@asynccontextmanager
async def sftp(base: Path) -> AsyncIterator[dict[str, Any]]:
    async with sftp_server(base / "server") as server:
        table = server.table(base / "server")
        yield {**{key: value for key, value in table.items() if key != "target"}, "directory": "in/letters"}


async def test_a_bureaus_server_gets_whole_batches_and_its_answers_are_read_once(tmp_path: Path) -> None:
    async with sftp(tmp_path) as table:
        await channel(tmp_path, **table).dispatch(make_parcel())
        target = tmp_path / "server/in/letters"
        [batch] = target.iterdir()
        assert (batch / "doc-0001.pdf").read_bytes() == make_page() and (batch / "totals.json").exists()
        forget(tmp_path)
        await channel(tmp_path, **table).dispatch(make_parcel())
        assert [path.name for path in target.iterdir()] == [batch.name]
        (target / f"{batch.name}.answer.jsonl").write_text('{"id":"letter-doc-0001","state":"posted"}\nrubbish\n')
        one = channel(tmp_path, **table)
        [(id_, step)] = await one.answers([])
        assert (id_, step.state) == ("letter-doc-0001", LetterState.POSTED)
        assert await channel(tmp_path, **table).answers([])  # not yet written down: it is said again
        await one.answered()
        assert await one.answers([]) == []


async def test_a_bureaus_folder_answers_beside_the_batch(tmp_path: Path) -> None:
    one = channel(tmp_path)
    await one.dispatch(make_parcel())
    letters = tmp_path / "var/letters"
    rows = [
        {"id": "letter-doc-0001", "state": "returned", "reason": "Adressaten avflyttad"},
        {"id": "letter-doc-0001", "state": "batched"},
        {"state": "posted"},
    ]
    (letters / "b.answer.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [(_, step)] = await one.answers([])
    assert (step.state, step.returned) == (LetterState.RETURNED, ReturnReason.MOVED)
    await one.answered()
    assert (letters / "b.answer.jsonl.read").exists() and await one.answers([]) == []
