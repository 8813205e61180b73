"""Text of strangers in lines that people read: nothing in it may move a cursor, turn lines round or end them."""

from __future__ import annotations

import re
from typing import Final

_OURS: Final = r"\x1b\[(?:0|[12]|3[1-6])(?:;(?:[12]|3[1-6]))*m|\A\r(?:\x1b\[K)?|\x1b\[K\Z"
"""Our colours anywhere; going back to the line's begin and wiping its rest only where a piece begins and ends."""

_HIDDEN: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
)
"""Controls (without tab and line feed), what sets the direction of writing or takes no place, halves of a pair."""

_ODD: Final = re.compile(f"[{_HIDDEN}]")
_ODD_ON_SCREEN: Final = re.compile(f"({_OURS})|([{_HIDDEN}])")


def show_hidden(line: str) -> str:
    r"""Write each hidden character as ``\u001b``: what stands in a JSON string stays the same string."""
    return line if line.isprintable() else _ODD.sub(_escape, line)


def show_on_screen(text: str) -> str:
    r"""The same for a terminal, where our own colours and progress (``\r``, ``ESC[K``) go through."""
    return text if text.isprintable() else _ODD_ON_SCREEN.sub(_escape_alone, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _escape_alone(found: re.Match[str]) -> str:
    return found[1] or f"\\u{ord(found[2]):04x}"
