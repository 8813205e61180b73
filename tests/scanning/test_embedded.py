"""The invoice inside a PDF: whose it is, and how much of a stranger's file is looked at."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import pytest

from gateway.model.scan import Supplier
from gateway.scanning import embedded
from gateway.scanning.reader import FileReader, _invoice_in
from tests.scanning import generator

UBL = """<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>4711</ID>
<IssueDate>2026-11-20</IssueDate><DocumentCurrencyCode>SEK</DocumentCurrencyCode>
<AccountingSupplierParty><Party><PostalAddress><Country><IdentificationCode>{country}</IdentificationCode></Country>
</PostalAddress>{numbers}</Party></AccountingSupplierParty>
<LegalMonetaryTotal><PayableAmount>100.00</PayableAmount></LegalMonetaryTotal></Invoice>"""
CII = """<CrossIndustryInvoice><ExchangedDocument><ID>4711</ID><IssueDateTime><DateTimeString>20261120</DateTimeString>
</IssueDateTime></ExchangedDocument><SupplyChainTradeTransaction><ApplicableHeaderTradeAgreement><SellerTradeParty>
{numbers}<PostalTradeAddress><CountryID>{country}</CountryID></PostalTradeAddress></SellerTradeParty>
</ApplicableHeaderTradeAgreement><ApplicableHeaderTradeSettlement><InvoiceCurrencyCode>EUR</InvoiceCurrencyCode>
<SpecifiedTradeSettlementHeaderMonetarySummation><DuePayableAmount>100.00</DuePayableAmount>
</SpecifiedTradeSettlementHeaderMonetarySummation></ApplicableHeaderTradeSettlement></SupplyChainTradeTransaction>
</CrossIndustryInvoice>"""


def tax(number: str, scheme: str) -> str:
    return f"<PartyTaxScheme><CompanyID>{number}</CompanyID><TaxScheme><ID>{scheme}</ID></TaxScheme></PartyTaxScheme>"


def legal(number: str) -> str:
    return f"<PartyLegalEntity><CompanyID>{number}</CompanyID></PartyLegalEntity>"


def cii_tax(number: str, scheme: str) -> str:
    return f'<SpecifiedTaxRegistration><ID schemeID="{scheme}">{number}</ID></SpecifiedTaxRegistration>'


@pytest.mark.parametrize(
    ("form", "country", "numbers", "supplier"),
    [
        (UBL, "SE", tax("Godkänd för F-skatt", "TAX") + tax("SE556721204701", "VAT"), "SE5567212047"),
        (UBL, "SE", tax("Godkänd för F-skatt", "TAX") + legal("556721-2047"), "SE5567212047"),
        (UBL, "NO", tax("Foretaksregisteret", "TAX") + tax("NO974760673MVA", "VAT"), "NO974760673"),
        (UBL, "NO", tax("Foretaksregisteret", "TAX") + legal("974760673"), "NO974760673"),
        (UBL, "FI", legal("0112038-9"), "FI01120389"),
        (UBL, "DE", tax("DE 123456789", "VAT"), "DE123456789"),
        (UBL, "SE", tax("Godkänd för F-skatt", "TAX"), None),
        (CII, "DE", cii_tax("201/113/40209", "FC") + cii_tax("DE123456789", "VA"), "DE123456789"),
        (CII, "FI", "<SpecifiedLegalOrganization><ID>0112038-9</ID></SpecifiedLegalOrganization>", "FI01120389"),
    ],
)
def test_a_supplier_is_known_by_its_own_number_as_paper_writes_it(
    form: str, country: str, numbers: str, supplier: str | None
) -> None:
    read = embedded.read(form.format(country=country, numbers=numbers).encode())
    assert read is not None
    assert read.get("supplier") == supplier


def test_a_megabyte_of_empty_elements_is_read_in_a_moment() -> None:
    for inside in ("<a/>", "<PaymentMeans/>", "<AccountingSupplierParty/>"):
        octets = f"<Invoice>{inside * (4_900_000 // len(inside))}</Invoice>".encode()
        begun = time.process_time()
        assert embedded.read(octets) is None
        assert time.process_time() - begun < 3, inside


def test_of_many_attachments_a_few_are_looked_at_and_never_more_than_five_megabytes() -> None:
    good = UBL.format(country="SE", numbers=legal("5567212047"))
    assert _invoice_in(["<Invoice/>", "<Invoice/>", good]) is not None
    assert _invoice_in(["<Invoice/>", "<Invoice/>", "<Invoice/>", good]) is None
    assert _invoice_in([f"<Invoice>{' ' * 4_999_900}</Invoice>", good]) is None


async def nobody(numbers: Collection[str]) -> Sequence[Supplier]:
    return ()


async def test_the_process_that_opens_a_file_tells_of_three_attachments(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("gateway.scanning.reader._invoice_in", told.append)
    objects = [b"<< /Type /EmbeddedFile /Length 10 >>\nstream\n<Invoice/>\nendstream"] * 5
    kids = b"".join(b"%d 0 R " % number for number in range(2, 7))
    pages = b"<< /Type /Pages /Count 1 /Kids [8 0 R] >>", b"<< /Type /Page /Parent 7 0 R /MediaBox [0 0 595 842] >>"
    catalogue = b"<< /Type /Catalog /Pages 7 0 R /AF [%s] >>" % kids
    octets = generator.written([catalogue, *objects, *pages])
    await FileReader(program="").read(octets, file_name="a.pdf", suppliers_of=nobody)
    assert told == [["<Invoice/>"] * 3]
