"""The words of documents, by account: what makes a search as quick among many documents as among few.

One row for each word of a document, behind the timeline by seconds (``searching.py``). It names the document without a
foreign key, so that erasing looks at the rows of that document alone (``searching.forget``).
"""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text

from gateway.store.tables import metadata

_BY_CODE = Text().with_variant(Text(collation="C"), "postgresql")
"""Words are found by their beginning, so they lie in the order of their characters' codes, whatever the language."""

document_word = Table(
    "document_word",
    metadata,
    Column("account", Text, nullable=False),
    Column("word", _BY_CODE, nullable=False),
    Column("message", Text, nullable=False),
    PrimaryKeyConstraint("account", "word", "message"),
    sqlite_with_rowid=False,
)
