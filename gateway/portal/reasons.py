"""Why something happened, in Swedish: reasons are kept in English, as the log, the API and other operators read them.

``words/reasons/*.json`` has each sentence that the gateway says as an English template with its Swedish one; the words
of the document rules come from their own two files. A stored sentence is taken apart by its template, and its values,
which may be sentences again, are put into the other. What nobody here has written (an answer of a mail server, the text
of an official rule) stays as it is. Old rows are read alike. ``tests/portal/test_reasons.py`` finds what has none.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from gateway.routing.addresses import CAUSES

_LONGEST: Final = 2_000
"""Characters; longer texts are foreign."""
_DEEPEST: Final = 8
_JOINTS: Final = ("; ", ". ", ": ")
"""What stands between two sentences of ours, or between ours and a foreign one."""
_ONE_WORD: Final = frozenset(
    {"participant", "url", "smp", "host", "zone", "id", "document", "email", "recipient", "count", "code", "status"}
    | {"days", "size", "day"}
)
"""Values without blanks: a sentence that has some in their place is another one."""
_AS_THEY_ARE: Final = _ONE_WORD | {
    "name",
    "name2",
    "number",
    "seat",
    "sender",
    "file",
    "printer",
    "line",
    "value",
    "uri",
}
"""Values that are nobody's sentence, whatever words they hold."""
_WAYS: Final = "channel"
"""A value that is one of the ways; else the sentence is another one."""
_SLOT: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One sentence in both languages."""

    parts: tuple[str, ...]
    """What stands before, between and behind the values."""
    names: tuple[str, ...]
    swedish: str

    @property
    def letters(self) -> int:
        return sum(len(part) for part in self.parts)

    def values(self, text: str) -> dict[str, str] | None:
        """The values of a sentence that was made of this template; each as short as can be."""
        first, *between, last = self.parts if self.names else (self.parts[0], "")
        if not self.names:
            return {} if text == first else None
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        at, end, found = len(first), len(text) - len(last), []
        for part in between:
            place = text.find(part, at, end)
            if place < 0:
                return None
            found.append(text[at:place])
            at = place + len(part)
        found.append(text[at:end])
        values = dict(zip(self.names, found, strict=True))
        return None if any(" " in value for name, value in values.items() if name in _ONE_WORD) else values


def pattern(english: str, swedish: str) -> Pattern:
    """Of two templates with the same values."""
    pieces = _SLOT.split(english)
    return Pattern(parts=tuple(pieces[::2]), names=tuple(pieces[1::2]), swedish=swedish)


@cache
def read_reasons() -> Mapping[str, str]:
    """All sentences of our own: English to Swedish."""
    found: dict[str, str] = {}
    for file in resources.files("gateway.portal").joinpath("words", "reasons").iterdir():
        if file.name.endswith(".json"):
            found |= json.loads(file.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=4_096)
def in_swedish(text: str) -> str:
    """The sentence in Swedish; the sentence as it is where it is none of ours."""
    return _turned(text, 0) or text if len(text) <= _LONGEST else text


@lru_cache(maxsize=4_096)
def _turned(text: str, depth: int) -> str:
    """The text in Swedish; empty where nothing of it is ours."""
    bare = text.strip()
    if not bare or depth > _DEEPEST:
        return ""
    said = (
        _by_template(bare, depth, begun=True)
        or _joined(bare, depth, _JOINTS[:1], both=True)
        or _by_template(bare, depth, begun=False)
        or _joined(bare, depth, _JOINTS, both=False)
    )
    return text.replace(bare, said, 1) if said else ""


def _by_template(text: str, depth: int, *, begun: bool) -> str:
    """By one template: ``begun`` by those that begin with a word of ours, else by those that begin with a value."""
    whole, open_ones = _patterns()
    for other in dict.fromkeys((text, text[:1].swapcase() + text[1:])) if begun else (text,):
        known = (one for mark, one in open_ones if (one.parts[0] != "") == begun and mark in other)
        for one in (whole[other],) if begun and other in whole else known:
            values = one.values(other)
            if values is not None and values.get(_WAYS, "letter").lower() in whole:
                said = _filled(one.swedish, {name: _value(name, value, depth) for name, value in values.items()})
                return said if other == text else said[:1].swapcase() + said[1:]
    return ""


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: values[slot[1]], template)


def _value(name: str, value: str, depth: int) -> str:
    return value if name in _AS_THEY_ARE else _turned(value, depth + 1) or value


def _joined(text: str, depth: int, joints: tuple[str, ...], *, both: bool) -> str:
    """Two sentences with a joint between; ``both``: only if both are ours."""
    for joint in joints:
        before, found, after = text.partition(joint)
        if found:
            first, then = _turned(before, depth + 1), _turned(after, depth + 1)
            if (first and then) if both else (first or then):
                return f"{first or before}{joint}{then or after}"
    return ""


@cache
def _patterns() -> tuple[Mapping[str, Pattern], tuple[tuple[str, Pattern], ...]]:
    """Sentences without values by their text, and the others with the piece by which they are known."""
    pairs = {**_of_rules(), **{en: sv for sv, en in CAUSES.values()}, **read_reasons()}
    made = [pattern(english, swedish) for english, swedish in pairs.items()]
    open_ones = sorted(
        (one for one in made if one.names), key=lambda one: (one.parts[0] != "", one.letters), reverse=True
    )
    return (
        {one.parts[0]: one for one in made if not one.names},
        tuple((max(one.parts, key=len), one) for one in open_ones),
    )


def _of_rules() -> dict[str, str]:
    """The sentences of the document rules, which have a file for each language under the same keys."""
    english, swedish = (
        tomllib.loads(resources.files("gateway.ubl.rules").joinpath("words", f"{name}.toml").read_text("utf-8"))
        for name in ("en", "sv")
    )
    return dict(_pairs(english, swedish))


def _pairs(english: Mapping[str, object], swedish: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, one in english.items():
        other = swedish.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _pairs(one, other)
        elif isinstance(one, str) and isinstance(other, str):
            yield one, other
