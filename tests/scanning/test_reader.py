"""Whole pages, read as they come from a scanner. The large run is ``python -m benchmarks.scans``."""

import shutil
from collections.abc import Collection, Sequence

import pytest

from gateway.model.scan import Supplier
from gateway.scanning.reader import FileReader, Limits
from tests.scanning import generator


async def nobody(numbers: Collection[str]) -> Sequence[Supplier]:
    return ()


async def test_a_file_that_takes_too_long_is_for_a_person_and_the_next_is_read() -> None:
    octets = generator.text_pdf(generator.page(generator.invoice(1, code=False)))
    hasty = FileReader(program="", limits=Limits(seconds=0.01))
    found = await hasty.read(octets, file_name="a.pdf", suppliers_of=nobody)
    assert found.refusal is not None and (found.refusal.name, found.refusal.final) == ("too-long", False)
    patient = FileReader(program="", at_once=hasty.at_once)
    assert (await patient.read(octets, file_name="a.pdf", suppliers_of=nobody)).pages == 1


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract-ocr is not installed")
async def test_a_damaged_scan_upside_down_with_a_code_is_read_and_nothing_wrong_is_believed() -> None:
    one = generator.invoice(1_000, code=True)
    image = generator.damage(generator.draw(one), "mild", 1_000).rotate(180)
    found = await FileReader().read(
        generator.encoded(image, "JPEG"),
        file_name="scan.jpg",
        own={f"SE{one.buyer}", f"Kund {one.buyer[3:7]} AB"},
        suppliers_of=nobody,
    )
    assert found.refusal is None and found.rungs == ("code", "ocr") and found.channel == "scan"
    believed = {name: field.value for name, field in found.fields.items() if field.accepted}
    assert believed["total"] == one.truth["total"] and believed["account"] == one.truth["account"]
    assert all(one.truth[name] == value for name, value in believed.items() if name in one.truth)
    assert found.crops["total"].startswith(b"\x89PNG")
