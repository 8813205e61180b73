"""How each kit is told to send and to receive, and what it says of its messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from conformance.interop.documents import instance_of
from conformance.interop.kit import OXALIS, PEERS, PHASE4, PKI, PYTHON_AS4, SUPPORT
from conformance.interop.programs import Program, Programs, once, stream


@dataclass(frozen=True, slots=True)
class Answer:
    """What a foreign sender says of one message."""

    message_id: str
    accepted: bool
    """It got a receipt and believes it."""
    why: str = ""
    """Code and text of the refusal, or what stopped it."""
    instance_id: str = ""
    """Identity of the business envelope, where the program tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a foreign sender is to send."""

    files: Sequence[Path]
    count: int
    """How often one file is sent; with several files each goes once."""
    target: Sequence[object]
    """``--url URL --to-cert PEM``, or ``--smp URL``."""
    seat: str
    sender: str
    receiver: str
    options: Sequence[object] = ()


class Peer(Protocol):
    """A foreign access point."""

    name: str
    seat: str
    participant: str
    one_file_a_message: bool
    """True when a repeated file would be the same business envelope."""

    def send(self, order: Order) -> Iterator[Answer]:
        """Send, and give each answer as it comes."""
        ...

    def receive(
        self, programs: Programs, port: int, out: Path, *options: object, key: str = ""
    ) -> AbstractContextManager[Program]:
        """Listen, as the own seat or with the key of another; what comes is kept in ``out``."""
        ...

    def refuse(self, programs: Programs, port: int, out: Path, participant: str) -> AbstractContextManager[Program]:
        """Listen and refuse what comes for that participant."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A foreign access point that receives, and where it keeps what it got."""

    program: Program
    out: Path

    def got(self) -> dict[str, bytes]:
        """The business envelopes it stored, by their instance identifier."""
        return {instance_of(octets): octets for octets in (path.read_bytes() for path in self.out.glob("*.sbd.xml"))}


class Phase4:
    """phase4 (Java), seat POP000101."""

    name = "phase4"
    seat = "POP000101"
    participant = PHASE4
    one_file_a_message = False
    _program: Final = PEERS / "phase4" / "phase4"

    def send(self, order: Order) -> Iterator[Answer]:
        for row in self.rows(order):
            good = row["result"] == "SUCCESS" and row["receipt"] == "digests-equal" and row["responseSigned"]
            errors = "; ".join(f"{e['code']} {e['detail'] or e['short']}" for e in row["errors"])
            why = errors or row.get("exception") or f"{row['result']}, receipt {row['receipt']}"
            yield Answer(row["messageId"], good, "" if good else why, row["sbdhInstanceId"])

    def rows(self, order: Order) -> Iterator[dict[str, Any]]:
        """What the program says of each message, as it says it."""
        (file,) = order.files
        command = [self._program, "send", *order.target, "--from-key", PKI / order.seat, "--file", file]
        command += ["--sender", order.sender, "--receiver", order.receiver, "--count", order.count]
        command += ["--threads", min(2, order.count), "--json", *order.options]
        return (row for row in stream(*command) if "summary" not in row)

    def receive(
        self, programs: Programs, port: int, out: Path, *options: object, key: str = ""
    ) -> AbstractContextManager[Program]:
        command = [self._program, "receive", "--port", port, "--key", PKI / (key or self.seat), "--out", out]
        return programs.run("phase4", [*command, *options], ready="ready")

    def refuse(self, programs: Programs, port: int, out: Path, participant: str) -> AbstractContextManager[Program]:
        return self.receive(programs, port, out, "--fail-with", "EBMS:0004=closed for stocktaking")


class PythonAs4:
    """The Python library as4, seat POP000102."""

    name = "python-as4"
    seat = "POP000102"
    participant = PYTHON_AS4
    one_file_a_message = False
    _program: Final = PEERS / "python-as4" / "python-as4"

    def send(self, order: Order) -> Iterator[Answer]:
        (file,) = order.files
        command = [self._program, "send", *order.target, "--from-key", PKI / order.seat, "--file", file]
        command += ["--sender", order.sender, "--recipient", order.receiver, "--count", order.count, "--json"]
        for row in stream(*command, *order.options):
            good = row["state"] == "acknowledged" and "problem" not in row
            error = row.get("error")
            why = f"{error['code']} {error['detail']}" if error else row.get("problem") or row["state"]
            yield Answer(row["message_id"], good, "" if good else why)

    def receive(
        self, programs: Programs, port: int, out: Path, *options: object, key: str = ""
    ) -> AbstractContextManager[Program]:
        command = [self._program, "receive", "--port", port, "--key", PKI / (key or self.seat), "--out", out]
        return programs.run("python-as4", [*command, *options], ready="listening on")

    def refuse(self, programs: Programs, port: int, out: Path, participant: str) -> AbstractContextManager[Program]:
        return self.receive(programs, port, out, "--not-serviced", participant)


class Oxalis:
    """Oxalis (Java), seat POP000104."""

    name = "oxalis"
    seat = "POP000104"
    participant = OXALIS
    one_file_a_message = True
    _program: Final = (sys.executable, PEERS / "oxalis" / "oxalis")

    def send(self, order: Order) -> Iterator[Answer]:
        command = [*self._program, "send", *order.target, "--from-key", PKI / order.seat]
        command += ["--sender", order.sender, "--receiver", order.receiver, "--threads", 2]
        for row in stream(*command, *order.options, "--file", *order.files):
            if row["kind"] != "sent":
                continue
            good = row["verdict"] == "receipt"
            why = f"{row.get('code', '')} {row.get('detail', '')}".strip()
            yield Answer(row.get("refToMessageId", ""), good, "" if good else why or row["verdict"])

    def receive(
        self, programs: Programs, port: int, out: Path, *options: object, key: str = ""
    ) -> AbstractContextManager[Program]:
        command = [*self._program, "receive", "--port", port, "--key", PKI / (key or self.seat), "--out", out]
        return programs.run("oxalis", [*command, *options], ready='"ready"')

    def refuse(self, programs: Programs, port: int, out: Path, participant: str) -> AbstractContextManager[Program]:
        """With a key that cannot open what comes: it has no option for refusing."""
        return self.receive(programs, port, out, key="POP000101")


PEERS_HERE: Final[tuple[Peer, ...]] = (Phase4(), Oxalis(), PythonAs4())


def send_by_lookup(dns: str, file: Path, *, receiver: str, sender: str, seat: str, document_type: str) -> Answer:
    """The published client: NAPTR, SMP with signature, receiver's certificate with revocation, document, receipt."""
    command = [SUPPORT / "lookup" / "lookup", "send", "--receiver", receiver, "--sender", sender, "--from", seat]
    done = once(*command, "--doctype", document_type, "--file", file, PEPPOL_DNS=dns)
    said = done.stdout.strip()
    good = done.returncode == 0 and re.match(r"SUCCESS: receipt signed by CN=POP000103\b", said) is not None
    return Answer("", good, "" if good else said or done.stderr.strip()[-300:])
