"""Documents that are being worked on, as their rows are, so that the writer of SQLite need not read them at each step.

What is known here is exact, or is not here:

* It is noted by the statements that claim and change documents, in the transaction that changes the row.
* Whatever else changes a document's row through the same connection makes all of it forgotten, by construction: the
  session sees each statement, and whoever takes its connection may do anything (:mod:`~gateway.store.session`).
* A commit of any other connection, of this process or another, changes SQLite's ``data_version``, which is asked
  when a transaction has begun and nobody else can write. Source: sqlite.org/pragma.html, data_version.
* A transaction that is undone, and a connection that is thrown away, take it along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model.identifiers import DocumentId

if TYPE_CHECKING:
    from gateway.store.steps import Current

_MOST: Final = 4096
"""Documents; more are in hand only where leases are lost by the thousand."""


class InHand:
    """The documents that one connection has claimed and changed last."""

    __slots__ = ("_known", "_version")

    def __init__(self) -> None:
        self._known: dict[DocumentId, Current] = {}
        self._version = -1

    def begin(self, version: int) -> None:
        """A transaction has begun, and the database has this ``data_version``."""
        if version != self._version:
            self._known.clear()
            self._version = version

    def get(self, id: DocumentId) -> Current | None:
        """The document as its row is now, or None where that is not known."""
        return self._known.get(id)

    def note(self, current: Current) -> None:
        """The row is so from now on; it is remembered while somebody has a lease on it."""
        if current.lease_until is None:
            self._known.pop(current.message.id, None)
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[current.message.id] = current

    def forget(self) -> None:
        """Rows may have been changed unseen."""
        self._known.clear()
