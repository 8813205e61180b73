"""Bars as SVG: figures of the same kind side by side, each with its value and its ratio to the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 720
_LEFT: Final = 170
_BARS: Final = 400
_BAR: Final = 22
_STEP: Final = 32
_NOTE_SIGNS: Final = 112
"""Of a line of the notes, which fit its width."""
_STYLE: Final = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .panel { font-weight: 600 }
  .note { font-size: 11px; fill: #656d76 }
  .ours { fill: #0969da } .other { fill: #afb8c1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #8d96a0 } .ours { fill: #4493f8 } .other { fill: #57606a }
  }"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One comparison: (name, value) of each, ours first."""

    title: str
    bars: Sequence[tuple[str, float]]


def picture(title: str, unit: str, panels: Sequence[Panel], notes: Sequence[str]) -> str:
    """An SVG document; all panels have one scale, values are above zero."""
    longest = max(value for panel in panels for _, value in panel.bars)
    parts, y = [f'<text class="title" x="16" y="30">{escape(title)}</text>'], 44
    for panel in panels:
        y += 24
        parts.append(f'<text class="panel" x="16" y="{y}">{escape(panel.title)}</text>')
        y += 12
        first = panel.bars[0][1]
        for number, (name, value) in enumerate(panel.bars):
            width = max(2.0, value / longest * _BARS)
            middle = y + _BAR / 2 + 4.5
            ratio = "" if number == 0 else f" · {value / first:.1f} ×"
            style = "other" if number else "ours"
            parts += [
                f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{style}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>',
                f'<text x="{_LEFT + width + 8:.1f}" y="{middle}">{value:.2f} {escape(unit)}{ratio}</text>',
            ]
            y += _STEP
    y += 14
    for note in (line for whole in notes for line in wrap(whole, _NOTE_SIGNS)):
        parts.append(f'<text class="note" x="16" y="{y}">{escape(note)}</text>')
        y += 16
    height = y + 4
    inside = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img">\n  <title>{escape(title)}</title>\n  <style>{_STYLE}\n  </style>\n  {inside}\n</svg>\n'
    )
