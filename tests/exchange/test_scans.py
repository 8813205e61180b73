"""Paper and PDF in, over a real store: committed first, delivered once, a person asked where it matters."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.errors import Conflict, InvalidDocument, LostLease, NotFound, ScannerUnavailable
from gateway.exchange.antivirus import Antivirus
from gateway.exchange.paper import Paper
from gateway.exchange.reviewing import Reviewing
from gateway.exchange.scans import Scans
from gateway.model.identifiers import AccountId, ParticipantId
from gateway.model.lifecycle import Event
from gateway.model.message import Evidence, Filter, Participant, PayloadKind
from gateway.model.scan import ScanState
from gateway.ports import Incoming
from gateway.scanning.reader import FileReader
from gateway.store import SqlStore, open_store
from gateway.ubl import invoice as ubl
from gateway.ubl.rules.judge import judge, packs_of
from tests.clamav import EICAR, Scripted
from tests.conftest import FakeClock
from tests.scanning import generator

OURS = AccountId("alpha")
ONE = generator.invoice(2, code=True)


def pdf(one: generator.Invoice) -> bytes:
    """With a text layer and a code: everything has two witnesses without an optical reader."""
    return generator.text_pdf(generator.page(one), code=generator.qr(one.using_qr(), 120))


@dataclass
class Place:
    store: SqlStore
    scans: Scans
    clock: FakeClock

    def incoming(self, octets: bytes, key: str, **more: object) -> Incoming:
        values: dict[str, object] = {
            "account": OURS,
            "file_name": "faktura.pdf",
            "source": "mail",
            "sender": "a@b.test",
        }
        return Incoming(octets=octets, key=key, **{**values, **more})  # type: ignore[arg-type]

    async def documents(self) -> int:
        return len((await self.store.find(OURS, Filter()))[0])


@pytest.fixture
async def place(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    async with open_store("sqlite:gateway.db", "payloads", clock=clock, base=tmp_path) as store:
        for name in ("alpha", "beta"):
            await store.add_account(AccountId(name), name, name)
        participant = Participant(id=ParticipantId.parse(f"0007:{ONE.buyer}"), account=OURS, name="Kund AB")
        await store.save_participant(participant)
        paper = Paper(store=store, clock=clock, pulled={"default": True})
        yield Place(store, Scans(store=store, reader=FileReader(program=""), paper=paper, clock=clock), clock)


async def test_an_invoice_goes_through_as_marked_ubl_with_its_original_and_only_once(place: Place) -> None:
    octets = pdf(ONE)
    proof = Evidence(kind="mail", media_type="message/rfc822", octets=b"Received: from x\r\n")
    taken = await place.scans.hand_in(place.incoming(octets, "m1", evidence=(proof,)))
    assert (taken.verdict, taken.repeated) == ("accepted", False)
    message = await place.store.get(OURS, taken.document)
    assert (message.channel, message.direction, message.state) == ("pdf", "in", "RECEIVED")
    assert (message.number, f"{message.amount:.2f}") == (ONE.number, ONE.truth["total"])
    written = await place.store.payload(message.id, PayloadKind.DOCUMENT)
    assert ubl.read(written).number == ONE.number and b"Tolkning av skannad" in written
    root = ubl.open_document(written)
    fatal = [one for one in judge(root, packs_of(root)).findings() if one.severity == "fatal"]
    assert not fatal, fatal
    kinds = {one.kind: one.octets for _, _, one in await place.store.evidence(OURS, message.id)}
    assert kinds == {"original": octets, "mail": proof.octets}

    again = await place.scans.hand_in(place.incoming(octets, "m1"))
    assert (again.id, again.verdict, again.repeated) == (taken.id, "accepted", True)
    other_way = await place.scans.hand_in(place.incoming(octets, "folder 1", source="folder"))
    assert (other_way.verdict, other_way.document) == ("duplicate", taken.document)
    with pytest.raises(Conflict):
        await place.scans.hand_in(place.incoming(pdf(generator.invoice(6, code=True)), "m1"))
    assert await place.documents() == 1


async def test_embedded_ubl_is_delivered_as_it_is_unless_the_page_shows_something_else(place: Place) -> None:
    first = await place.scans.hand_in(place.incoming(pdf(ONE), "m1"))
    xml = await place.store.payload(first.document, PayloadKind.DOCUMENT)
    other = dataclasses.replace(ONE, number="4711")
    structured = xml.replace(f"<cbc:ID>{ONE.number}</cbc:ID>".encode(), b"<cbc:ID>4711</cbc:ID>")
    structured = structured.replace(b"Tolkning av skannad", b"Vara")
    hybrid = generator.text_pdf(generator.page(other), attached=("factur-x.xml", structured))
    taken = await place.scans.hand_in(place.incoming(hybrid, "m2"))
    assert taken.verdict == "accepted"
    assert await place.store.payload(taken.document, PayloadKind.DOCUMENT) == structured
    assert "interpretation" not in (await place.store.get(OURS, taken.document)).links

    lying = generator.text_pdf(generator.page(generator.invoice(6, code=False)), attached=("a.xml", structured))
    taken = await place.scans.hand_in(place.incoming(lying, "m3"))
    scan = await place.store.reviews.get(OURS, taken.id)
    assert (taken.verdict, scan.hold) == ("review", "document")


async def test_another_bank_account_waits_for_a_person_who_says_why(place: Place) -> None:
    await place.scans.hand_in(place.incoming(pdf(ONE), "m1"))
    changed = dataclasses.replace(ONE, number="777888", account=generator.account(random.Random(5)))
    taken = await place.scans.hand_in(place.incoming(pdf(changed), "m2"))
    assert taken.verdict == "review" and changed.account not in taken.reason  # whoever sent it learns nothing
    scan = await place.store.reviews.get(OURS, taken.id)
    assert scan.hold == "bank_account" and changed.account in scan.reason and changed.account in scan.reason_sv
    reviewing = Reviewing(scans=place.scans)
    with pytest.raises(Conflict, match="never used"):
        await reviewing.confirm(scan, "clerk", {}, all_fields=True)
    assert await place.documents() == 1
    scan = await place.store.reviews.get(OURS, taken.id)
    done = await reviewing.confirm(scan, "clerk", {}, all_fields=True, reason="Called the number on the contract")
    assert (done.state, done.decided_by) == (ScanState.ACCEPTED, "clerk")
    later = dataclasses.replace(changed, number="777889")
    assert (await place.scans.hand_in(place.incoming(pdf(later), "m3"))).verdict == "accepted"


async def test_a_person_confirms_what_could_not_be_read_and_the_next_needs_nobody(place: Place) -> None:
    plain = dataclasses.replace(generator.invoice(3, code=False), buyer=ONE.buyer)
    taken = await place.scans.hand_in(place.incoming(generator.text_pdf(generator.page(plain)), "m1"))
    scan = await place.store.reviews.get(OURS, taken.id)
    assert (taken.verdict, scan.hold) == ("review", "fields")
    assert (await place.store.reviews.crop(OURS, scan.id, "total")).startswith(b"\x89PNG")
    reviewing = Reviewing(scans=place.scans)
    with pytest.raises(InvalidDocument) as still_open:
        await reviewing.confirm(scan, "clerk", {"total": "1.234", "account": "BG:160-9909"})
    assert {"total", "account", "supplier_name"} <= {one.rule for one in still_open.value.findings}
    done = await reviewing.confirm(scan, "clerk", {"supplier_name": plain.supplier_name})
    assert done.state is ScanState.ACCEPTED and done.fields["supplier_name"].confirmed_by == "clerk"
    with pytest.raises(LostLease):
        await place.store.reviews.settle(scan, scan)
    with pytest.raises(Conflict):
        await reviewing.refuse(done, "clerk", "too late")

    following = dataclasses.replace(plain, number="5550001")
    again = await place.scans.hand_in(place.incoming(generator.text_pdf(generator.page(following)), "m2"))
    assert again.verdict == "accepted"


async def test_what_a_dead_reader_left_is_read_later_and_delivered_once(place: Place) -> None:
    class Dying:
        async def read(self, *arguments: object, **more: object) -> object:
            raise RuntimeError("killed")

    dying = dataclasses.replace(place.scans, reader=Dying())  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        await dying.hand_in(place.incoming(pdf(ONE), "m1"))
    assert dict(await place.store.reviews.counts(OURS)) == {"taken": 1}
    assert await place.scans.finish_what_was_left() == 0
    place.clock.forward(hours=1)
    assert await place.scans.finish_what_was_left() == 1
    told = await place.scans.hand_in(place.incoming(pdf(ONE), "m1"))
    assert (told.verdict, told.repeated) == ("accepted", True)
    assert await place.documents() == 1


async def test_a_file_that_cannot_be_read_is_for_a_person_and_keeps_no_other_from_being_read(place: Place) -> None:
    class Breaking:
        async def read(self, octets: bytes, **more: object) -> object:
            raise RuntimeError("killed")

    dying = dataclasses.replace(place.scans, reader=Breaking())  # type: ignore[arg-type]
    for key, octets in (("m1", b"%PDF-1.7 poison"), ("m2", pdf(ONE))):
        with pytest.raises(RuntimeError):
            await dying.hand_in(place.incoming(octets, key))
        place.clock.forward(seconds=1)
    place.clock.forward(hours=1)

    class Picky(Breaking):
        async def read(self, octets: bytes, **more: object) -> object:
            if octets.endswith(b"poison"):
                raise KeyError("account")
            return await place.scans.reader.read(octets, **more)  # type: ignore[arg-type]

    picky = dataclasses.replace(place.scans, reader=Picky())  # type: ignore[arg-type]
    assert await picky.finish_what_was_left() == 1
    assert dict(await place.store.reviews.counts(OURS)) == {"review": 1, "accepted": 1}
    (asked,), _ = await place.store.reviews.find(OURS, (ScanState.REVIEW,), 5)
    assert asked.hold == "document" and "a person" in asked.reason
    assert await picky.finish_what_was_left() == 0


CII = """<CrossIndustryInvoice><ExchangedDocument><ID>4711</ID><TypeCode>380</TypeCode><IssueDateTime><DateTimeString>
20261120</DateTimeString></IssueDateTime></ExchangedDocument><SupplyChainTradeTransaction>
<ApplicableHeaderTradeAgreement><SellerTradeParty><Name>Lieferant</Name><SpecifiedTaxRegistration>
<ID schemeID="VA">DE123456789</ID></SpecifiedTaxRegistration></SellerTradeParty></ApplicableHeaderTradeAgreement>
<ApplicableHeaderTradeSettlement><InvoiceCurrencyCode>EUR</InvoiceCurrencyCode>{more}
<SpecifiedTradeSettlementHeaderMonetarySummation><TaxBasisTotalAmount>{net}</TaxBasisTotalAmount>
<TaxTotalAmount>25.00</TaxTotalAmount><DuePayableAmount>{total}</DuePayableAmount>
</SpecifiedTradeSettlementHeaderMonetarySummation></ApplicableHeaderTradeSettlement></SupplyChainTradeTransaction>
</CrossIndustryInvoice>"""
IBAN = """<SpecifiedTradeSettlementPaymentMeans><PayeePartyCreditorFinancialAccount>
<IBANID>DE89370400440532013000</IBANID>
</PayeePartyCreditorFinancialAccount></SpecifiedTradeSettlementPaymentMeans><SpecifiedTradePaymentTerms>
<DueDateDateTime><DateTimeString>20261220</DateTimeString></DueDateDateTime></SpecifiedTradePaymentTerms>"""


def cii(**values: str) -> bytes:
    xml = CII.format(**{"net": "100.00", "total": "125.00", "more": IBAN, **values}).encode()
    return generator.text_pdf([(20.0, 40.0, 9.0, "Rechnung")], attached=("factur-x.xml", xml))


async def test_an_embedded_cii_invoice_without_account_or_rate_is_for_a_person(place: Place) -> None:
    assert (await place.scans.hand_in(place.incoming(cii(), "m1"))).verdict == "accepted"
    taken = await place.scans.hand_in(place.incoming(cii(more=""), "m2"))
    scan = await place.store.reviews.get(OURS, taken.id)
    assert (taken.verdict, scan.hold) == ("review", "fields")

    taken = await place.scans.hand_in(place.incoming(cii(net="0.00", total="25.00"), "m3"))
    scan = await place.store.reviews.get(OURS, taken.id)
    assert (taken.verdict, scan.hold) == ("review", "fields")
    reviewing = Reviewing(scans=place.scans)
    with pytest.raises(InvalidDocument) as impossible:
        await reviewing.confirm(scan, "clerk", {}, all_fields=True)
    assert [one.rule for one in impossible.value.findings] == ["net"]
    assert "no rate" in impossible.value.findings[0].message


async def structured(place: Place, number: str, *more: tuple[bytes, bytes]) -> bytes:
    """UBL as its supplier wrote it."""
    one = generator.invoice(2, code=True)
    first = await place.scans.hand_in(place.incoming(pdf(one), "first"))
    xml = await place.store.payload(first.document, PayloadKind.DOCUMENT)
    pairs = (f"<cbc:ID>{one.number}</cbc:ID>".encode(), f"<cbc:ID>{number}</cbc:ID>".encode())
    for old, new in (pairs, (b"Tolkning av skannad", b"Vara"), *more):
        assert old in xml
        xml = xml.replace(old, new)
    return xml


async def test_embedded_ubl_that_a_person_releases_is_delivered_as_it_is(place: Place) -> None:
    xml = await structured(place, "4711")
    lying = generator.text_pdf(generator.page(generator.invoice(6, code=False)), attached=("a.xml", xml))
    reviewing = Reviewing(scans=place.scans)
    taken = await place.scans.hand_in(place.incoming(lying, "m2"))
    scan = await place.store.reviews.get(OURS, taken.id)
    done = await reviewing.confirm(scan, "clerk", {}, all_fields=True, reason="Asked them")
    assert done.state is ScanState.ACCEPTED
    assert await place.store.payload(done.document, PayloadKind.DOCUMENT) == xml  # type: ignore[arg-type]
    assert "interpretation" not in (await place.store.get(OURS, done.document)).links  # type: ignore[arg-type]

    taken = await place.scans.hand_in(place.incoming(lying, "m3"))
    scan = await place.store.reviews.get(OURS, taken.id)
    done = await reviewing.confirm(scan, "clerk", {"number": "4712"}, all_fields=True, reason="The page is right")
    written = await place.store.payload(done.document, PayloadKind.DOCUMENT)  # type: ignore[arg-type]
    assert ubl.read(written).number == "4712" and b"Tolkning av skannad" in written


async def test_two_suppliers_with_the_same_number_and_total_are_both_delivered(place: Place) -> None:
    tax = b"<cac:PartyTaxScheme>"
    shared = b"<cbc:CompanyID>Godk\xc3\xa4nd f\xc3\xb6r F-skatt</cbc:CompanyID><cac:TaxScheme><cbc:ID>TAX</cbc:ID>"
    shared = tax + shared + b"</cac:TaxScheme></cac:PartyTaxScheme>" + tax
    other = generator.invoice(6, code=True).supplier.encode()
    first = await structured(place, "4711", (tax, shared))
    second = first.replace(generator.invoice(2, code=True).supplier.encode(), other)
    page = generator.page(dataclasses.replace(ONE, number="4711"))
    for key, xml in (("m2", first), ("m3", second)):
        taken = await place.scans.hand_in(place.incoming(generator.text_pdf(page, attached=("a.xml", xml)), key))
        assert taken.verdict == "accepted", key
    paper = await place.scans.hand_in(place.incoming(pdf(dataclasses.replace(ONE, number="4711")), "m4"))
    assert paper.verdict == "duplicate"


async def test_an_invoice_whose_earlier_document_failed_is_asked_about_and_not_called_a_duplicate(place: Place) -> None:
    place.scans = dataclasses.replace(
        place.scans, paper=dataclasses.replace(place.scans.paper, pulled={"default": False})
    )
    first = await place.scans.hand_in(place.incoming(pdf(ONE), "m1"))
    (message,) = await place.store.claim("worker", 10, 60)
    assert message.id == first.document
    await place.store.record(message, Event(name="GaveUp", reason="C4 does not answer"))
    again = await place.scans.hand_in(place.incoming(pdf(ONE), "m2"))
    scan = await place.store.reviews.get(OURS, again.id)
    assert (again.verdict, scan.hold, scan.document) == ("review", "document", first.document)
    done = await Reviewing(scans=place.scans).confirm(scan, "clerk", {}, all_fields=True)
    assert done.state is ScanState.ACCEPTED and done.document != first.document
    third = await place.scans.hand_in(place.incoming(pdf(ONE), "m3"))
    assert (third.verdict, third.document) == ("duplicate", done.document)
    assert await place.documents() == 2


async def test_a_kill_after_the_document_was_added_delivers_nothing_twice(place: Place) -> None:
    taken = await place.scans.hand_in(place.incoming(pdf(ONE), "m1"))
    scan = await place.store.reviews.get(OURS, taken.id)
    unsettled = dataclasses.replace(scan, state=ScanState.TAKEN, document="")
    again = await place.scans.paper.deliver(unsettled, pdf(ONE))
    assert (again.state, again.document) == (ScanState.ACCEPTED, taken.document)
    assert await place.documents() == 1


async def test_nothing_of_one_account_exists_for_another(place: Place) -> None:
    taken = await place.scans.hand_in(place.incoming(pdf(ONE), "m1"))
    stranger, reviews = AccountId("beta"), place.store.reviews
    for ask in (reviews.get, reviews.octets, reviews.evidence):
        with pytest.raises(NotFound):
            await ask(stranger, taken.id)
    with pytest.raises(NotFound):
        await reviews.crop(stranger, taken.id, "total")
    assert not (await reviews.find(stranger, tuple(ScanState), 10))[0]
    assert not await reviews.suppliers(stranger, [f"SE{ONE.supplier}"])
    assert (await place.scans.hand_in(place.incoming(pdf(ONE), "m1", account=stranger))).verdict == "accepted"


async def test_a_file_with_a_virus_is_refused_and_one_that_no_scanner_has_seen_waits(place: Place) -> None:
    scanner = Scripted()
    guarded = dataclasses.replace(place.scans, antivirus=Antivirus(scanner=scanner))
    infected = pdf(ONE) + EICAR
    taken = await guarded.hand_in(place.incoming(infected, "m1"))
    scan = await place.store.reviews.get(OURS, taken.id)
    assert (taken.verdict, scan.state, scan.hold, scan.pages) == ("refused", ScanState.REFUSED, "virus", 0)
    assert "found Eicar.Test in faktura.pdf" in taken.reason and "Skicka en ren fil" in taken.reason_sv
    assert await place.store.reviews.octets(OURS, scan.id) == infected

    scanner.away = 2
    with pytest.raises(ScannerUnavailable):
        await guarded.hand_in(place.incoming(pdf(ONE), "m2"))
    place.clock.forward(hours=1)
    assert await guarded.finish_what_was_left() == 0
    assert dict(await place.store.reviews.counts(OURS)) == {"refused": 1, "taken": 1} and await place.documents() == 0
    assert await guarded.finish_what_was_left() == 1
    told = await guarded.hand_in(place.incoming(pdf(ONE), "m2"))
    assert (told.verdict, told.repeated) == ("accepted", True)
