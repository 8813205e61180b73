"""Codes of a device, by the vectors of the standard; recovery codes as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.portal.totp import (
    RECOVERY_CODES,
    address_of,
    as_text,
    code_of,
    fitting_step,
    hash_of,
    new_key,
    new_recovery_codes,
    read_code,
    step_of,
)

KEY = b"12345678901234567890"
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""RFC 6238, appendix B, SHA-1: eight digits, of which six are the last."""


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert code_of(KEY, step_of(datetime.fromtimestamp(seconds, UTC))) == code[-6:]


def test_a_code_of_the_step_before_or_after_fits_and_none_further_away() -> None:
    now = datetime(2026, 11, 25, 12, 0, 15, tzinfo=UTC)
    shown = code_of(KEY, step_of(now))
    for seconds in (-30, 0, 30):
        assert fitting_step(KEY, shown, now + timedelta(seconds=seconds)) == step_of(now)
    for seconds in (-60, 60):
        assert fitting_step(KEY, shown, now + timedelta(seconds=seconds)) is None
    assert fitting_step(KEY, "", now) is None


def test_the_address_is_what_apps_read() -> None:
    parts = urlsplit(address_of(KEY, "anna@exempel.example", "Exempel & Söner"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path == "/Exempel%20%26%20S%C3%B6ner:anna%40exempel.example"
    assert parse_qs(parts.query) == {"secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": ["Exempel & Söner"]}
    assert as_text(KEY) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_what_people_type_is_read_and_what_is_no_code_is_not() -> None:
    assert read_code(" 123 456 ") == "123456"
    assert read_code("abcd-efgh-ijkl-mn10") == "ABCDEFGHIJKLMNIO"
    for text in ("", "12345", "12345a", "١٢٣٤٥٦", "abcd-efgh", "x" * 400, "<b>123</b>"):
        assert read_code(text) == "", text


def test_every_key_and_every_recovery_code_is_another_one_and_its_hash_is_of_one_person() -> None:
    codes = [code for _ in range(5) for code in new_recovery_codes()]
    assert len(set(codes)) == 5 * RECOVERY_CODES
    assert all(len(read_code(code)) == 16 for code in codes)
    assert hash_of(codes[0], "one") == hash_of(codes[0].lower().replace("-", " "), "one") != hash_of(codes[0], "other")
    assert len({new_key() for _ in range(5)}) == 5
