"""A process that judges large documents until its input ends: ``python -m`` with its memory and the releases.

A frame is four octets of length (big-endian) and JSON. An order names the language, and either a file or the number of
octets that follow it; the answer is the verdict. What the process is given is hostile: it holds no keys, and its
address space is bounded.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.errors import InvalidDocument
from gateway.model.document import Finding, Severity, Verdict
from gateway.model.octets import Octets, Spooled
from gateway.ubl import invoice, large, schema
from gateway.ubl.rules.judge import Rulebook
from gateway.ubl.rules.pack import load_all

HEAD: Final = struct.Struct(">I")


def write_verdict(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON values."""
    return {
        "packs": [list(pack) for pack in verdict.packs],
        "judged": verdict.judged,
        "count": verdict.count,
        "valid": verdict.valid,
        "addresses_only": verdict.addresses_only,
        "why": verdict.why,
        "findings": [[f.rule, str(f.severity), f.location, f.message, f.value] for f in verdict.findings],
    }


def read_verdict(value: dict[str, Any]) -> Verdict:
    """The verdict that :func:`write_verdict` wrote."""
    return Verdict(
        packs=tuple((str(name), str(version)) for name, version in value["packs"]),
        judged=bool(value["judged"]),
        count=int(value["count"]),
        valid=bool(value["valid"]),
        addresses_only=bool(value["addresses_only"]),
        why=str(value["why"]),
        findings=tuple(
            Finding(rule=rule, severity=Severity(severity), location=location, message=message, value=text)
            for rule, severity, location, message, text in value["findings"]
        ),
    )


def judge(octets: Octets, book: Rulebook) -> Verdict:
    """What schema and rules say of it."""
    try:
        if isinstance(octets, Spooled):
            return large.verdict(octets, book)
        return book.verdict(octets, invoice.open_document(octets))
    except InvalidDocument as error:
        return Verdict(findings=tuple(error.findings), count=len(error.findings), valid=False)


def main(memory: int, releases: tuple[str, ...]) -> None:
    """Answer orders until there are none."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing else may write between the frames
    schema.load()
    load_all()
    _write(answers, {})
    while head := orders.read(HEAD.size):
        order = json.loads(orders.read(HEAD.unpack(head)[0]))
        octets: Octets
        if "path" in order:
            octets = Spooled(path=Path(order["path"]), sha256=order["sha256"], size=order["size"])
        else:
            octets = orders.read(order["octets"])
        try:
            answer = write_verdict(judge(octets, Rulebook(releases=releases, language=order["language"])))
        except MemoryError:
            answer = {"failed": "it needs more memory than [rules] memory_limit"}
        except Exception as error:
            answer = {"failed": type(error).__name__}
        _write(answers, answer)


def _write(answers: BinaryIO, value: dict[str, Any]) -> None:
    content = json.dumps(value).encode(errors="replace")
    answers.write(HEAD.pack(len(content)) + content)
    answers.flush()


if __name__ == "__main__":
    os.nice(5)  # whoever waits for a receipt goes first
    main(int(sys.argv[1]), tuple(sys.argv[2:]))
