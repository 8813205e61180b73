"""Plain business envelopes: read from their text, they say what the tree says, and what is not plain is left to it."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import GatewayError, InvalidDocument
from gateway.model.document import Envelope, Unwrapped
from gateway.ubl import invoice, plain, sbdh
from gateway.ubl.forms import Forms
from gateway.ubl.names import CAC
from gateway.ubl.plain import usual_envelope
from tests.ubl.ubl_parts import example

CORPUS = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpus" / "invoices"
DOCUMENT = example("network")


def envelope_of(document: bytes) -> Envelope:
    facts = invoice.read(document)
    seller, buyer = facts.seller.endpoint, facts.buyer.endpoint
    return Envelope(
        sender=seller or buyer or invoice.read(DOCUMENT).seller.endpoint,  # type: ignore[arg-type]
        receiver=buyer or seller or invoice.read(DOCUMENT).buyer.endpoint,  # type: ignore[arg-type]
        document_type=facts.document_type,
        process=facts.process,
        country_c1="SE",
        instance_id="7f6f2c2e-6a58-4b57-9f1c-2d7c7c6f7a10",
        created="2026-11-25T10:15:30Z",
        standard=facts.document_type.namespace,
        type_version=facts.document_type.version,
        type=facts.document_type.name,
    )


@pytest.fixture
def by_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbdh, "usual_envelope", lambda octets: None)


@pytest.fixture(params=[0, 2], ids=["as a new form", "as a known form"])
def taught(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The envelope that is changed was read so often before."""
    monkeypatch.setattr(plain, "_FORMS", Forms())
    for _ in range(request.param):
        usual_envelope(WRAPPED)


def tree(octets: bytes) -> Unwrapped | None:
    """What the tree says; None where it refuses."""
    try:
        return sbdh.unwrap(octets)
    except GatewayError:
        return None


WRAPPED = sbdh.wrap(DOCUMENT, envelope_of(DOCUMENT))


@pytest.mark.usefixtures("by_the_tree")
def test_our_own_envelope_is_plain() -> None:
    found = usual_envelope(WRAPPED)
    assert found is not None and found == tree(WRAPPED)
    assert found.summary is not None and found.summary.number == invoice.read(DOCUMENT).number


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus (../shared/corpus/invoices) is absent")
@pytest.mark.usefixtures("by_the_tree")
def test_the_text_says_what_the_tree_says_of_every_document_of_the_corpus() -> None:
    read = others = 0
    for file in sorted(CORPUS.rglob("*.xml")):
        try:
            document = re.sub(b"<!--.*?-->", b"", file.read_bytes(), flags=re.DOTALL)
            octets = sbdh.wrap(document, envelope_of(document))
        except InvalidDocument:
            continue
        found = usual_envelope(octets)
        if found is None:
            others += 1
            continue
        read += 1
        assert found == tree(octets), file
        assert usual_envelope(octets) == usual_envelope(octets) == found, file
    assert read > 300, (read, others)


@pytest.mark.usefixtures("by_the_tree", "taught")
def test_one_octet_changed_or_put_in_anywhere_is_read_as_the_tree_reads_it_or_not_at_all() -> None:
    chance = random.Random(3)
    read = 0
    for _ in range(3000):
        at = chance.randrange(len(WRAPPED))
        octet = chance.choice(
            (b"<", b">", b"&", b'"', b"/", b"\r", b"\n", b" ", b"x", b":", b"=", b"!", b"?", b"\x00", b"\xff")
        )
        changed = WRAPPED[:at] + octet + WRAPPED[at + chance.randrange(2) :]
        found = usual_envelope(changed)
        if found is not None:
            read += 1
            assert found == tree(changed), (at, octet)
    assert 300 < read < 2900


def _inside(old: str, new: str) -> bytes:
    assert old.encode() in WRAPPED, old
    return WRAPPED.replace(old.encode(), new.encode(), 1)


TOTAL = "<cac:LegalMonetaryTotal>"
NAME = "<cac:PartyName><cbc:Name>A</cbc:Name></cac:PartyName>"
ROLE = re.search(rb"<cac:AccountingCustomerParty>.*</cac:AccountingCustomerParty>", WRAPPED, re.DOTALL)[0]  # type: ignore[index]
DEEP = b"<a>" * 3000 + b"</a>" * 3000 + TOTAL.encode()
NOT_PLAIN = {
    "comment": _inside("<cbc:ID>", "<!-- <cbc:ID>other</cbc:ID> --><cbc:ID>"),
    "CDATA": _inside(TOTAL, f"<cbc:Note><![CDATA[{TOTAL}]]></cbc:Note>{TOTAL}"),
    "processing instruction": _inside("<cac:LegalMonetaryTotal>", "<?a b?><cac:LegalMonetaryTotal>"),
    "document type": b"<!DOCTYPE StandardBusinessDocument>" + WRAPPED,
    "two documents": WRAPPED.replace(b"</StandardBusinessDocument>", b"<a/></StandardBusinessDocument>"),
    "text beside": WRAPPED.replace(b"</StandardBusinessDocument>", b"text</StandardBusinessDocument>"),
    "a namespace lent by the envelope": WRAPPED.replace(b' xmlns:cac="', b' xmlns:cac2="', 1).replace(
        b"<StandardBusinessDocument ", b'<StandardBusinessDocument xmlns:cac="urn:x" '
    ),
    "names declared again below": _inside("<cac:LegalMonetaryTotal>", '<cac:LegalMonetaryTotal xmlns:cbc="urn:x">'),
    "an agent before the name": _inside("<cac:PartyName>", f"<cac:AgentParty>{NAME}</cac:AgentParty><cac:PartyName>"),
    "the buyer in a line": WRAPPED.replace(ROLE, b"").replace(b"<cac:Item>", ROLE + b"<cac:Item>", 1),
    "the party within another": WRAPPED.replace(
        ROLE,
        ROLE.replace(b"<cac:Party>", b"<cac:Contract><cac:Party>").replace(
            b"</cac:Accounting", b"</cac:Contract></cac:Accounting"
        ),
    ),
    "the name within another": _inside("<cac:PartyName>", "<cac:Person><cac:PartyName>").replace(
        b"</cac:PartyName>", b"</cac:PartyName></cac:Person>", 1
    ),
    "the amount within another": _inside("<cbc:PayableAmount", "<cac:Price><cbc:PayableAmount").replace(
        b"</cbc:PayableAmount>", b"</cbc:PayableAmount></cac:Price>"
    ),
    "another prefix for the same names": _inside(' xmlns:cac="', f' xmlns:x="{CAC}" xmlns:cac="'),
    "unbound prefix": _inside("<cac:LegalMonetaryTotal>", "<foo:bar/><cac:LegalMonetaryTotal>"),
    "deep": WRAPPED.replace(TOTAL.encode(), DEEP),
    "cut": WRAPPED[:-40],
    "]]> in an identifier of the head": _inside("#compliant#urn:fdc:peppol", "#compliant#urn:fdc:peppo]]>l"),
    "]]> in its own id": _inside("<InstanceIdentifier>7f", "<InstanceIdentifier>7f]]>"),
    "another document than the header says": WRAPPED.replace(b"<Type>Invoice<", b"<Type>CreditNote<"),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
@pytest.mark.usefixtures("taught")
def test_what_is_not_plain_is_left_to_the_tree(name: str) -> None:
    assert NOT_PLAIN[name] != WRAPPED
    assert usual_envelope(NOT_PLAIN[name]) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<InstanceIdentifier>7f", "<InstanceIdentifier>7f&amp;"),
        ("<InstanceIdentifier>7f", "<InstanceIdentifier>7f\r"),
        ("<CreationDateAndTime>2", "<CreationDateAndTime>&#50;"),
        ("<cbc:ID>", "<cbc:ID >"),
        ("<cbc:ID>", "<cbc:ID>  "),
        ("<cbc:IssueDate>", "<cbc:IssueDate>x"),
        ("<cbc:CustomizationID>", "<cbc:CustomizationID>a b"),
        ("<cac:PartyName>", "<cac:PartyName><cbc:Name></cbc:Name></cac:PartyName><cac:PartyName>"),
        ("<cac:PartyName>", "<cac:PartyName><cbc:Name>A &amp; B</cbc:Name></cac:PartyName><cac:PartyName>"),
        ("<cac:PartyName>", "<cac:PartyName><cbc:Name>A</cbc:Name ></cac:PartyName><cac:PartyName>"),
        ("<cac:PartyName>", "<cac:PartyName><cbc:X/><cbc:Name>A</cbc:Name></cac:PartyName><cac:PartyName>"),
        ("<cbc:Name>", "<cbc:Name>A &amp; "),
        ("<cbc:Name>", "<cbc:Name>Party>"),
        ("<cbc:Note>", "<cbc:Note>A &amp; B"),
        ("<cbc:ID>", "<cbc:ID>&#49;"),
        ("<cbc:PayableAmount", "<cbc:PayableAmount x='1'>1</cbc:PayableAmount><cbc:PayableAmount"),
        ("<cac:PartyName>", "<cac:PartyIdentification></cac:PartyIdentification><cac:PartyName>"),
        ("<cbc:PayableAmount", "<cbc:PayableAmount>1e3</cbc:PayableAmount><cbc:PayableAmount"),
        ("<cac:LegalMonetaryTotal>", "<cac:LegalMonetaryTotal></cac:LegalMonetaryTotal><cac:LegalMonetaryTotal>"),
        ("</cac:AccountingSupplierParty>", "</cac:AccountingSupplierParty><cbc:ID>late</cbc:ID>"),
        ("<cac:AccountingSupplierParty>", "<cac:BillingReference/><cac:AccountingSupplierParty>"),
    ],
)
@pytest.mark.usefixtures("by_the_tree", "taught")
def test_odd_values_are_read_as_the_tree_reads_them_or_not_at_all(old: str, new: str) -> None:
    changed = _inside(old, new)
    found = usual_envelope(changed)
    assert found is None or found == tree(changed)


@pytest.mark.usefixtures("by_the_tree")
def test_a_document_that_is_no_invoice_is_carried_without_a_summary() -> None:
    order = b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"><a/></Order>'
    envelope = envelope_of(DOCUMENT)
    kind = envelope.document_type.parse(str(envelope.document_type).replace("Invoice-2::Invoice", "Order-2::Order"))
    octets = sbdh.wrap(order, replace(envelope, document_type=kind, standard="", type=""))
    found = usual_envelope(octets)
    assert found is not None and found.summary is None and found == tree(octets)
