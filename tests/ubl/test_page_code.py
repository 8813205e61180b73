"""The code to pay with: what is drawn is what a banking app reads, from the page as it is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from gateway.security import safexml
from gateway.ubl import page
from gateway.ubl.invoice import facts_of
from gateway.ubl.page_code import payment_words

LETTER = Path("gateway/ubl/examples/letter.xml")
TO_IBAN = {
    ">01234566<": ">DE89370400440532013000<",
    "SE:BANKGIRO": "DEUTDEFF",
}


def read(document: bytes) -> tuple[str, str]:
    """The code of the first page at 150 dots an inch, and how much of it may be spoilt."""
    pdf = pypdfium2.PdfDocument(page.render(document, layout={"code": True}))
    found = zxingcpp.read_barcodes(pdf[0].render(scale=150 / 72).to_pil())
    (code,) = found
    return code.text, code.ec_level


@pytest.mark.parametrize("euro", [False, True])
def test_the_code_of_the_page_says_what_is_to_be_paid(euro: bool) -> None:
    text = LETTER.read_text("utf-8").replace("Nordisk Kontorsmaterial AB", "Åkeri Ängö – Ö AB")
    for old, new in (TO_IBAN | {"SEK": "EUR"} if euro else {}).items():
        text = text.replace(old, new)
    root = safexml.parse(text.encode())
    said, level = read(text.encode())
    assert said == payment_words(root, facts_of(root)) and level == "M" and "Åkeri Ängö – Ö AB" in said
    if euro:
        assert said.splitlines()[:4] == ["BCD", "002", "1", "SCT"] and "EUR842.00" in said
    else:
        assert json.loads(said)["acc"] == "0123-4566" and json.loads(said)["due"] == 842
