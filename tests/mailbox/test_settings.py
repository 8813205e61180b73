"""``[mailbox]``: every contradiction at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.mailbox.settings import Settings


def problems(table: dict[str, object], base: Path) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(table, "mailbox", base)
    return dict(caught.value.problems)


def test_something_has_to_bring_the_mail(tmp_path: Path) -> None:
    assert set(problems({}, tmp_path)) == {"mailbox.listen"}


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o644)
    found = problems(
        {
            "domains": ["no domain"],
            "imap": "imap.example.org:143",
            "imap_user": "x",
            "imap_password_file": "password",
            "imap_tls": "off",
            "imap_folder": 'a"b',
            "imap_every": "1 day",
            "max_mail": "1 KB",
            "max_files": 0,
            "bounce_window": "90 days",
        },
        tmp_path,
    )
    assert set(found) == {
        f"mailbox.{key}"
        for key in ("domains", "imap_tls", "imap_folder", "imap_every", "imap_password_file", "max_mail", "max_files")
    } | {"mailbox.bounce_window"}
    assert "chmod 600" in found["mailbox.imap_password_file"]


def test_the_password_is_not_shown(tmp_path: Path) -> None:
    table = {"imap": "127.0.0.1:143", "imap_user": "x", "imap_password": "hemligt", "imap_tls": "off"}
    read = Settings.read(table, "mailbox", tmp_path)
    assert read.read_password() == "hemligt" and "hemligt" not in repr(read)
