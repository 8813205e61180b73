"""Documents just accepted, still as they were read: the first step begins at once and need not read them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.model.identifiers import DocumentId
from gateway.model.octets import size_of
from gateway.ubl.submission import Submission

_FRESH: Final = 4096
_FRESH_OCTETS: Final = 16 * 1024 * 1024
"""Most documents, and most octets of them, that wait in memory for their first step."""


@dataclass(slots=True)
class Fresh:
    """The documents accepted last, up to a number and a size; each is taken once."""

    _known: dict[DocumentId, Submission] = field(default_factory=dict)
    _octets: int = 0

    def put(self, id: DocumentId, submission: Submission) -> None:
        self._known[id] = submission
        self._octets += size_of(submission.document)
        while len(self._known) > _FRESH or self._octets > _FRESH_OCTETS:
            self.take(next(iter(self._known)))

    def take(self, id: DocumentId) -> Submission | None:
        known = self._known.pop(id, None)
        if known is not None:
            self._octets -= size_of(known.document)
        return known
