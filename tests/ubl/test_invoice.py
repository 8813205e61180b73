"""Facts of invoices and credit notes, and documents that have none."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.errors import InvalidDocument
from gateway.model.identifiers import ParticipantId
from gateway.ubl import invoice
from tests.ubl.ubl_parts import changed, example


def _refused(octets: bytes, *, limit: int = 100_000) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as caught:
        invoice.read(octets, limit=limit)
    assert caught.value.findings
    return caught.value


def test_an_invoice_tells_its_type_process_dates_and_amount(network: bytes) -> None:
    facts = invoice.read(network)
    assert facts.kind == "Invoice"
    assert facts.document_type.customization.endswith("billing:3.0")
    assert facts.document_type.version == "2.1"
    assert facts.process.value == "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
    assert facts.number == "202611870"
    assert (facts.issue_date, facts.due_date) == (date(2026, 11, 20), date(2026, 12, 20))
    assert (facts.amount, facts.currency) == (Decimal("24651.00"), "SEK")


def test_a_company_is_read_whole(network: bytes) -> None:
    buyer = invoice.read(network).buyer
    assert buyer.shown_name == "Exempel Bygg AB"
    assert buyer.endpoint == ParticipantId("0007:5567987606")
    assert buyer.identifiers == (("", "10427"), ("0007", "5567987606"))
    assert (buyer.legal_id, buyer.legal_id_scheme, buyer.vat_id) == ("5567987606", "0007", "SE556798760601")
    assert buyer.address.street == "Industrivägen 14"
    assert (buyer.address.postal_code, buyer.address.city, buyer.country) == ("721 30", "Västerås", "SE")
    assert buyer.address.attention == "Ekonomiavdelningen"
    assert buyer.address.deliverable


def test_an_email_endpoint_is_an_address_and_no_participant(network: bytes) -> None:
    document = changed(
        network, ('schemeID="0007">5567987606</cbc:EndpointID>', 'schemeID="EM">a@b.test</cbc:EndpointID>')
    )
    buyer = invoice.read(document).buyer
    assert (buyer.endpoint, buyer.email) == (None, "a@b.test")


def test_an_impossible_endpoint_is_kept_but_is_no_participant(network: bytes) -> None:
    document = changed(network, (">5567987606</cbc:EndpointID>", ">55 67</cbc:EndpointID>"))
    buyer = invoice.read(document).buyer
    assert buyer.endpoint is None
    assert ("0007", "55 67") in buyer.identifiers


def test_what_is_no_mail_address_is_none(network: bytes) -> None:
    document = changed(network, ("faktura@kontorsmaterial.example", "ring oss, tack"))
    assert invoice.read(document).seller.email == ""


def test_a_value_goes_on_after_a_comment(network: bytes) -> None:
    document = changed(network, ("202611870</cbc:ID>", "2026<!-- hidden -->11870</cbc:ID>"))
    assert invoice.read(document).number == "202611870"


def test_a_named_ubl_version_is_part_of_the_document_type(network: bytes) -> None:
    document = changed(
        network, ("  <cbc:CustomizationID>", "  <cbc:UBLVersionID>2.3</cbc:UBLVersionID>\n  <cbc:CustomizationID>")
    )
    assert invoice.read(document).document_type.version == "2.3"


def test_a_credit_note_has_its_due_date_in_the_payment_means(corpus: Path) -> None:
    path = corpus / "examples" / "cen" / "test_testfiles_CreditNote-Max_content.xml"
    document = path.read_bytes()
    facts = invoice.read(document)
    assert facts.kind == "CreditNote"
    assert facts.due_date is None
    dated = changed(
        document,
        ("</cbc:PaymentMeansCode>", "</cbc:PaymentMeansCode><cbc:PaymentDueDate>2026-12-01</cbc:PaymentDueDate>"),
    )
    assert invoice.read(dated).due_date == date(2026, 12, 1)


def test_the_peppol_base_example_gives_its_known_facts(corpus: Path) -> None:
    facts = invoice.read((corpus / "examples" / "peppol-bis3" / "base-example.xml").read_bytes())
    assert facts.seller.endpoint == ParticipantId("0088:9482348239847239874")
    assert facts.buyer.endpoint == ParticipantId("0002:fr23342")
    assert facts.amount == Decimal("1656.25")
    assert facts.buyer.email == "lj@buyer.se"
    assert facts.seller.address.additional == "Postbox 123"


@pytest.mark.parametrize("folder", ["peppol-bis3", "peppol-bis3-snippets", "peppol-bis3-national", "peppol-2026.5"])
def test_every_official_example_has_facts(corpus: Path, folder: str) -> None:
    paths = sorted((corpus / "examples" / folder).glob("*.xml"))
    assert paths
    for path in paths:
        facts = invoice.read(path.read_bytes())
        assert facts.number and facts.amount is not None and facts.currency, path.name
        assert facts.seller.shown_name and facts.buyer.shown_name, path.name
        assert facts.buyer.country, path.name


def test_a_self_billed_document_travels_from_buyer_to_seller(corpus: Path) -> None:
    facts = invoice.read((corpus / "examples" / "peppol-2026.5" / "SB-base-example.xml").read_bytes())
    assert facts.self_billed
    assert facts.sender is facts.buyer
    assert facts.receiver is facts.seller


def test_the_ordinary_way_is_from_seller_to_buyer(network: bytes) -> None:
    facts = invoice.read(network)
    assert (facts.sender, facts.receiver) == (facts.seller, facts.buyer)


def test_what_is_not_xml_is_refused_with_the_line() -> None:
    error = _refused(b"<Invoice>\n<b></Invoice>")
    assert error.findings[0].rule == "XML"
    assert error.findings[0].location == "line 2"


@pytest.mark.parametrize("octets", [b"", b"  \n", b"hello", b"\x00\x01", b"PK\x03\x04"])
def test_what_is_not_even_near_xml_is_refused(octets: bytes) -> None:
    assert _refused(octets).findings[0].rule == "XML"


def test_a_dtd_is_refused(network: bytes) -> None:
    document = changed(network, ("<Invoice ", '<!DOCTYPE Invoice [<!ENTITY x "y">]><Invoice '))
    assert "DOCTYPE" in str(_refused(document))


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>', "Order"),
        (b"<Invoice/>", "namespace none"),
        (b'<CrossIndustryInvoice xmlns="urn:x"/>', "CII"),
        (
            b'<S xmlns="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"/>',
            "wrapped in a business envelope",
        ),
    ],
)
def test_another_root_is_refused_by_name(octets: bytes, said: str) -> None:
    error = _refused(octets)
    assert error.findings[0].rule == "UBL"
    assert said in error.findings[0].message


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("cbc:CustomizationID", "cbc:Other", "/Invoice/cbc:CustomizationID"),
        ("cbc:ProfileID", "cbc:Other", "/Invoice/cbc:ProfileID"),
        ("<cbc:ID>202611870</cbc:ID>", "<cbc:ID> </cbc:ID>", "/Invoice/cbc:ID"),
        ("AccountingSupplierParty", "Other", "/Invoice/cac:AccountingSupplierParty/cac:Party"),
        ("AccountingCustomerParty", "Other", "/Invoice/cac:AccountingCustomerParty/cac:Party"),
    ],
)
def test_what_is_missing_is_named_with_its_place(network: bytes, old: str, new: str, place: str) -> None:
    error = _refused(changed(network, (old, new)))
    assert [finding.location for finding in error.findings] == [place]
    assert "Add it" in error.findings[0].message


def test_all_that_is_missing_is_told_at_once(network: bytes) -> None:
    error = _refused(changed(network, ("cbc:CustomizationID", "cbc:A"), ("cbc:ProfileID", "cbc:B")))
    assert len(error.findings) == 2


def test_an_identifier_with_blanks_is_refused(network: bytes) -> None:
    error = _refused(changed(network, ("billing:3.0</cbc:Cust", "billing 3.0</cbc:Cust")))
    assert error.findings[0].location == "/Invoice/cbc:CustomizationID"


def test_a_document_over_the_limit_is_refused_before_it_is_parsed(network: bytes) -> None:
    assert _refused(network, limit=len(network) - 1).findings[0].rule == "SIZE"
    assert invoice.read(network, limit=len(network)).number


def test_an_attachment_of_more_than_ten_megabytes_is_read() -> None:
    attachment = (
        "<cac:AdditionalDocumentReference><cbc:ID>A</cbc:ID><cac:Attachment>"
        '<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">'
        f"{'QUJD' * 3_000_000}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"
    )
    document = changed(
        example("network"), ("  <cac:AccountingSupplierParty>", attachment + "<cac:AccountingSupplierParty>")
    )
    assert invoice.read(document).number == "202611870"


@pytest.mark.parametrize("value", ["1e999999", "1,00", "NaN", "", "9" * 200])
def test_what_is_no_decimal_is_no_amount(network: bytes, value: str) -> None:
    document = changed(network, (">24651.00</cbc:PayableAmount>", f">{value}</cbc:PayableAmount>"))
    assert invoice.read(document).amount is None


@pytest.mark.parametrize(
    ("value", "day"), [("2026-11-20Z", date(2026, 11, 20)), ("2026-02-30", None), ("20/11 2026", None)]
)
def test_dates_may_have_a_zone_and_must_exist(value: str, day: date | None) -> None:
    assert invoice.read_date(value) == day
