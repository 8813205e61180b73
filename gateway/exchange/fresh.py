"""Documents just accepted, still as they were read: the first step begins at once and need not read them again.

To read one anew costs as much as sending it. So that a long queue is remembered too, what waits behind many others is
packed: that costs a tenth.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.model.identifiers import DocumentId
from gateway.model.octets import size_of
from gateway.ubl.submission import Submission

try:
    from isal import isal_zlib as _deflate
except ImportError:  # the `fast` extra is not installed
    import zlib as _deflate  # type: ignore[no-redef]

_FRESH: Final = 4096
_FRESH_OCTETS: Final = 16 * 1024 * 1024
"""Most documents, and most octets of them, that wait in memory for their first step."""
_AS_READ: Final = 8 * 1024 * 1024
"""Octets beyond which those that come are packed."""


@dataclass(slots=True)
class Fresh:
    """The documents accepted last, up to a number and a size; each is taken once."""

    _known: dict[DocumentId, tuple[Submission, int]] = field(default_factory=dict)
    """With the octets of each before it was packed; 0: it is not packed."""
    _octets: int = 0

    def put(self, id: DocumentId, submission: Submission) -> None:
        document, size = submission.document, 0
        if self._octets > _AS_READ and isinstance(document, bytes):
            submission, size = replace(submission, document=bytes(_deflate.compress(document, 1))), len(document)
        self._known[id] = submission, size
        self._octets += size_of(submission.document)
        while len(self._known) > _FRESH or self._octets > _FRESH_OCTETS:
            self.take(next(iter(self._known)))

    def take(self, id: DocumentId) -> Submission | None:
        known = self._known.pop(id, None)
        if known is None:
            return None
        submission, size = known
        self._octets -= size_of(submission.document)
        if not size:
            return submission
        assert isinstance(submission.document, bytes)
        return replace(submission, document=bytes(_deflate.decompress(submission.document, zlib.MAX_WBITS, size)))
