"""Return addresses: nobody can guess one, and only ours is believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.identifiers import DocumentId
from gateway.security.tokens import Tokens, read_key

ID = DocumentId("019ac3f2b7d47c1e9a5b0123456789ab")
TOKENS = Tokens(b"k" * 32)


def test_a_token_names_its_document_in_whatever_case_it_comes_back() -> None:
    token = TOKENS.make(ID)
    assert TOKENS.read(token) == TOKENS.read(token.upper()) == ID
    assert len(f"b+{token}") <= 64


@pytest.mark.parametrize(
    "token",
    ["", "-", str(ID), f"{ID}-", f"{ID}-aaaaaaaaaaaaaaaa", TOKENS.make(ID)[:-1], "x" + TOKENS.make(ID),
     Tokens(b"o" * 32).make(ID), TOKENS.make(ID) + "\n", "å-aaaaaaaaaaaaaaaa"],
)  # fmt: skip
def test_any_other_token_names_nothing(token: str) -> None:
    assert TOKENS.read(token) is None


@given(st.text())
def test_a_token_of_any_text_is_an_address_before_the_at(text: str) -> None:
    token = TOKENS.make(DocumentId(text))
    assert len(token) <= 62 and token.isascii() and not set(token) & set(' @<>()[],;:"\\\r\n')
    assert TOKENS.read(token) is not None


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "var/return.key"
    key = read_key(file)
    assert len(key) == 32 and key == read_key(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["return.key"]


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "return.key"
    read_key(file)
    file.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        read_key(file)
    file.chmod(0o600)
    for text in ("", "abcd", "no hex at all"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"key|hex"):
            read_key(file)
