#!/usr/bin/env python3
"""Where the CPU of one inbound message goes: from the octets of the request to the octets of the signed receipt.

    python -m benchmarks.profile [--messages 1000] [--size 10000]

Without HTTP and store, which ``benchmarks.gateway`` measures. Each step is timed without the steps inside it; the
clock itself costs about a microsecond a step, which is why the whole is measured once more without it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from unittest import mock

from benchmarks.codec import ENVELOPE, NOW, Now, invoice, parties
from gateway.as4 import ebms, mime, msh, soap, usual
from gateway.as4.gzipped import compress
from gateway.as4.msh import Receiving, Sending, new_message_id
from gateway.as4.shapes import Shapes
from gateway.as4.wss import references, signature
from gateway.model.message import Outgoing
from gateway.model.relation import Endpoint
from gateway.security import safexml
from gateway.security.keys import Identity
from gateway.security.trust import Believed, Trust
from gateway.ubl import sbdh

PRIVATE, PUBLIC, PARSE, C14N = "RSA private (key, receipt)", "RSA public (signature)", "XML parse", "canonical XML"
MIME, GUNZIP, BUSINESS, FACTS = "MIME", "gunzip", "business envelope", "plain business envelope"
OPEN, SECURITY, HEADER, RECEIPT = "AES and digest of the part", "WS-Security", "eb:Messaging", "receipt text"
SOAP, SHAPE, REST = "SOAP shape and ids", "envelope of a known shape", "rest"
STEPS: Final = (
    PRIVATE,
    PUBLIC,
    PARSE,
    C14N,
    MIME,
    SOAP,
    SHAPE,
    SECURITY,
    HEADER,
    OPEN,
    GUNZIP,
    BUSINESS,
    FACTS,
    RECEIPT,
    REST,
)


@dataclass
class Steps:
    """CPU nanoseconds by step; a step's own time is without that of the steps it calls."""

    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    _inner: list[int] = field(default_factory=lambda: [0])

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted under the name."""

        def call(*args: Any, **named: Any) -> Any:
            self._inner.append(0)
            started = time.thread_time_ns()
            try:
                return function(*args, **named)
            finally:
                took = time.thread_time_ns() - started
                self.spent[name] += took - self._inner.pop()
                self._inner[-1] += took

        return call


@dataclass(frozen=True)
class Timed:
    """A key whose operations are counted; anything else is the key's own."""

    key: Any
    steps: Steps
    name: str
    operation: str

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.key, name)
        return self.steps.timed(self.name, found) if name == self.operation else found


@contextmanager
def watched(steps: Steps, trust: Trust) -> Iterator[None]:
    """Every step of the receive path counted, wherever its name is used."""
    whose: tuple[tuple[str, Any, str], ...] = (
        (PARSE, safexml, "parse"),
        (PARSE, soap, "parse"),
        (SHAPE, msh.Receiving, "_recognised"),
        (C14N, signature, "canonical"),
        (C14N, references, "canonical"),
        (MIME, mime, "read_message"),
        (SOAP, soap, "read_envelope"),
        (SECURITY, msh, "read_header"),
        (SECURITY, msh, "read_encryption"),
        (SECURITY, msh, "verify"),
        (HEADER, usual, "read_user_message"),
        (HEADER, ebms, "read_user_message"),
        (HEADER, msh, "match_parts"),
        (HEADER, msh, "check_profile"),
        (OPEN, msh, "open_parts"),
        (GUNZIP, msh, "inflate"),
        (FACTS, sbdh, "usual_envelope"),
        (RECEIPT, ebms, "write_receipt"),
        (RECEIPT, msh, "sign"),
        (RECEIPT, msh, "write_envelope"),
    )
    plain = Trust.believe_token

    def believe_token(self: Trust, *args: Any) -> Believed:
        believed = plain(self, *args)
        return replace(believed, key=Timed(believed.key, steps, PUBLIC, "verify"))  # type: ignore[arg-type]

    with ExitStack() as stack:
        for name, module, function in whose:
            counted = steps.timed(name, getattr(module, function))
            stack.enter_context(mock.patch.object(module, function, counted))
        stack.enter_context(mock.patch.object(Trust, "believe_token", believe_token))
        yield


def watched_identity(identity: Identity, steps: Steps) -> Identity:
    """The same identity, its private operations counted."""
    return replace(
        identity,
        signer=Timed(identity.signer, steps, PRIVATE, "sign"),
        decryptor=Timed(identity.decryptor, steps, PRIVATE, "decrypt"),
    )


def measure(receive: Callable[[], object], messages: int) -> float:
    """CPU seconds of one message, the median of ten rounds."""
    each = max(1, messages // 10)
    rounds = []
    for _ in range(10):
        started = time.thread_time()
        for _ in range(each):
            receive()
        rounds.append((time.thread_time() - started) / each)
    return statistics.median(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--size", type=int, default=10_000, help="octets of the document")
    options = parser.parse_args()
    c2, c3, trust = parties()
    message = Outgoing(
        message_id=new_message_id(c2.common_name),
        conversation_id="c",
        timestamp=NOW,
        envelope=ENVELOPE,
        part=compress(sbdh.wrap(invoice(options.size), ENVELOPE)),
    )
    endpoint = Endpoint(url="", certificate=c3.der, seat=c3.common_name, transport_profile="")
    request = Sending(message, endpoint, identity=c2, trust=trust, clock=Now()).request()

    requests = Shapes()

    def receive(identity: Identity, unwrap: msh.Unwrap) -> bytes:
        receiving = Receiving(
            request.content_type,
            request.body,
            identity=identity,
            trust=trust,
            now=NOW,
            unwrap=unwrap,
            shapes=requests,
        )
        receiving.read()
        return receiving.receipt()

    for _ in range(50):
        receive(c3, sbdh.unwrap)
    whole = measure(lambda: receive(c3, sbdh.unwrap), options.messages)
    private = measure(lambda: c3.signer.sign(b"x"), options.messages)
    steps = Steps()
    with watched(steps, trust):
        counted = watched_identity(c3, steps)
        one = steps.timed(REST, lambda: receive(counted, steps.timed(BUSINESS, sbdh.unwrap)))
        for _ in range(options.messages):
            one()
    total = sum(steps.spent.values())
    print(f"request {len(request.body)} octets; 1 op = one RSA-2048 private operation = {private * 1e6:.0f} µs of CPU")
    print(f"one message without the clock: {whole * 1e6:.0f} µs = {whole / private:.2f} op\n")
    print(f"{'step':30}{'µs':>8}{'share':>8}")
    for name in STEPS:
        print(f"{name:30}{steps.spent[name] / options.messages / 1e3:8.1f}{steps.spent[name] / total:8.1%}")
    print(f"{'all':30}{total / options.messages / 1e3:8.1f}{1:8.1%}")


if __name__ == "__main__":
    main()
