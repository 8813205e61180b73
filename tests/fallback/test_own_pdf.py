"""A PDF of the sender's own goes behind a cover sheet, without what acts in it; a letter is franked by its weight."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from channel_parts import make_context, make_page, make_parcel
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from gateway.errors import ChannelRefused
from gateway.fallback.printing import Printing, open_channel
from gateway.ports import Channel
from gateway.ubl import page

INVOICE = Path("gateway/ubl/examples/letter.xml").read_text("utf-8")
NUMBER = "202611896"


def own(pages: int = 3, password: str = "") -> bytes:
    """The sender's own layout, with a script that runs when it is opened and a note on a page."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_page(pages, address=(), more="Egen layout")))
    script = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject("app.alert(1)")}
    acts = DictionaryObject({NameObject(key): value for key, value in script.items()})
    writer.root_object[NameObject("/OpenAction")] = acts
    writer.pages[0][NameObject("/AA")] = DictionaryObject({NameObject("/O"): acts})
    writer.add_uri(0, "https://evil.example", (0, 0, 90, 90))
    writer.add_attachment("prices.txt", b"secret prices")
    if password:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def with_pdf(octets: bytes, reference: str = NUMBER) -> bytes:
    """The invoice with that PDF inside (BG-24)."""
    reference_ = (
        f"<cac:AdditionalDocumentReference><cbc:ID>{reference}</cbc:ID><cac:Attachment>"
        f'<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">'
        f"{base64.b64encode(octets).decode()}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment>"
        "</cac:AdditionalDocumentReference>"
    )
    assert INVOICE.count("<cac:AccountingSupplierParty>") == 1
    return INVOICE.replace("<cac:AccountingSupplierParty>", f"{reference_}<cac:AccountingSupplierParty>").encode()


def channel(base: Path, **table: object) -> Channel:
    return open_channel(table, make_context(base, section="print"))


async def printed(base: Path, document: bytes, **table: object) -> tuple[pypdf.PdfReader, dict[str, object]]:
    from gateway.security import safexml
    from gateway.ubl.invoice import facts_of

    printing = channel(base, **table)
    assert isinstance(printing, Printing)
    parcel = replace(make_parcel(facts=facts_of(safexml.parse(document))), document=document)
    made = page.render(document, layout=printing.layout(parcel))
    await printing.dispatch(replace(parcel, page=made))
    [batch] = (base / "var/letters").iterdir()
    row: dict[str, object] = json.loads((batch / "manifest.jsonl").read_text("utf-8"))
    return pypdf.PdfReader(batch / str(row["file"])), row


async def test_the_cover_bears_the_address_and_the_senders_pages_follow_without_what_acts(tmp_path: Path) -> None:
    letter, row = await printed(tmp_path, with_pdf(own()), own_pdf=True)
    assert len(letter.pages) == row["pages"] == 4 and row["sheets"] == 2 and row["duplex"] is True
    cover = letter.pages[0].extract_text()
    assert "Kvarngatan 3" in cover and "842,00" in cover and "Kassarulle" not in cover
    assert ["Egen layout" in one.extract_text() for one in letter.pages[1:]] == [True, False, False]
    assert all("sida" in one.extract_text() for one in letter.pages[1:])
    assert not any("/Annots" in one or "/AA" in one for one in letter.pages[1:])
    octets = (next((tmp_path / "var/letters").glob("*/*.pdf"))).read_bytes()
    assert b"/JavaScript" not in octets and b"app.alert" not in octets
    assert "prices.txt" not in letter.attachments


async def test_without_the_key_or_a_pdf_that_shows_the_invoice_our_own_page_is_printed(tmp_path: Path) -> None:
    letter, row = await printed(tmp_path / "a", with_pdf(own()))
    assert row["pages"] == 1 and "Kassarulle" in letter.pages[0].extract_text()
    two = with_pdf(own(), "bilaga 1").decode()
    one = two[two.index("<cac:AdditionalDocumentReference>") : two.index("<cac:AccountingSupplierParty>")]
    letter, row = await printed(tmp_path / "b", two.replace(one, one + one).encode(), own_pdf=True)
    assert row["pages"] == 1 and "Kassarulle" in letter.pages[0].extract_text(), "of two nobody knows which it is"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (own(password="x"), "encrypted"),
        (own(60), "31 sheets; the envelope takes 8"),
        (b"%PDF-1.7\ngarbage", "cannot be printed"),
    ],
    ids=["encrypted", "long", "garbage"],
)
async def test_a_pdf_that_cannot_be_printed_is_refused_with_what_to_do(tmp_path: Path, octets: bytes, why: str) -> None:
    with pytest.raises(ChannelRefused, match=why) as caught:
        await printed(tmp_path, with_pdf(octets), own_pdf=True)
    assert caught.value.remedy and not list((tmp_path / "var/letters").glob("*"))


@pytest.mark.parametrize(
    ("postage", "pages", "grams", "price"),
    # envelope 7 g, a sheet 5 g; handling 1.20, a sheet 0.40, a page 0.35, and the stamp
    [("economy", 1, 12, "14.95"), ("first", 1, 12, "23.95"), ("economy", 6, 22, "28.50"), ("first", 6, 22, "48.50")],
)
async def test_a_letter_is_franked_by_its_class_and_weight(
    tmp_path: Path, postage: str, pages: int, grams: int, price: str
) -> None:
    await channel(tmp_path, postage=postage).dispatch(make_parcel(page=make_page(pages)))
    [manifest] = (tmp_path / "var/letters").glob("*/manifest.jsonl")
    row = json.loads(manifest.read_text("utf-8"))
    assert (row["postage"], row["grams"], row["price"]) == (postage, grams, price)
