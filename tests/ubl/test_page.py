"""The readable page: what stands on it and where, the window, PDF/A-3 with the document inside."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from gateway.errors import ChannelUnavailable, InvalidDocument
from gateway.security import safexml
from gateway.ubl import invoice, page, page_data
from gateway.ubl.page_data import page_data as data_of
from gateway.ubl.page_words import number, percent
from tests.ubl.ubl_parts import Word, changed, example, text_of, words_of_first_sheet

pytest.importorskip("typst", reason="the extra pdf is not installed")

_LINE = re.compile(r"  <cac:InvoiceLine>.*?</cac:InvoiceLine>\n", re.DOTALL)


def _data(document: bytes, language: Any = "sv") -> dict[str, Any]:
    root = safexml.parse(document)
    return data_of(root, invoice.facts_of(root), language)


def _repeated(document: bytes, times: int) -> bytes:
    text = document.decode()
    line = _LINE.search(text)
    assert line
    return text.replace(line[0], "".join(line[0].replace("<cbc:ID>1<", f"<cbc:ID>{n}<") for n in range(times))).encode()


def _in_window(words: list[Word]) -> list[Word]:
    """The words that show in the envelope's window; each must show whole."""
    shown = [word for word in words if word.right > 105 and word.left < 195 and word.bottom > 45 and word.top < 80]
    assert all(word.left >= 105 and word.right <= 195 and word.top >= 45 and word.bottom <= 80 for word in shown)
    return shown


def test_the_page_is_pdf_a_3b_with_the_document_inside(network: bytes) -> None:
    reader = PdfReader(BytesIO(page.render(network)))
    metadata = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()
    assert re.search(r"<pdfaid:part>3</pdfaid:part>", metadata)
    assert re.search(r"<pdfaid:conformance>B</pdfaid:conformance>", metadata)
    assert reader.trailer["/Root"]["/OutputIntents"]
    [associated] = reader.trailer["/Root"]["/AF"]
    assert associated.get_object()["/AFRelationship"] == "/Alternative"
    assert reader.attachments == {"invoice-202611870.xml": [network]}
    assert associated.get_object()["/EF"]["/F"].get_object()["/Subtype"] == "/application/xml"


def test_every_font_is_embedded(network: bytes) -> None:
    for sheet in PdfReader(BytesIO(page.render(network))).pages:
        for font in sheet["/Resources"]["/Font"].values():
            [below] = font.get_object()["/DescendantFonts"]
            descriptor = below.get_object()["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "UTF-16"])
def test_the_document_inside_is_the_one_that_came_octet_for_octet(network: bytes, encoding: str) -> None:
    document = network.decode().replace("UTF-8", encoding).replace("\n", "\r\n").encode(encoding)
    assert PdfReader(BytesIO(page.render(document))).attachments["invoice-202611870.xml"] == [document]


def test_the_same_document_gives_the_same_octets(network: bytes) -> None:
    assert page.render(network) == page.render(network)


def test_the_number_cannot_leave_the_attachment_name(network: bytes) -> None:
    document = changed(network, (">202611870<", ">../../åäö /x<"))
    [name] = PdfReader(BytesIO(page.render(document))).attachments
    assert re.fullmatch(r"invoice-[A-Za-z0-9._-]+\.xml", name)
    assert "/" not in name


@pytest.mark.parametrize("name", ["network", "email", "letter", "export"])
def test_only_the_address_stands_in_the_window(name: str, tmp_path: Path) -> None:
    document = example(name)
    words = words_of_first_sheet(page.render(document), tmp_path)
    inside = _in_window(words)
    expected = _data(document, page.language_of(invoice.read(document)))["address"]
    assert " ".join(word.text for word in inside).split() == " ".join(expected).split()


def test_a_long_address_still_stands_in_the_window_and_the_facts_beside_it_stay_out(
    network: bytes, tmp_path: Path
) -> None:
    long = "Aktiebolaget Internationella Kontorsmaterialgrossisten i Mellansverige med Dotterbolag"
    document = changed(
        network,
        ("Exempel Bygg AB", long),
        (
            "Industrivägen 14</cbc:StreetName>",
            f"{long}</cbc:StreetName><cbc:AdditionalStreetName>{long}</cbc:AdditionalStreetName>",
        ),
        ("PO-88412", "P" * 200),
        ("Kostnadsställe 310", long + long),
    )
    inside = _in_window(words_of_first_sheet(page.render(document), tmp_path))
    assert " ".join(word.text for word in inside).split() == " ".join(_data(document)["address"]).split()


def test_a_swedish_page_has_what_a_finance_department_looks_for(network: bytes) -> None:
    shown = text_of(page.render(network))
    for text in (
        "Faktura", "202611870", "Fakturadatum", "2026-11-20", "Förfallodatum", "2026-12-20", "Er referens",
        "Kostnadsställe 310", "PO-88412", "Kundtjänst", "Art.nr", "À-pris", "Kopieringspapper A4 80 g", "kartong",
        "5 780,00", "10 %", "Moms 25 %", "18 544,40", "4 636,10", "Moms 12 %", "157,54", "Frakt", "195,00",
        "Öresavrundning", "0,16", "ATT BETALA", "24 651,00", "Bankgiro", "0123-4566", "OCR-nummer", "202611877",
        "556712-3400", "SE556712340001", "Godkänd för F-skatt", "Säte: Göteborg", "Sida 1 av 1",
    ):  # fmt: skip
        assert text in shown, text


def test_an_english_page_has_english_words_and_numbers() -> None:
    shown = text_of(page.render(example("export")))
    for text in ("Invoice", "Due date", "4,382.00", "64.875", "GERMANY", "SE45 5000 0000 0583 9825 7466", "ESSESESS",
                 "Intra-Community supply", "Page 1 of 1", "AMOUNT TO PAY", "pcs"):  # fmt: skip
        assert text in shown, text
    assert "OCR" not in shown


def test_text_of_the_document_is_never_markup(network: bytes) -> None:
    evil = '#panic("x") $x^2$ *fet* _kursiv_ [a] &lt;label&gt; @ref #read("/etc/passwd") \\ // c'
    shown = text_of(page.render(changed(network, ("Pärm A4 60 mm, svart", evil), ("Kostnadsställe 310", evil))))
    assert re.sub(r"\s", "", evil.replace("&lt;", "<").replace("&gt;", ">")) in re.sub(r"\s", "", shown)


def test_two_hundred_lines_repeat_the_heading_and_count_the_sheets(network: bytes) -> None:
    reader = PdfReader(BytesIO(page.render(_repeated(network, 200))))
    sheets = [sheet.extract_text().replace("\u00a0", " ") for sheet in reader.pages]
    assert len(sheets) > 4
    for number_, text in enumerate(sheets[:-1], 1):
        assert "Benämning" in text
        assert f"Sida {number_} av {len(sheets)}" in text
    assert sum(text.count("Kopieringspapper") for text in sheets) == 200
    assert sum(text.count("ATT BETALA") for text in sheets) == 1


def test_more_lines_than_a_page_is_made_for_are_refused(network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_data, "MAX_LINES", 5)
    with pytest.raises(InvalidDocument, match="6 lines"):
        page.render(network)


def test_characters_without_a_glyph_are_shown_as_such_and_said(network: bytes) -> None:
    shown = text_of(page.render(changed(network, ("Exempel Bygg AB", "日本 Handel 😀 \ue000"))))
    assert "□□ Handel" in shown
    assert "kan inte skrivas ut" in shown or "inte kan skrivas ut" in shown


def test_many_strange_characters_end_in_a_page_all_the_same(network: bytes) -> None:
    strange = "".join(map(chr, range(0x0E01, 0x0E2F))) + "".join(map(chr, range(0x1000, 0x1020)))
    assert page.render(changed(network, ("Exempel Bygg AB", strange + "Bygg"))).startswith(b"%PDF")


@pytest.mark.parametrize("character", ["\u0e31", "\u1734", "\u0378", "\u0601"])
def test_a_character_without_a_shape_of_its_own_is_replaced_like_any_other(network: bytes, character: str) -> None:
    shown = text_of(page.render(changed(network, ("Tack för din beställning", f"Tack{character}Ja"))))
    assert "Tack□Ja" in shown
    assert "24 651,00" in shown


def test_a_document_in_thirty_scripts_costs_a_few_tries_only(network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    without = page._without
    monkeypatch.setattr(
        page,
        "_without",
        lambda encoded, missing, attempt: (tries.append(attempt), without(encoded, missing, attempt))[1],
    )
    scripts = " ".join(chr(first) for first in (*range(0x0985, 0x1000, 0x80), *range(0x1000, 0x1D00, 0x100), 0x0378))
    assert "Bygg" in text_of(page.render(changed(network, ("Exempel Bygg AB", f"{scripts} Bygg"))))
    assert len(tries) <= 4


def test_the_last_resort_keeps_only_what_the_fonts_have(network: bytes) -> None:
    kept = "".join(chr(c) for c in range(0xA0, 0x3000) if not page._NOT_SURE.match(chr(c)))
    shown = text_of(page.render(changed(network, ("Exempel Bygg AB", kept.replace("□", "")))))
    assert "□" not in shown


def test_what_is_missing_leaves_no_hole(network: bytes) -> None:
    bare = network.decode()
    for name in (
        "PaymentMeans",
        "PaymentTerms",
        "Delivery",
        "OrderReference",
        "AllowanceCharge",
        "Contact",
        "PostalAddress",
    ):
        bare = re.sub(rf"\s*<cac:{name}>.*?</cac:{name}>", "", bare, flags=re.DOTALL)
    bare = re.sub(
        r"\s*<cbc:(DueDate|BuyerReference|Note|Description|CompanyLegalForm)>.*?</cbc:\1>", "", bare, flags=re.DOTALL
    )
    shown = text_of(page.render(bare.encode()))
    assert "ATT BETALA" in shown
    assert "Förfallodatum" not in shown and "Bankgiro" not in shown and "None" not in shown


def test_money_in_the_customers_favour_does_not_ask_for_payment(network: bytes) -> None:
    negative = changed(network, (">24651.00</cbc:PayableAmount>", ">-24651.00</cbc:PayableAmount>"))
    shown = text_of(page.render(negative))
    assert "ER TILL GODO" in shown and "24 651,00" in shown
    assert "ATT BETALA" not in shown and "Bankgiro" not in shown


def test_nothing_to_pay_is_said(network: bytes) -> None:
    data = _data(changed(network, (">24651.00</cbc:PayableAmount>", ">0.00</cbc:PayableAmount>")))
    assert (data["pay"]["label"], data["payment"]) == ("Inget att betala", [])


@pytest.mark.parametrize(("root", "label"), [("Invoice", "Er till godo"), ("CreditNote", "Att betala")])
def test_a_negative_amount_turns_the_label_and_is_shown_without_its_sign(network: bytes, root: str, label: str) -> None:
    document = network.replace(b"xsd:Invoice-2", f"xsd:{root}-2".encode()).replace(b"<Invoice ", f"<{root} ".encode())
    document = document.replace(b"</Invoice>", f"</{root}>".encode())
    data = _data(changed(document, (">24651.00</cbc:PayableAmount>", ">-24651.00</cbc:PayableAmount>")))
    assert (data["pay"]["label"], data["pay"]["amount"]) == (label, "24\u00a0651,00")


def test_a_credit_note_has_its_own_title_and_names_the_invoice(corpus: Path) -> None:
    document = (
        corpus / "examples" / "cen" / "test_testfiles_BIS_Billing_30-Kreditering_med_kreditnota.xml"
    ).read_bytes()
    data = _data(document)
    assert data["title"] == "Kreditfaktura"
    assert data["pay"]["label"] == "Er till godo"
    assert any(label == "Avser faktura" for label, _ in data["head"])


def test_the_amount_to_pay_is_the_documents_own_and_the_rounding_has_its_row(network: bytes) -> None:
    document = changed(
        network,
        (">24651.00</cbc:PayableAmount>", ">25.47</cbc:PayableAmount>"),
        (">24650.84</cbc:TaxInclusiveAmount>", ">25.48</cbc:TaxInclusiveAmount>"),
        (">0.16</cbc:PayableRoundingAmount>", ">-0.01</cbc:PayableRoundingAmount>"),
    )
    data = _data(document)
    assert data["pay"]["amount"] == "25,47"
    assert ["Öresavrundning", "−0,01"] in data["totals"]


def test_prices_keep_every_decimal_of_the_document(network: bytes) -> None:
    data = _data(changed(network, (">289.00<", ">3.0210456<"), (">5780.00<", ">31321.73<")))
    assert data["lines"][0]["price"] == "3,0210456"
    assert data["lines"][0]["amount"] == "31\u00a0321,73"


def test_a_self_billed_page_is_addressed_to_the_seller(corpus: Path) -> None:
    document = (corpus / "examples" / "peppol-2026.5" / "SB-base-example.xml").read_bytes()
    facts = invoice.read(document)
    data = _data(document, "en")
    assert data["title"] == "Self-billed invoice"
    assert data["issuer"]["name"] == facts.buyer.shown_name
    assert data["address"][0] == facts.seller.shown_name


@pytest.mark.parametrize(
    "folder", ["peppol-bis3", "peppol-bis3-snippets", "peppol-bis3-national", "peppol-2026.5", "cen"]
)
def test_every_example_becomes_a_page(corpus: Path, folder: str) -> None:
    for path in sorted((corpus / "examples" / folder).glob("*.xml")):
        octets = path.read_bytes()
        try:
            invoice.read(octets)
        except InvalidDocument:
            continue
        rendered = page.render(octets)
        assert PdfReader(BytesIO(rendered)).attachments, path.name


@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_words_of_the_template_are_all_there(network: bytes, language: Any) -> None:
    data = _data(network, language)
    template = (Path(page.__file__).parent / "page.typ").read_text()
    assert set(re.findall(r"\bw\.([a-z_]+)", template)) <= set(data["words"])
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize(
    ("seller", "buyer", "note", "language"),
    [
        ("SE", "SE", "", "sv"),
        ("SE", "DE", "", "en"),
        ("NO", "NO", "", "en"),
        ("SE", "DE", "sv", "sv"),
        ("SE", "SE", "en-GB", "en"),
    ],
)
def test_the_language_follows_both_companies_or_the_documents_own_word(
    network: bytes, seller: str, buyer: str, note: str, language: str
) -> None:
    end = "</cbc:IdentificationCode>"
    first, second, third, rest = network.decode().split(f">SE{end}")
    text = f"{first}>{seller}{end}{second}>{buyer}{end}{third}>SE{end}{rest}"
    document = text.replace("<cbc:Note>T", f'<cbc:Note languageID="{note}">T').encode()
    root = safexml.parse(document)
    assert page.language_of(invoice.facts_of(root), root) == language


@pytest.mark.parametrize(
    ("value", "language", "least", "shown"),
    [
        ("1234.5", "sv", 2, "1\u00a0234,50"),
        ("1234.5", "en", 2, "1,234.50"),
        ("-7612.50", "sv", 2, "−7\u00a0612,50"),
        ("64.875", "en", 2, "64.875"),
        ("3.000", "sv", 0, "3"),
        ("0", "en", 2, "0.00"),
        (".5", "sv", 2, "0,50"),
        ("12345678901234567890.10", "en", 2, "12,345,678,901,234,567,890.10"),
        ("n/a", "sv", 2, "n/a"),
    ],
)
def test_numbers_are_grouped_and_never_rounded(value: str, language: Any, least: int, shown: str) -> None:
    assert number(value, language, least=least) == shown


def test_percentages_follow_the_language() -> None:
    assert (percent("25.00", "sv"), percent("25.00", "en"), percent("", "en")) == ("25\u00a0%", "25%", "")
    assert number(Decimal("0.10"), "sv") == "0,1"


@pytest.fixture
def without_typst(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name == "typst":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    yield


def test_without_typst_the_remedy_is_said(network: bytes, without_typst: None) -> None:
    with pytest.raises(ChannelUnavailable) as caught:
        page.render(network)
    assert caught.value.remedy == "Run: pip install 'access-point-gateway[pdf]'"


def test_without_the_font_package_the_page_is_made_in_typsts_own_font(
    network: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    page._fonts.cache_clear()
    monkeypatch.setattr(page, "_font_paths", tuple)
    assert "24 651,00" in text_of(page.render(network))
    page._fonts.cache_clear()


def test_a_document_without_a_date_is_stamped_all_the_same(network: bytes) -> None:
    document = changed(network, (">2026-11-20<", "><"))
    assert invoice.read(document).issue_date is None
    stamped = PdfReader(BytesIO(page.render(document))).metadata
    assert stamped is not None and stamped.creation_date is not None
    assert stamped.creation_date.date() == date(2000, 1, 1)
