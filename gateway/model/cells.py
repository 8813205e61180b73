"""Cells of the tables that we write for spreadsheets: what others wrote is text there and is never run.

A text that begins like a formula gets an apostrophe before it (OWASP, CSV injection).
"""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """The text so that no spreadsheet runs it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_meant(text: str) -> str:
    """The text of a cell that :func:`harmless` made, as it was."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
