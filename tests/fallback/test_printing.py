from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from channel_parts import ADDRESS, BUYER, make_context, make_facts, make_page, make_parcel

from gateway.errors import ChannelRefused, ChannelUnavailable, ConfigurationError
from gateway.fallback._batch import Batch, Printed, write_batch
from gateway.fallback._print_settings import Settings
from gateway.fallback.printing import open_channel
from gateway.files import handovers
from gateway.model.message import Parcel
from gateway.ports import Channel

FIELDS = {
    "id",
    "document",
    "file",
    "sha256",
    "sheets",
    "pages",
    "duplex",
    "address",
    "country",
    "number",
    "colour",
    "envelope",
    "postage",
    "grams",
    "price",
    "currency",
}


def bureau(base: Path, **table: object) -> Channel:
    return open_channel(table, make_context(base, section="print"))


def to(**address: str) -> Parcel:
    return make_parcel(facts=make_facts(buyer=replace(BUYER, address=replace(ADDRESS, **address))))


def manifest(batch: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (batch / "manifest.jsonl").read_text("utf-8").splitlines()]


async def test_a_letter_is_a_batch_with_its_manifest(tmp_path: Path) -> None:
    handover = await bureau(tmp_path).dispatch(make_parcel(page=make_page(3)))
    [batch] = (tmp_path / "var/letters").iterdir()
    assert batch.name == "20261125-doc-0001"
    assert sorted(path.name for path in batch.iterdir()) == [
        "doc-0001.pdf",
        "manifest.csv",
        "manifest.jsonl",
        "manifest.xml",
        "totals.json",
    ]
    [row] = manifest(batch)
    assert row == {
        "id": "letter-doc-0001",
        "document": "doc-0001",
        "file": "doc-0001.pdf",
        "sha256": hashlib.sha256(make_page(3)).hexdigest(),
        "sheets": 2,
        "pages": 3,
        "duplex": True,
        "address": ["Exempel AB", "Storgatan 1", "111 22 Stockholm"],
        "country": "SE",
        "number": "1001",
        "colour": False,
        "envelope": "se-h2-c5",
        "postage": "economy",
        "grams": 17,
        "price": "16.05",
        "currency": "SEK",
    }
    assert (batch / "doc-0001.pdf").read_bytes() == make_page(3)
    assert handover.reference == "20261125-doc-0001/doc-0001.pdf"
    assert handover.text == (
        "Given to the print bureau as batch 20261125-doc-0001: 3 pages on 2 sheets, "
        "to Exempel AB, Storgatan 1, 111 22 Stockholm"
    )
    assert handover.evidence == (batch / "manifest.jsonl").read_bytes() and not handover.confirmed


async def test_printed_on_one_side_each_page_is_a_sheet(tmp_path: Path) -> None:
    await bureau(tmp_path, target="out", duplex=False).dispatch(make_parcel(page=make_page(3)))
    [row] = manifest(tmp_path / "out/20261125-doc-0001")
    assert (row["sheets"], row["pages"], row["duplex"]) == (3, 3, False)


def test_a_batch_may_hold_many_letters(tmp_path: Path) -> None:
    letters = [
        Printed(document=f"doc-{n}", pdf=make_page(), pages=1, duplex=True, address=("Exempel AB",)) for n in range(20)
    ]
    written = write_batch(tmp_path, Batch(name="2026-11-25-evening", letters=tuple(letters)))
    rows = manifest(tmp_path / "2026-11-25-evening")
    assert [row["document"] for row in rows] == [letter.document for letter in letters]
    assert write_batch(tmp_path, Batch(name="2026-11-25-evening", letters=tuple(letters[:1]))) == written


async def test_a_lost_memory_finds_the_letter_that_lies_there(tmp_path: Path) -> None:
    first = await bureau(tmp_path).dispatch(make_parcel())
    subprocess.run(["rm", "-r", str(tmp_path / "var/handovers")], check=True)
    again = await bureau(tmp_path).dispatch(make_parcel(page=make_page(2)))
    assert again.evidence == first.evidence
    assert len(list((tmp_path / "var/letters").iterdir())) == 1


class Killed(BaseException):
    """Stands for kill -9."""


async def test_a_letter_that_the_bureau_took_before_a_kill_is_not_printed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = tmp_path / "var/letters"

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(handovers, "_remember", killed)
        with pytest.raises(Killed):
            await bureau(tmp_path).dispatch(make_parcel())
    [batch] = letters.iterdir()
    shutil.rmtree(batch)  # the bureau takes it away
    with pytest.raises(ChannelUnavailable, match="in doubt") as caught:
        await bureau(tmp_path).dispatch(make_parcel())
    assert caught.value.sent and list(letters.iterdir()) == []


async def test_a_letter_killed_before_it_appeared_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = tmp_path / "var/letters"
    rename = Path.rename

    def killed(path: Path, to: Path) -> Path:
        if path.parent == letters:
            raise Killed
        return rename(path, to)

    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setattr(Path, "rename", killed)
            with pytest.raises(Killed):
                await bureau(tmp_path).dispatch(make_parcel())
    await bureau(tmp_path).dispatch(make_parcel())
    assert len(list(letters.iterdir())) == 1


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (b"", "cannot be read"),
        (b"not a PDF", "cannot be read"),
        (make_page()[:-600], "cannot be read"),
        (make_page()[:400], "cannot be read"),
        (make_page(5), "5 pages"),
        (make_page(width="216mm", height="279mm"), "216 × 279 mm, not A4"),
        (make_page(width="297mm", height="210mm"), "297 × 210 mm, not A4"),
        (make_page(filler=40_000), r"print\.max_bytes"),
    ],
    ids=["empty", "text", "cut", "cut-early", "pages", "letter-size", "landscape", "bytes"],
)
async def test_what_a_bureau_cannot_print_is_refused_and_nothing_is_left(tmp_path: Path, page: bytes, why: str) -> None:
    with pytest.raises(ChannelRefused, match=why) as caught:
        await bureau(tmp_path, max_pages=4, max_bytes="40 KB").dispatch(make_parcel(page=page))
    assert caught.value.remedy
    assert not (tmp_path / "var/letters").exists()


async def test_an_encrypted_pdf_is_refused(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_page()))
    writer.encrypt("hemligt", algorithm="RC4-128")
    octets = io.BytesIO()
    writer.write(octets)
    with pytest.raises(ChannelRefused, match="encrypted"):
        await bureau(tmp_path).dispatch(make_parcel(page=octets.getvalue()))


async def test_a_page_turned_upright_is_a4(tmp_path: Path) -> None:
    at = "dx: 28mm, dy: 190mm - 60mm"  # what stands there lies on its side once the page is turned
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_page(width="297mm", height="210mm", at=at)))
    writer.pages[0].rotate(90)
    octets = io.BytesIO()
    writer.write(octets)
    with pytest.raises(ChannelRefused, match="the address line") as caught:
        await bureau(tmp_path).dispatch(make_parcel(page=octets.getvalue()))
    assert "A4" not in str(caught.value)


async def test_a_broken_pdf_anywhere_is_refused_or_printed_never_a_crash(tmp_path: Path) -> None:
    dice = random.Random(31)
    channel = bureau(tmp_path)
    for n in range(60):
        octets = bytearray(make_page(2))
        for _ in range(dice.choice([1, 5, 50])):
            octets[dice.randrange(len(octets))] = dice.randrange(256)
        try:
            await channel.dispatch(make_parcel(f"doc-{n}", page=bytes(octets)))
        except ChannelRefused:
            continue


async def test_a_letter_without_a_deliverable_address_is_refused_with_the_reason(tmp_path: Path) -> None:
    parcel = to(city="")
    assert bureau(tmp_path).serves(parcel) == "the receiver's postal address has no city"
    with pytest.raises(ChannelRefused, match=r"^The receiver's postal address has no city$"):
        await bureau(tmp_path).dispatch(parcel)


async def test_a_letter_abroad_ends_with_the_country(tmp_path: Path) -> None:
    await bureau(tmp_path, target="out").dispatch(to(postal_code="0150", city="Oslo", country="NO"))
    [row] = manifest(tmp_path / "out/20261125-doc-0001")
    assert row["address"] == ["Exempel AB", "Storgatan 1", "0150 Oslo", "NORWAY"]


async def test_a_folder_that_cannot_be_used_waits(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where a directory should be")
    with pytest.raises(ChannelUnavailable, match="out"):
        await bureau(tmp_path, target="out").dispatch(make_parcel())
    (tmp_path / "out").unlink()
    await bureau(tmp_path, target="out").dispatch(make_parcel())


CHILD = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from channel_parts import make_context, make_parcel
from gateway.fallback.printing import open_channel

async def main():
    page = Path(sys.argv[2]).read_bytes()
    channel = open_channel({{}}, make_context(Path(sys.argv[1]), section="print"))
    from gateway.fallback._sheet import read_sheets
    read_sheets(page, most=1)
    print("ready", flush=True)
    for n in range(int(sys.argv[3])):
        await channel.dispatch(make_parcel(f"doc-{{n}}", page=page))

{limit}
asyncio.run(main())
"""


def start_child(base: Path, page: Path, number: int, limit: str = "") -> subprocess.Popen[str]:
    code = CHILD.format(tests=str(Path(__file__).resolve().parents[1]), limit=limit)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(base), str(page), str(number)], stdout=subprocess.PIPE, text=True
    )


def check_batches(letters: Path, page: bytes) -> int:
    """Every batch under its final name is whole. Gives how many there are."""
    batches = [path for path in letters.iterdir() if not path.name.startswith(".")]
    for batch in batches:
        [row] = manifest(batch)
        assert set(row) == FIELDS
        assert row["sha256"] == hashlib.sha256((batch / str(row["file"])).read_bytes()).hexdigest()
        assert (batch / str(row["file"])).stat().st_size == len(page)
    return len(batches)


def test_killed_at_any_moment_no_half_batch_is_ever_seen_and_each_letter_is_there_once_in_the_end(
    tmp_path: Path,
) -> None:
    page = make_page(filler=2_000_000)
    (tmp_path / "page.pdf").write_bytes(page)
    letters, dice, cut = tmp_path / "var/letters", random.Random(7), 0
    for number in range(80):
        if number >= 8 and cut:
            break
        with start_child(tmp_path, tmp_path / "page.pdf", 400) as child:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.05, 0.4))
            os.kill(child.pid, signal.SIGKILL)
        if letters.exists():
            cut += any(path.name.startswith(".incoming-") for path in letters.iterdir())
            check_batches(letters, page)
    assert cut, "no kill hit a batch in the making: the test proves nothing"
    done = check_batches(letters, page)
    assert done > 0
    with start_child(tmp_path, tmp_path / "page.pdf", done + 3) as child:
        assert child.wait(120) == 0
    assert check_batches(letters, page) == done + 3
    assert not [path for path in letters.iterdir() if path.name.startswith(".")]


def test_a_full_disk_leaves_nothing_and_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(make_page(filler=400_000))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))"
    code = CHILD.format(tests=str(Path(__file__).resolve().parents[1]), limit=limit)
    arguments = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "page.pdf"), "1"]
    child = subprocess.run(arguments, capture_output=True, text=True)
    assert child.returncode == 1 and "ChannelUnavailable" in child.stderr and "File too large" in child.stderr
    assert list((tmp_path / "var/letters").iterdir()) == []


def test_every_problem_of_the_section_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({"kind": "fax", "duplex": "yes", "size": "A3"}, "print", tmp_path)
    assert {path for path, _ in caught.value.problems} == {"print.kind", "print.duplex", "print.size"}
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({"max_pages": 0, "max_bytes": 1}, "print", tmp_path)
    assert {path for path, _ in caught.value.problems} == {"print.max_pages", "print.max_bytes"}


async def test_a_thousand_letters_bear_the_address_of_their_document(tmp_path: Path) -> None:
    channel = bureau(tmp_path, target="out")

    async def one(n: int) -> None:
        buyer = replace(BUYER, address=replace(ADDRESS, name=f"Exempel {n} AB", street=f"Storgatan {n}"))
        await channel.dispatch(make_parcel(f"doc-{n}", facts=make_facts(buyer=buyer)))

    for start in range(0, 1000, 50):
        await asyncio.gather(*(one(n) for n in range(start, start + 50)))
    rows = [row for batch in (tmp_path / "out").iterdir() for row in manifest(batch)]
    assert len(rows) == 1000
    for row in rows:
        number = str(row["document"]).removeprefix("doc-")
        assert row["address"] == [f"Exempel {number} AB", f"Storgatan {number}", "111 22 Stockholm"]
