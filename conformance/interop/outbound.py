"""What we send to foreign access points: each document by our own look-up in DNS and SMP, and peers that fail.

A document counts as accepted when we hold the peer's receipt for it and the peer stored the same content under the
same identity. No fault of a peer may become a letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.interop.documents import canonical, document
from conformance.interop.kit import NOBODY, OURS
from conformance.interop.market import Network, Ours
from conformance.interop.peers import Peer, Received
from conformance.interop.programs import Programs
from conformance.interop.table import FROM_US, Progress, Row, in_short, shares

FAULTY: Final = {"phase4": "0088:7300010000111", "python-as4": "0088:7300010000112", "oxalis": "0088:7300010000114"}
"""Participants whose access point is each peer on another port, where it refuses or is down."""
_OTHER_SEAT: Final = {"POP000101": "POP000104", "POP000102": "POP000101", "POP000104": "POP000102"}
_KINDS: Final = (
    ("invoice, found by NAPTR and SMP", "invoice", 0, 60),
    ("credit note, found by NAPTR and SMP", "credit note", 0, 39),
    ("invoice with an annex of 2.5 MB, found by NAPTR and SMP", "invoice", 2_500_000, 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """The cases of one peer as our receiver."""

    peer: Peer
    version: str
    gateway: Ours
    network: Network
    programs: Programs
    directory: Path
    progress: Progress

    def run(self, messages: int) -> Iterator[Row]:
        """All cases, honest ones first; each row when it is counted."""
        out = self.directory / f"{self.peer.name}-inbox"
        out.mkdir()
        counts = shares([kind[-1] for kind in _KINDS], messages)
        with self.peer.receive(self.programs, self.network.ports[self.peer.name], out) as program:
            for (name, kind, annex, _), count in zip(_KINDS, counts, strict=True):
                yield self._honest(name, kind, annex, count, Received(program, out))
        yield self._refused()
        yield self._wrong_seat()
        yield self._down_and_back()

    def _honest(self, name: str, kind: str, annex: int, count: int, receiver: Received) -> Row:
        documents = {
            number: document(kind, number=number, sender=OURS, receiver=self.peer.participant, annex=annex)
            for number in (f"TO-{self.peer.name}-{kind[0]}{annex}-{n}" for n in range(count))
        }
        sent = []
        with ThreadPoolExecutor(4) as pool:
            for row in pool.map(self.gateway.send, documents.values()):
                sent.append(row)
                self.progress.show(f"{self.peer.name} {FROM_US}, {name}", len(sent), count)
        got = receiver.got()
        wrong = [text for row in sent for text in self._judge(row, documents[row["number"]], got)]
        if len({row["instance_id"] for row in sent}) != count:
            wrong.append("two documents had one identity")
        return self._row(name, sent, wrong)

    def _judge(self, row: dict[str, Any], octets: bytes, got: dict[str, bytes]) -> list[str]:
        what = row["message_id"] or row["id"]
        if (row["state"], row["channel"], row["peer"]) != ("SENT", "peppol", self.peer.seat):
            return [f"{what} is {row['state']}: {row['reason']}"]
        wrong = [] if row["attempts"] == 1 else [f"{what} took {row['attempts']} attempts"]
        stored = got.get(row["instance_id"])
        if stored is None:
            wrong.append(f"{what} has a receipt, and the peer has not stored it")
        elif canonical(stored) != canonical(octets):
            wrong.append(f"{what} has other content at the peer")
        receipt = self.gateway.receipt(row["id"])
        refers = re.search(rb"RefToMessageId>\s*" + re.escape(row["message_id"].encode()), receipt)
        if not refers or b"NonRepudiationInformation" not in receipt:
            wrong.append(f"{what} has no receipt in its evidence")
        return wrong

    def _refused(self) -> Row:
        out = self._place("refusing")
        with self.peer.refuse(self.programs, self._fault_port, out, FAULTY[self.peer.name]):
            row = self.gateway.send(self._document("REFUSED"))
        wrong = [] if row["state"] == "REJECTED" and "EBMS:" in row["reason"] else [f"{row['state']}: {row['reason']}"]
        return self._row("the peer refuses", [row], wrong + self._letters(row), expected="refused")

    def _wrong_seat(self) -> Row:
        """Whoever answers there has not the key that the SMP announced: nothing it says is a receipt."""
        out = self._place("other-seat")
        key = _OTHER_SEAT[self.peer.seat]
        with self.peer.receive(self.programs, self._fault_port, out, key=key):
            row = self.gateway.send(self._document("OTHER-SEAT"), wait=5)
        wrong = [f"{row['state']}: {row['reason']}"] if row["status"] == "delivered" else []
        return self._row("another seat answers", [row], wrong + self._letters(row), expected="refused")

    def _down_and_back(self) -> Row:
        row = self.gateway.send(self._document("WAITS"), wait=1)
        row = self.gateway.until(row["id"], lambda d: self._was_postponed(d["id"]))
        wrong = [] if row["state"] == "ACCEPTED" and row["next_attempt"] else [f"{row['state']}: {row['reason']}"]
        wrong += self._letters(row)
        out = self._place("back")
        with self.peer.receive(self.programs, self._fault_port, out) as program:
            sent = self.gateway.until(row["id"], lambda d: d["state"] != "ACCEPTED", 60)
            got = Received(program, out).got()
        if sent["state"] != "SENT" or sent["message_id"] != row["message_id"] or [*got] != [sent["instance_id"]]:
            wrong.append(f"{sent['state']}: {sent['reason']}; the peer stored {[*got]}")
        return self._row("the peer is down, then back", [sent], wrong + self._letters(sent))

    def _was_postponed(self, id: str) -> bool:
        return any(row["event"] == "Postponed" and row["next_attempt"] for row in self.gateway.timeline(id))

    def _letters(self, row: dict[str, Any]) -> list[str]:
        return ["a letter was made of it"] if self.gateway.letters(row["id"]) else []

    @property
    def _fault_port(self) -> int:
        return self.network.ports[f"{self.peer.name}-fault"]

    def _place(self, name: str) -> Path:
        place = self.directory / f"{self.peer.name}-{name}"
        place.mkdir()
        return place

    def _document(self, number: str) -> bytes:
        name = f"{number}-{self.peer.name}"
        return document("invoice", number=name, sender=OURS, receiver=FAULTY[self.peer.name])

    def _row(
        self, name: str, sent: Sequence[dict[str, Any]], wrong: Sequence[str], *, expected: str = "accepted"
    ) -> Row:
        return count(self.peer.name, self.version, name, sent, wrong, self.progress, refused=expected == "refused")


def to_nobody(gateway: Ours, progress: Progress) -> Row:
    """A receiver that the network does not know: the network's own clear no, and then a letter."""
    row = gateway.send(document("invoice", number="TO-NOBODY", sender=OURS, receiver=NOBODY))
    wrong = [] if (row["state"], row["channel"]) == ("DISPATCHED", "print") else [f"{row['state']}: {row['reason']}"]
    if gateway.letters(row["id"]) != 1:
        wrong.append(f"{gateway.letters(row['id'])} letters were made of it")
    return count("nobody", "-", "receiver not on the network: one letter", [row], wrong, progress, refused=True)


def count(
    peer: str,
    version: str,
    name: str,
    sent: Sequence[dict[str, Any]],
    wrong: Sequence[str],
    progress: Progress,
    *,
    refused: bool,
) -> Row:
    """The row of documents that were handed in; accepted are those for which we hold a receipt."""
    accepted: Callable[[dict[str, Any]], bool] = lambda row: row["state"] == "SENT"  # noqa: E731
    row = Row(
        peer=peer,
        version=version,
        direction=FROM_US,
        case=name,
        expected="refused" if refused else "accepted",
        sent=len(sent),
        accepted=sum(map(accepted, sent)),
        refused=sum(not accepted(row) for row in sent),
        wrong=tuple(wrong),
        why=in_short(row["reason"] for row in sent if not accepted(row)),
    )
    progress.done(row)
    return row
