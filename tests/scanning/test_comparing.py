"""What an attached PDF shows beside what its invoice says: every altered pair is seen, and no honest one is blamed."""

from __future__ import annotations

import dataclasses
import logging
import random
import re

import pytest

from gateway.scanning import child, comparing, finding, pages, weighing
from gateway.scanning.comparing import Difference
from gateway.scanning.pictures import PictureReader
from gateway.scanning.reader import Limits, codes_of
from gateway.ubl import page
from tests.exchange.conftest import sample
from tests.scanning import generator, pairs


def differences(xml: bytes, pdf: bytes, drawn: int = 0) -> tuple[Difference, ...]:
    """In this process, so that many can be compared."""
    stated = comparing.read_document(xml)
    assert stated is not None
    try:
        seen, _ = child.look(pdf, "pdf", {**Limits().sizes(), "drawn": drawn})
    finally:
        logging.disable(logging.NOTSET)  # in a process of its own nobody reads the log
    assert "refused" not in seen
    words, codes = pages.words_of(seen["words"]), codes_of(seen["codes"])
    found = finding.find(words, "text")
    return comparing.differences(stated, found, codes, weighing.weigh([found], codes))


def names(found: tuple[Difference, ...]) -> tuple[str, ...]:
    return tuple(one.name for one in found)


@pytest.mark.parametrize("seed", range(12))
def test_every_altered_pair_is_seen_and_no_honest_one_is_blamed(seed: int) -> None:
    one = generator.invoice(seed, code=False)
    xml = pairs.ubl(one)
    for kind, (wanted, pdf) in pairs.altered(one, seed).items():
        assert names(differences(xml, pdf)) == wanted, kind
    for kind, pdf in pairs.innocent(one, seed).items():
        assert differences(xml, pdf) == (), kind


def test_both_values_and_the_place_are_told() -> None:
    one = generator.invoice(2, code=False)
    other = dataclasses.replace(one, account=generator.account(random.Random(7)))
    (found,) = differences(pairs.ubl(one), pairs.pdf(other))
    assert (found.said, found.shown.value) == (f"BG:{one.account}", f"BG:{other.account}")
    assert found.shown.place is not None and found.shown.witnesses == ("text",)


def test_a_code_that_pays_somebody_else_is_seen() -> None:
    one = generator.invoice(2, code=True)
    other = dataclasses.replace(one, account=generator.account(random.Random(7)))
    items = [item for item in generator.page(one) if generator.giro(one.account) not in item[3]]
    pdf = generator.text_pdf(items, code=generator.qr(other.using_qr(), 240))
    assert names(differences(pairs.ubl(one), pdf, drawn=1)) == ("account",)


@pytest.mark.parametrize("name", ["network", "letter", "email", "export"])
def test_our_own_page_of_an_invoice_shows_what_the_invoice_says(name: str) -> None:
    xml = sample(name)
    shown = page.render(xml)
    assert differences(xml, shown) == ()
    changed = re.sub(rb"((?:TaxInclusive|Payable)Amount currencyID=.[A-Z]{3}.>)[^<]+", rb"\g<1>98765.43", xml)
    total = re.search(rb"PayableAmount[^>]*>([^<]+)<", xml)
    assert total is not None
    assert names(differences(changed.replace(total[1], b"98765.43"), shown)) == ("total",)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Kreditering av faktura", ()),
        ("Saknas här", ("number",)),
    ],
)
def test_a_number_that_the_document_names_is_no_contradiction(text: str, wanted: tuple[str, ...]) -> None:
    one = generator.invoice(2, code=False)
    other = dataclasses.replace(one, number="7788990")
    note = f"<cbc:Note>{text}</cbc:Note>".encode()
    reference = b"<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>7788990</cbc:ID>"
    reference += b"</cac:InvoiceDocumentReference></cac:BillingReference>"
    xml = pairs.ubl(one).replace(b"<cbc:DocumentCurrencyCode>", note + b"<cbc:DocumentCurrencyCode>", 1)
    if not wanted:
        xml = xml.replace(b"<cac:AccountingSupplierParty>", reference + b"<cac:AccountingSupplierParty>")
    assert names(differences(xml, pairs.pdf(other))) == wanted


@pytest.mark.parametrize("shown", ["12 500,00", "12.500,00", "12,500.00", "12500", "12 500:-", "12 500,-", "12'500.00"])
def test_an_amount_is_found_however_it_is_written(shown: str) -> None:
    found = finding.Found(text=f"Att betala {shown} kr")
    asked = comparing._Page(found, (), weighing.Weighed(fields={}))
    assert asked.shows("12500.00")
    assert not asked.shows("2500.00") and not asked.shows("125000.00") and not asked.shows("12500.50")


async def test_the_real_process_reads_it_and_cuts_out_the_place() -> None:
    one = generator.invoice(3, code=False)
    stated = comparing.read_document(pairs.ubl(one))
    assert stated is not None
    _, pdf = pairs.altered(one, 3)["account"]
    compared = await PictureReader().compare(pdf, stated)
    assert compared is not None and names(compared.differences) == ("account",) and compared.pages == 1
    assert compared.crops["account"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "octets",
    [b"", b"%PDF-1.7 broken %%EOF", b"\x89PNG\r\n\x1a\n", b"MZ", generator.text_pdf([])],
    ids=["empty", "broken", "picture", "program", "no text"],
)
async def test_what_cannot_be_read_or_has_no_text_says_nothing(octets: bytes) -> None:
    stated = comparing.read_document(pairs.ubl(generator.invoice(3, code=False)))
    assert stated is not None
    assert await PictureReader().compare(octets, stated) is None


async def test_limits_hold() -> None:
    one = generator.invoice(3, code=False)
    stated = comparing.read_document(pairs.ubl(one))
    assert stated is not None
    _, pdf = pairs.altered(one, 3)["account"]
    assert await PictureReader(limits=Limits(octets=100)).compare(pdf, stated) is None
    many = generator.text_pdf(*[generator.page(one)] * 4)
    assert await PictureReader(limits=Limits(pages=3)).compare(many, stated) is None
    assert comparing.read_document(b"<Order/>") is None
