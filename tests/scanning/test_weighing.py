"""Which values are believed: two witnesses, and none against."""

import random
import time
from decimal import Decimal

from gateway.model.identifiers import AccountId
from gateway.model.scan import Candidate, Code, Supplier, Word
from gateway.scanning import finding, weighing
from gateway.scanning.finding import Found
from tests.scanning import generator


def words(items: list[generator.Item], confidence: float = 1.0) -> list[Word]:
    """The words of a page, each with a box of about its size."""
    found = []
    for x, y, size, text in items:
        wide, high = size * 0.19, size * 0.35
        left = x
        for part in text.split(" "):
            if part:
                right = left + wide * len(part)
                found.append(Word(part, 1, left / 210, (y - high) / 297, right / 210, y / 297, confidence))
            left += wide * (len(part) + 1)
    return found


def read(items: list[generator.Item], witness: str, confidence: float = 1.0) -> Found:
    return finding.find(words(items, confidence), witness)


def test_every_layout_is_found_in_exact_text() -> None:
    for seed in range(24):
        one = generator.invoice(seed, code=False)
        own = {f"SE{one.buyer}", f"Kund {one.buyer[3:7]} AB"}
        weighed = weighing.weigh([read(generator.page(one), "text")], (), own=own)
        for name, value in one.truth.items():
            field = weighed.fields[name]
            assert not field.accepted or field.value == value, (seed, name, field)
            assert value in {candidate.value for candidate in field.candidates}, (seed, name)
        for name in ("total", "vat", "net", "account", "reference", "issue_date", "due_date", "supplier"):
            assert weighed.fields[name].accepted, (seed, name, weighed.fields[name])


def test_one_reader_alone_is_not_believed_for_what_has_no_check() -> None:
    one = generator.invoice(3, code=False)
    items = [item for item in generator.page(one) if "dagar" not in item[3]]
    weighed = weighing.weigh([read(items, "ocr", 0.95)], ())
    assert not weighed.fields["issue_date"].accepted and not weighed.fields["due_date"].accepted
    both = weighing.weigh([read(items, "ocr", 0.95), read(items, "second reading", 0.95)], ())
    assert both.fields["issue_date"].accepted and both.fields["issue_date"].value == one.issued.isoformat()


def test_two_readers_that_disagree_are_both_not_believed() -> None:
    one = generator.invoice(3, code=False)
    items = [item for item in generator.page(one) if "dagar" not in item[3]]
    other = [(x, y, size, text.replace(one.issued.isoformat(), "2026-09-09")) for x, y, size, text in items]
    weighed = weighing.weigh([read(items, "ocr", 0.95), read(other, "second reading", 0.95)], ())
    assert not weighed.fields["issue_date"].accepted


def test_an_unsure_reader_is_no_witness() -> None:
    one = generator.invoice(3, code=False)
    items = [item for item in generator.page(one) if "dagar" not in item[3]]
    weighed = weighing.weigh([read(items, "ocr", 0.6), read(items, "second reading", 0.6)], ())
    assert not weighed.fields["issue_date"].accepted


def test_a_misread_amount_breaks_the_sum_and_is_for_a_person() -> None:
    one = generator.invoice(3, code=False)
    shown = generator.money(one.total)
    wrong = shown[:-1] + str((int(shown[-1]) + 3) % 10)
    items = [(x, y, size, text.replace(shown, wrong)) for x, y, size, text in generator.page(one)]
    weighed = weighing.weigh([read(items, "ocr", 0.95)], ())
    assert not weighed.fields["total"].accepted


def test_a_code_that_says_another_account_than_the_page_is_for_a_person() -> None:
    one = generator.invoice(3, code=True)
    import dataclasses
    import random

    pasted = dataclasses.replace(one, account=generator.account(random.Random(9)))
    code = Code(format="QRCode", text=pasted.using_qr(), page=1)
    weighed = weighing.weigh([read(generator.page(one), "ocr", 0.95)], (code,))
    assert not weighed.fields["account"].accepted
    assert "account" in weighed.contradictions
    honest = weighing.weigh(
        [read(generator.page(one), "ocr", 0.95)], (Code(format="QRCode", text=one.using_qr(), page=1),)
    )
    assert honest.fields["account"].accepted


def test_a_code_that_has_the_payment_reference_proves_no_invoice_number() -> None:
    one = generator.invoice(3, code=True)
    text = one.using_qr().replace(f'"iref":"{one.number}"', f'"iref":"{one.reference}"')
    assert text != one.using_qr()
    items = [
        (x, y, size, words if one.reference in words else words.replace(one.number, "88213"))
        for x, y, size, words in generator.page(one)
    ]
    assert items != generator.page(one)
    weighed = weighing.weigh([read(items, "ocr", 0.95)], (Code(format="QRCode", text=text, page=1),))
    assert not (weighed.fields["number"].accepted and weighed.fields["number"].value == one.reference)
    assert weighed.fields["total"].accepted


def test_what_is_known_of_a_supplier_is_a_witness() -> None:
    one = generator.invoice(3, code=False)
    items = [item for item in generator.page(one) if "dagar" not in item[3]]
    first = weighing.weigh([read(items, "text")], ())
    assert not first.fields["issue_date"].accepted and not first.fields["supplier_name"].accepted
    anchors = {
        name: (field.best.place.left, field.best.place.top)
        for name, field in first.fields.items()
        if field.best and field.best.place
    }
    known = Supplier(
        account=AccountId("a"),
        id=f"SE{one.supplier}",
        name=one.supplier_name,
        accounts={f"BG:{one.account}": 1},
        anchors=anchors,
        documents=1,
    )
    weighed = weighing.weigh([read(items, "text")], (), suppliers=[known])
    for name in ("issue_date", "due_date", "supplier_name", "account", "number"):
        assert weighed.fields[name].accepted and weighed.fields[name].value == one.truth[name], name


def test_a_place_is_no_witness_for_what_an_optical_reader_read() -> None:
    one = generator.invoice(3, code=False)
    items = [item for item in generator.page(one) if "dagar" not in item[3]]
    first = weighing.weigh([read(items, "ocr", 0.95)], ())
    place = first.fields["issue_date"].candidates[0].place
    assert place is not None
    known = Supplier(account=AccountId("a"), id=f"SE{one.supplier}", anchors={"issue_date": (place.left, place.top)})
    assert not weighing.weigh([read(items, "ocr", 0.95)], (), suppliers=[known]).fields["issue_date"].accepted


def test_hostile_text_in_fields_is_text() -> None:
    items: list[generator.Item] = [
        (20, 20, 12, "FAKTURA <script>alert(1)</script> ' OR 1=1 -- \u202e\u0000"),
        (20, 30, 10, "Fakturanummer ../../etc/passwd;=cmd|' /C calc'!A0"),
        (20, 40, 10, "Att betala " + "9" * 5_000 + ",00"),
        (20, 50, 10, "Org.nr " + "5" * 3_000),
    ]
    weighed = weighing.weigh([read(items, "text")], ())
    assert not any(weighed.fields[name].accepted for name in ("number", "total", "supplier"))


def test_a_page_of_amounts_and_roundings_is_weighed_in_a_moment() -> None:
    found, rng = Found(), random.Random(1)
    for name in ("net", "vat", "total"):
        found.candidates[name] = [
            Candidate(value=f"{rng.randint(100_000, 900_000)}.{n:02}", witnesses=("text",)) for n in range(18)
        ]
    found.roundings |= {f"{sign}0.{n:02}" for sign in ("", "-") for n in range(100)}
    begun = time.process_time()
    assert not weighing.weigh([found], ()).fields["total"].accepted
    assert time.process_time() - begun < 2


def test_only_parts_of_a_crown_are_noted_as_rounding_and_not_many() -> None:
    page = [(10.0, 10.0 + 4 * n, 9.0, f"Avrundning {n},{n % 97:02}") for n in range(60)]
    page += [(10.0, 300.0 + 4 * n, 9.0, f"Avrundning 0,{n:02}") for n in range(60)]
    found = read(page, "text")
    assert 0 < len(found.roundings) <= 40 and all(Decimal(one) < 1 for one in found.roundings)


def test_a_reader_of_ten_thousand_words_ends() -> None:
    items = [(20 + row % 7 * 20, 20 + row * 0.02, 9, "Moms 25 % 1 234,50 att betala") for row in range(1_200)]
    weighing.weigh([read(items, "text")], ())


def test_small_print_about_credit_notes_makes_no_credit_note() -> None:
    items = generator.page(generator.invoice(3, code=False))
    items.append((20, 280, 7, "Vid retur av varor skickas en kreditnota inom fjorton dagar till kunden"))
    readers = [read(items, "ocr", 0.95), read(items, "second reading", 0.95)]
    assert not weighing.weigh(readers, ()).fields["kind"].accepted
