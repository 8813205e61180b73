"""The relation search: by which addresses could this buyer be on the network, and is it.

A document names its buyer by endpoint, party ids, legal id and VAT number; each may be an address on the
network. All are asked in the order of trust, and the first positive answer wins. Only when every candidate got
an authoritative "no" is the answer :class:`NoRelation`; if one got no answer at all, the search as a whole
has none, because that one might have been the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import LookupUnavailable
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Step, Unreachable
from gateway.ports import Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRelation:
    """The network says with authority that none of the buyer's addresses takes this document."""

    answers: tuple[Unreachable, ...]
    """One for each candidate, in the order asked; none when the document names no address at all."""

    @property
    def text(self) -> str:
        if not self.answers:
            return "the invoice names no address that could be on the network"
        return "; ".join(answer.text for answer in self.answers)

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for answer in self.answers for step in answer.steps)


async def search(
    lookup: Lookup, candidates: Sequence[ParticipantId], document_type: DocumentTypeId, process: ProcessId
) -> Reachable | NoRelation:
    """Ask for each candidate in turn. Raises :class:`LookupUnavailable` with the steps of the whole search."""
    answers: list[Unreachable] = []
    missing: list[LookupUnavailable] = []
    steps: list[Step] = []
    for candidate in candidates:
        try:
            answer = await lookup.find(candidate, document_type, process)
        except LookupUnavailable as error:
            missing.append(error)
            steps.extend(error.steps)
            continue
        if isinstance(answer, Reachable):
            return answer
        answers.append(answer)
        steps.extend(answer.steps)
    if missing:
        raise LookupUnavailable("; ".join(str(error) for error in missing), steps=steps, remedy=missing[0].remedy)
    return NoRelation(answers=tuple(answers))
