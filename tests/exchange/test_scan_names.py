"""File names of strangers: shown and attached as a plain word, never a path."""

from __future__ import annotations

import pytest

from gateway.exchange.scans import safe_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("faktura 17.pdf", "faktura 17.pdf"),
        ("../../etc/passwd", "passwd"),
        ("/etc/cron.d/x", "x"),
        ("C:\\Windows\\faktura.pdf", "faktura.pdf"),
        ("..", "scan"),
        (". .", "scan"),
        ("", "scan"),
        ("a/", "scan"),
    ],
)
def test_a_file_name_is_a_word_to_show_and_no_path(name: str, shown: str) -> None:
    assert safe_name(name) == shown


@pytest.mark.parametrize(
    "name", ["a\0b.pdf", "a\r\nX-Evil: 1.pdf", "a\u202efdp.exe", "x" * 4096, 'a"; b="c.pdf', "<b>.pdf"]
)
def test_what_no_file_is_called_is_taken_out(name: str) -> None:
    shown = safe_name(name)
    assert shown.isprintable() and 0 < len(shown) <= 100
    assert not set(shown) & set('/\\\0\r\n"<>\u202e')
