"""What payment codes say, and what is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scanning import codes
from tests.scanning import generator

EPC = "BCD\n002\n1\nSCT\n\nExempel Oy\nFI2112345600000785\nEUR123.4\n\nRF18539007547034\n\n"


def test_using_qr_gives_what_an_invoice_needs() -> None:
    one = generator.invoice(1, code=True)
    found = codes.read(one.using_qr())
    assert found is not None
    wanted = {name: value for name, value in one.truth.items() if name not in ("reference", "net")}
    assert found == wanted


def test_a_credit_note_in_using_qr_may_have_a_negative_amount() -> None:
    found = codes.read('{"uqr":1,"tp":2,"due":-125,"vat":-25,"iref":"7"}')
    assert found is not None and (found["kind"], found["total"], found["vat"]) == ("credit", "125.00", "25.00")


def test_a_number_with_a_wrong_check_digit_is_left_out_of_a_code() -> None:
    found = codes.read('{"uqr":1,"tp":1,"due":125,"pt":"BG","acc":"160-9909","cid":"556721-2048"}')
    assert found is not None and "account" not in found and "supplier" not in found


def test_epc() -> None:
    assert codes.read(EPC) == {
        "account": "IBAN:FI2112345600000785",
        "currency": "EUR",
        "total": "123.40",
        "supplier_name": "Exempel Oy",
        "reference": "RF18539007547034",
    }


def test_the_finnish_bank_barcode_of_both_versions() -> None:
    four = "4" + "2112345600000785" + "000123" + "40" + "000" + "12345672".rjust(20, "0") + "261231"
    assert codes.read(four) == {
        "account": "IBAN:FI2112345600000785",
        "currency": "EUR",
        "total": "123.40",
        "reference": "12345672",
        "due_date": "2026-12-31",
    }
    five = "5" + "2112345600000785" + "000123" + "40" + "18" + "539007547034".rjust(21, "0") + "261231"
    found = codes.read(five)
    assert found is not None and found["reference"] == "RF18539007547034"


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/pay",
        '{"tp":1}',
        '{"uqr":1,"due":"1e99"}',
        '{"uqr":1,"due":NaN}',
        '{"uqr":1,"due":true}',
        "[" * 3_000,
        '{"a":' * 900,
        EPC.replace("EUR", "USD"),
        EPC.replace("785", "786"),
        "4" + "2112345600000786" + "0" * 37,
        "x" * 5_000,
    ],
)
def test_what_is_no_payment_code_says_nothing(text: str) -> None:
    assert codes.read(text) is None


NAMES = st.sampled_from(["tp", "nme", "cid", "iref", "due", "vat", "acc", "pt", "idt", "cur"])
VALUES = st.one_of(st.none(), st.text(max_size=30), st.integers(), st.floats(), st.lists(st.integers()))


@given(st.dictionaries(NAMES, VALUES))
def test_any_values_in_a_code_are_survived(table: dict[str, object]) -> None:
    codes.read(json.dumps({"uqr": 1, **table}))
