"""Files of every hostile kind are refused with a clear text; the process that read them is gone and ours unhurt."""

import asyncio
import resource
from collections.abc import Collection, Sequence

import pytest

from gateway.model.scan import Reading, Supplier
from gateway.scanning.process import Ended, Room, run
from gateway.scanning.reader import FileReader, Limits
from tests.scanning import bad_files, generator

PDF = generator.text_pdf(generator.page(generator.invoice(1, code=False)))
JS = b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"


async def nobody(numbers: Collection[str]) -> Sequence[Supplier]:
    return ()


async def read(octets: bytes, file_name: str = "", limits: Limits | None = None) -> Reading:
    reader = FileReader(limits=limits or Limits(), program="")
    return await reader.read(octets, file_name=file_name, suppliers_of=nobody)


@pytest.mark.parametrize(
    ("octets", "file_name", "reason"),
    [
        (b"", "a.pdf", "empty"),
        (b"GIF89a" + b"\0" * 50, "a.gif", "type"),
        (b"SIMPLE  =                    T", "a.fits", "type"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a.jp2", "type"),
        (b"PK\x03\x04" + b"\0" * 100, "a.zip", "type"),
        (b"<html>%PDF-1.7", "a.pdf", "type"),
        (PDF + b"PK\x05\x06" + b"\0" * 18, "a.pdf", "polyglot"),
        (PDF + b"<script>alert(1)</script>" * 10, "a.pdf", "polyglot"),
        (b"%PDF-1.7\n<html><script>1</script>" + PDF[9:], "a.pdf", "polyglot"),
        (PDF[:400], "a.pdf", "cut-off"),
        (PDF, "a.jpg", "wrong-name"),
        (b"\xff\xd8\xff" + b"\0" * 100, "a.pdf", "wrong-name"),
        (b"\0" * 20_000_001, "a.pdf", "too-large"),
    ],
)  # fmt: skip
async def test_what_can_be_seen_from_outside_is_refused_before_anything_opens_it(
    octets: bytes, file_name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.scanning.process.run", None)
    found = await read(octets, file_name)
    assert found.refusal is not None and (found.refusal.name, found.refusal.final) == (reason, True)
    assert found.refusal.en != found.refusal.sv


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (lambda: bad_files.png_bomb(), {"pixels"}),
        (lambda: bad_files.tiff_of_many(60), {"pages"}),
        (lambda: bad_files.flate_bomb(), {"too-large-inside", "crashed", "blank", "damaged"}),
        (bad_files.picture_bomb, {"too-large-inside", "crashed", "blank", "damaged"}),
        (lambda: bad_files.many_pages(100_000), {"pages", "too-complex"}),
        (bad_files.looping_pages, {"pages", "damaged", "crashed", "blank"}),
        (bad_files.locked, {"encrypted"}),
        (lambda: bad_files.pdf_with(JS), {"active"}),
        (lambda: bad_files.pdf_with(b"/OpenAction << /S /Launch /F (cmd.exe) >>"), {"active"}),
        (lambda: bad_files.pdf_with(b"/Names << /J#61vaScript 4 0 R >>", more=(b"<< >>",)), {"active"}),
        (lambda: bad_files.pdf_with(b"/AcroForm << /XFA (x) >>"), {"active"}),
        (lambda: generator.text_pdf(generator.page(generator.invoice(1, code=False)), attached=("a.exe", b"MZ\x90")),
         {"active"}),
        (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 20 + b"\n%%EOF", {"damaged", "crashed"}),
        (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 500, {"damaged"}),
        (lambda: b"II*\x00" + b"\xff" * 500, {"damaged"}),
        (lambda: bad_files.pdf_with(page=b"/UserUnit 90"), {"blank", "page-size"}),
        (bad_files.pdf_with, {"blank"}),
    ],
    ids=["png-bomb", "tiff-pages", "flate-bomb", "picture-bomb", "million-pages", "page-loop", "locked", "javascript",
         "launch", "hidden-javascript", "xfa", "program", "garbage-pdf", "garbage-png", "garbage-tiff", "user-unit",
         "blank"],
)  # fmt: skip
async def test_what_is_seen_inside_is_refused_and_nothing_of_it_stays(make, reasons: set[str]) -> None:
    octets = make()
    limits = Limits(room=Room(memory=600_000_000, seconds=8))
    largest_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    found = await read(octets, limits=limits)
    assert found.refusal is not None and found.refusal.name in reasons, found.refusal
    assert not found.fields
    # The largest of all children of this process so far: another test's may have been larger before.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(700_000, largest_before)


async def test_two_invoices_in_one_pdf_are_for_a_person() -> None:
    first, second = (generator.page(generator.invoice(seed, code=False)) for seed in (4, 8))
    found = await read(generator.text_pdf(first, second), "two.pdf")
    assert found.refusal is not None and (found.refusal.name, found.refusal.final) == ("several", False)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (
            ("PÅMINNELSE", "Betalningspåminnelse faktura 1234", "Vi saknar er betalning. Att betala nu 100,00 kr"),
            "other-document",
        ),
        (("Protokoll från årsmötet", "Närvarande var alla medlemmar i föreningen den dagen"), "not-invoice"),
    ],
)
async def test_what_is_no_invoice_is_for_a_person(texts: tuple[str, ...], reason: str) -> None:
    items = [(20.0, 30.0 + 8 * place, 11.0, text) for place, text in enumerate(texts)]
    found = await read(generator.text_pdf(items), "a.pdf")
    assert found.refusal is not None and (found.refusal.name, found.refusal.final) == (reason, False)


async def test_a_process_that_does_not_end_is_killed_and_one_that_dies_is_told() -> None:
    import sys

    hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert isinstance(await run(hanging, b"x" * 1_000_000, Room(wall=0.5)), Ended)
    dying = await run([sys.executable, "-c", "import os; os.abort()"], b"", Room())
    assert isinstance(dying, Ended) and "signal 6" in dying.how
    talking = [sys.executable, "-c", "import sys\nwhile True: sys.stdout.write('x' * 65536)"]
    assert isinstance(await run(talking, b"", Room(answer=1_000_000)), Ended)
    answers = await asyncio.gather(*(run([sys.executable, "-c", "print(1)"], b"", Room()) for _ in range(3)))
    assert answers == [b"1\n"] * 3


async def test_one_that_says_too_much_is_ended_though_its_pipe_is_full() -> None:
    import sys

    pouring = [sys.executable, "-c", "import os\nwhile True: os.write(1, b'x' * 1048576)"]
    unheard = b"x" * 5_000_000  # so that its pipe is full when it is ended
    ended = await asyncio.wait_for(run(pouring, unheard, Room(answer=1_000_000, wall=0.5)), 30)
    assert isinstance(ended, Ended)


def test_processes_start_under_the_event_loop_of_the_gateway_too() -> None:
    uvloop = pytest.importorskip("uvloop")
    import sys

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run([sys.executable, "-c", "print(1)"], b"", Room())) == b"1\n"
