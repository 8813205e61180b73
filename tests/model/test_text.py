"""What strangers write cannot move a cursor, turn a line round or end it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.text import show_hidden, show_on_screen

_SCRIPT = """
import sys
from gateway.cli.terminal import guard_screen, paint, say
guard_screen()
print("a\x1b]0;title\x07b", paint("red", "red"), "c\u202ed\x9b")
say("e\x1b[2Jf")
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("räksmörgås 12\xa0000 kr", "räksmörgås 12\xa0000 kr"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\x1b[2Jb", "a\\u001b[2Jb"),
        ("\x9b31m", "\\u009b31m"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("a\rb", "a\\u000db"),
        ("a\u2028b\ufeff", "a\\u2028b\\ufeff"),
        ("\x7f\x00", "\\u007f\\u0000"),
        ("\U0001f9fe \u6f22", "\U0001f9fe \u6f22"),
    ],
)
def test_what_is_hidden_is_written_out(text: str, shown: str) -> None:
    assert show_hidden(text) == show_on_screen(text) == shown


def test_our_own_colours_and_progress_go_through() -> None:
    for text in ("\x1b[31;1mred\x1b[0m", "\r50 %\x1b[K", "\r\x1b[K", "\r50 %"):
        assert show_on_screen(text) == text
        assert "\x1b" not in show_hidden(text)
    assert show_on_screen("a\x1b[8mhidden") == "a\\u001b[8mhidden"
    assert show_on_screen("a\r\x1b[Kb") == "a\\u000d\\u001b[Kb"


@given(st.text())
def test_json_stays_the_same_value(text: str) -> None:
    line = json.dumps({"text": text}, ensure_ascii=False)
    assert json.loads(show_hidden(line)) == {"text": text}


def test_every_command_prints_through_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, check=True, env={"FORCE_COLOR": "1", "PYTHONUTF8": "1"}
    )
    assert ended.stdout.decode() == "a\\u001b]0;title\\u0007b \x1b[31mred\x1b[0m c\\u202ed\\u009b\n"
    assert ended.stderr.decode() == "e\\u001b[2Jf\n"
