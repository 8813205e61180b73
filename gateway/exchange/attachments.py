"""What is looked at in the files inside a document that came in, after its receipt and before C4 gets it.

A virus scanner sees each of them, where there is one; then the pages of an attached PDF are compared with what the
document says. What is odd is kept back for a person: REJECTED here, so that it is handed on only when somebody says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from gateway.exchange.antivirus import HELD, RELEASED, SCANNED, Antivirus, Suspicion
from gateway.exchange.pictures import DIFFERS, Pictures
from gateway.model.lifecycle import Event
from gateway.model.message import Message
from gateway.model.octets import Octets
from gateway.ubl import attached

_REMEDIES: Final = {
    "virus": "Ask the supplier for a clean one. If the scanner errs, correct it and requeue the document: each try is"
    " looked at anew.",
    "unscanned": "Raise antivirus.max_size and the scanner's own limit (StreamMaxLength), and requeue the document.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What came of it."""

    held: Event | None = None
    """What happens to the document instead of being handed on."""
    refused: bool = False
    """Whether its sender's access point is told that C4 does not get it."""
    words: str = ""
    """For the timeline of a document that goes on; empty where there is nothing to say."""
    detail: dict[str, object] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """Everything that looks at them; nothing where neither is there."""

    antivirus: Antivirus | None = None
    pictures: Pictures | None = None

    def wanted(self, octets: Octets) -> bool:
        """Whether there is something to look at; False at once for a document without attachments."""
        return (self.antivirus is not None or self.pictures is not None) and attached.may_have(octets)

    async def look(self, message: Message, octets: Octets) -> Looked:
        """Look at them. Raises a ``TemporaryError`` where there is no verdict now: the document waits."""
        if not self.wanted(octets):
            return Looked()
        links: dict[str, str] = {}
        if self.antivirus is not None:
            number, suspicion = await self.antivirus.of_document(octets)
            if suspicion is not None:
                return _quarantined(suspicion)
            links = {SCANNED: "clean"} if number else {}
        looked = await self._compare(message, octets)
        if looked.held is not None:
            return looked
        if message.links.get(HELD):
            links[HELD] = RELEASED
        return replace(looked, links={**links, **looked.links})

    async def _compare(self, message: Message, octets: Octets) -> Looked:
        """The attached PDF beside the document; not for what a person has let go on, nor for what we read ourselves."""
        if self.pictures is None or message.links.get(HELD) == RELEASED or message.links.get("scan"):
            return Looked()
        if (busy := self.pictures.busy(message)) is not None:
            return Looked(held=busy)
        found, held = await self.pictures.look(message, octets)
        if found is None or held is not None:
            return Looked(held=held)
        words = f"please look: {found.words()}"
        return Looked(words=words, detail=found.detail, links={DIFFERS: found.names})


def _quarantined(suspicion: Suspicion) -> Looked:
    detail: dict[str, object] = {
        "attachment": suspicion.name,
        "found": suspicion.found,
        "remedy": _REMEDIES[suspicion.kind],
    }
    event = Event(
        name="Rejected",
        reason=f"Quarantined: {suspicion.english}",
        detail=detail,
        links={HELD: suspicion.kind},
    )
    return Looked(held=event, refused=True)
