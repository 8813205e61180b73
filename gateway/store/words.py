"""Words by which documents and counterparts are found: of what is stored, and of what somebody asks for."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import bindparam, delete

from gateway.model.message import Direction, Message
from gateway.store.search_tables import document_word
from gateway.store.session import Row, Statement

WORD_MOST: Final = 40
_WORDS_MOST: Final = 24
"""Words of one document."""
ID: Final = "#"
"""Before the beginning of an id, which no part of a text has."""
CUT: Final = "*"
"""The word of a document that has more words than are entered: each search looks at it."""
WHOLE: Final = ("number", "sender", "receiver", "seller_name", "buyer_name")
IDS: Final = ("id", "message_id", "instance_id")
"""Long and never said in part: their beginning finds them."""
_PARTS: Final = re.compile(r"[^\W_]+")
_HYPHENED: Final = re.compile(r"(?:[0-9]{2})?[0-9]{6}-[0-9]{4}")
_KEY: Final = ("account", "word", "message")
UNSAID: Final = Statement(
    delete(document_word).where(*(document_word.c[name] == bindparam(f"of_{name}") for name in _KEY)),
    tuple(f"of_{name}" for name in _KEY),
)
"""Takes words off a document: rows of :func:`words_gone`."""


def parts(text: str) -> list[str]:
    """The words of a text as the index has them."""
    return [word[:WORD_MOST] for word in _PARTS.findall(text.casefold())]


def words_of(row: Any) -> list[str]:
    """Under which words a document is found."""
    found = [f"{ID}{beginning[0]}" for name in IDS if (beginning := parts(getattr(row, name)))]
    out = row.direction == Direction.OUT.value
    found += [
        exactly(text) for text in ((row.receiver, row.buyer_name) if out else (row.sender, row.seller_name)) if text
    ]
    found += [word for name in WHOLE for word in parts(getattr(row, name))]
    unique = list(dict.fromkeys(found))
    return unique if len(unique) <= _WORDS_MOST else [*unique[: _WORDS_MOST - 1], CUT]


def words_gone(was: Message, now: Message) -> list[Row]:
    """Words of an earlier receiver, which would outlive the document: erasing asks its row which they are."""
    return [(now.account, word, now.id) for word in sorted(set(words_of(was)) - set(words_of(now)))]


def exactly(text: str) -> str:
    """A whole name or participant as one word that no part of a text can be."""
    return f"={text.casefold()[:100]}"


def forms(word: str) -> tuple[str, ...]:
    """A Swedish company or personal number (ten digits, twelve with the century) may be written with its hyphen."""
    return (word, word.replace("-", "")) if _HYPHENED.fullmatch(word) else (word,)
