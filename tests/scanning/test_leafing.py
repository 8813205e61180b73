"""Pages of a foreign file as pictures, and a file cut into pieces; both in the confined process."""

from __future__ import annotations

import io

import pypdfium2
import pytest
from PIL import Image

from gateway.model.scan import Refusal
from gateway.scanning.leafing import Leafing
from gateway.scanning.process import Room
from gateway.scanning.reader import Limits
from tests.scanning import bad_files, generator

TWO = generator.text_pdf(*(generator.page(generator.invoice(seed, code=False)) for seed in (6, 7)))


def _words(octets: bytes) -> str:
    document = pypdfium2.PdfDocument(octets)
    return "\n".join(document[n].get_textpage().get_text_bounded() for n in range(len(document)))


async def test_a_page_is_drawn_alone_and_only_once() -> None:
    leafing = Leafing()
    second = await leafing.picture(TWO, "sha", 2)
    assert isinstance(second, bytes)
    width, height = Image.open(io.BytesIO(second)).size
    assert abs(width - 992) <= 2 and abs(height - 1403) <= 2, "A4 at 120 dots an inch"
    assert await leafing.picture(b"never opened again", "sha", 2) is second
    assert isinstance(await leafing.picture(TWO, "sha", 3), Refusal)


async def test_a_pdf_is_cut_into_files_that_are_the_same_each_time() -> None:
    leafing = Leafing()
    pieces = await leafing.cut(TWO, [(1, 1), (2, 2)])
    assert not isinstance(pieces, Refusal)
    first, second = map(_words, pieces)
    assert generator.invoice(6, code=False).number in first and generator.invoice(7, code=False).number in second
    assert generator.invoice(7, code=False).number not in first
    assert await leafing.cut(TWO, [(1, 1), (2, 2)]) == pieces, "a repeat after a crash is the same file"


async def test_the_pages_of_a_tiff_are_cut_too() -> None:
    pages = [Image.new("L", (300, 400), shade) for shade in (0, 100, 200)]
    out = io.BytesIO()
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    pieces = await Leafing().cut(out.getvalue(), [(1, 2), (3, 3)])
    assert not isinstance(pieces, Refusal)
    opened = [Image.open(io.BytesIO(piece)) for piece in pieces]
    assert [getattr(one, "n_frames", 1) for one in opened] == [2, 1]
    assert opened[1].convert("L").getpixel((5, 5)) == 200


@pytest.mark.parametrize("octets", [b"GIF89a", b"%PDF-1.7\n%%EOF", bad_files.locked()])
async def test_what_is_not_taken_is_neither_drawn_nor_cut(octets: bytes) -> None:
    leafing = Leafing(limits=Limits(room=Room(wall=20)))
    assert isinstance(await leafing.picture(octets, "x", 1), Refusal)
    assert isinstance(await leafing.cut(octets, [(1, 1), (2, 2)]), Refusal)
