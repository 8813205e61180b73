"""Every sentence of the pages, in Swedish and English: ``words/LANGUAGE/*.json``, the file's name is the first part of
each key. ``{name}`` is filled in when it is shown; what is filled in is escaped by the template like any text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, Literal

Language = Literal["sv", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("sv", "en")
"""The first is what is shown when nobody asks for one."""


@cache
def read_words(language: Language) -> Mapping[str, str]:
    """All sentences of a language by key."""
    found: dict[str, str] = {}
    for file in resources.files("gateway.portal").joinpath("words", language).iterdir():
        if file.name.endswith(".json"):
            part = file.name.removesuffix(".json")
            found |= {f"{part}.{key}": text for key, text in json.loads(file.read_text(encoding="utf-8")).items()}
    return found


def say(language: Language, key: str, **values: object) -> str:
    """The sentence; raises ``KeyError`` for one that there is not."""
    text = read_words(language)[key]
    return text.format(**values) if values else text


def knows(key: str) -> bool:
    """Whether there is such a sentence: for keys that are made of data."""
    return key in read_words("sv")


def choose(accepted: str) -> Language:
    """The language of an ``Accept-Language`` header that we have; Swedish where it asks for neither."""
    wanted: list[tuple[float, Language]] = []
    for part in accepted[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language:
                wanted.append((_quality(quality), language))
    best = max((quality for quality, _ in wanted), default=0.0)
    return next((language for quality, language in wanted if quality == best and quality > 0), LANGUAGES[0])


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
