"""Bars are as long as their values, and every text is text."""

from __future__ import annotations

import pytest

from benchmarks.picture import Panel, picture
from gateway.security import safexml

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_have_the_length_of_their_values_on_one_scale() -> None:
    panels = [Panel("in", [("a", 1.0), ("b", 4.0)]), Panel("out", [("a", 2.0), ("b", 8.0)])]
    root = safexml.parse(picture("title", "ms", panels, ["note"]).encode())
    widths = [float(bar.get("width")) for bar in root.iter(f"{SVG}rect")]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 4, 2, 8])
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "1.00 ms" in texts and "4.00 ms · 4.0 ×" in texts and "8.00 ms · 4.0 ×" in texts


def test_names_with_markup_stay_text() -> None:
    root = safexml.parse(picture("<a>", "ms", [Panel("x & y", [("<b>", 1.0)])], []).encode())
    assert {"<a>", "x & y", "<b>"} <= {text.text for text in root.iter(f"{SVG}text")}
