"""CPU that one 10 kB invoice costs: this gateway, phase4 and python-as4 side by side in one run on one core.

    python -m benchmarks.as4 [--quick] [--messages 2000] [--rounds 3] [--warm-up 20000] [--out DIR]

Under test on core 0: ``gateway serve`` as it is run (sending alone: ``benchmarks.sender``, our client without queue and
store; outbound: ``benchmarks.node``, whose worker waits for a word),
``phase4 receive --sink`` and ``phase4 send``, python-as4's ``receive`` and ``send``. On core 1: the generator, a second
gateway that receives what all three send, DNS and SMP.

Inbound: messages made before, each with its own MessageId, the same ones for all, over kept connections; the rounds of
the three take turns. Ours answers when the message is on disk; the others check, answer and keep nothing.

Outbound: the same document until the sender has checked the receipt of the same gateway on core 1. "Sent" is the same
work for all three: told the endpoint, build, sign, encrypt, send, check the receipt, keep nothing. "Outbound" is what
our gateway does as a whole: it sends what waits in its queue (claim, look-up, envelope, part and step on disk before
the first octet leaves, receipt and evidence kept after); the others' rows there are those of "sent": they do no more.
What it costs ours to accept a document over its API before that (facts, schema, document rules, commit) is a row of its
own: the others have no such step. "Whole" is both together, and the others' rows are those of "sent" again.

A JVM needs thousands of messages until its code is compiled: phase4 gets ``--warm-up`` of them each way before its
rounds, the others a tenth. CPU is that of the process, all threads, from the kernel. The RSA-2048 private operation is
measured on core 0 beside every round. DIR (default: var/bench) gets as4.txt, as4.json and as4.svg.

Needs the kits of ../shared/peers (conformance/README.md) and two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography.hazmat.backends.openssl import backend

import gateway
from benchmarks.gateway import FACTS, SAMPLE, drain, new_messages
from benchmarks.load import NotAccepted, Round, cpu_seconds, has_receipt, measured, play, request, was_accepted
from benchmarks.picture import Panel, picture
from benchmarks.rsa import beside
from conformance.interop.kit import PEERS, PKI, absent, certificate, identity, java_version, version
from conformance.interop.market import Network, Ours, start_gateway, start_network
from conformance.interop.programs import Programs, free_ports, stream
from gateway.security.trust import Trust

_CORE: Final = ("taskset", "-c", "0")
_UNDER_TEST: Final = "POP000102"
"""Seat of all three when they receive, so that the same messages go to all of them."""
_PARTNER: Final = "POP000103"
"""Seat of the gateway on core 1 that receives what they send."""
_SENDER: Final = "POP000101"
_PHASE4: Final = PEERS / "phase4" / "phase4"
_PYTHON_AS4: Final = PEERS / "python-as4" / "python-as4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    messages: int
    rounds: int
    warm_up: int
    connections: int

    @property
    def short_warm_up(self) -> int:
        return max(50, self.warm_up // 10)


@dataclass(slots=True)
class Result:
    """Everything that was measured."""

    about: dict[str, str]
    inbound: dict[str, list[Round]] = field(default_factory=dict)
    outbound: dict[str, list[Round]] = field(default_factory=dict)
    accepted: dict[str, list[Round]] = field(default_factory=dict)
    sent: dict[str, list[Round]] = field(default_factory=dict)

    def whole(self) -> dict[str, list[Round]]:
        """What a document costs from our API to its receipt, beside what the others do of it."""
        both = zip(self.accepted.get(_ours(), ()), self.outbound.get(_ours(), ()), strict=True)
        ours = [replace(out, seconds=had.seconds + out.seconds, cpu=had.cpu + out.cpu) for had, out in both]
        return {_ours(): ours, **{name: found for name, found in self.outbound.items() if name != _ours()}}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.as4", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="300 messages a round, 1,000 to warm up: a rough idea")
    parser.add_argument("--messages", type=int, default=2000, help="messages a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=20_000, help="messages each way before phase4's rounds")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("var") / "bench")
    arguments = parser.parse_args()
    if reason := absent("support") or absent("phase4") or absent("python-as4"):
        print(reason, file=sys.stderr)
        return 3
    plan = Plan(
        messages=300 if arguments.quick else arguments.messages,
        rounds=arguments.rounds,
        warm_up=1000 if arguments.quick else arguments.warm_up,
        connections=arguments.connections,
    )
    result = Result(about=_about(plan))
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        _measure(plan, result, Path(directory))
    result.about["load average at the end"] = _load()
    _write(result, plan, arguments.out)
    return 0


def _measure(plan: Plan, result: Result, directory: Path) -> None:
    ports = free_ports(
        ["dns", "stub", "phase4", "python-as4"]
        + [f"{seat}-{name}" for seat in (_UNDER_TEST, _PARTNER, _SENDER) for name in ("as4", "api", "smp")]
    )
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    seller, buyer = FACTS.seller.endpoint.value, FACTS.buyer.endpoint.value
    participants = {buyer: {"endpoint": f"http://127.0.0.1:{ports[f'{_PARTNER}-as4']}/as4", "certificate": _PARTNER}}
    places = {name: directory / name for name in ("logs", "ours", "partner", "sender")}
    for place in places.values():
        place.mkdir()
    programs = Programs(places["logs"])
    with ExitStack() as stack:
        network = stack.enter_context(start_network(programs, directory, ports, participants))
        with start_gateway(programs, network, _UNDER_TEST, places["ours"], prefix=_CORE) as ours:
            ours.add_participant(seller)
            _inbound(plan, result, programs, network, ours)
        partner = stack.enter_context(start_gateway(programs, network, _PARTNER, places["partner"]))
        partner.add_participant(buyer)
        node = start_gateway(programs, network, _SENDER, places["sender"], prefix=_CORE, program=("benchmarks.node",))
        sender = stack.enter_context(node)
        sender.add_participant(seller)
        asyncio.run(_our_outbound(plan, result, sender))
        _sent(plan, result, partner, directory)


def _inbound(plan: Plan, result: Result, programs: Programs, network: Network, ours: Ours) -> None:
    total = plan.warm_up + plan.rounds * plan.messages
    _say(f"making {total:,} messages")
    trust = Trust([certificate("ap-ca"), certificate("root")], [certificate("smp-ca"), certificate("root")])
    messages = list(new_messages(total, identity(_SENDER), identity(_UNDER_TEST), trust))
    result.about["on the wire"] = f"{statistics.fmean(len(body) for _, body in messages):,.0f} octets a message"
    key, ports = PKI / _UNDER_TEST, network.ports
    phase4 = [*_CORE, _PHASE4, "receive", "--port", ports["phase4"], "--key", key, "--sink"]
    python_as4 = [*_CORE, _PYTHON_AS4, "receive", "--port", ports["python-as4"], "--key", key, "--out", "", "--quiet"]
    with (
        programs.run("phase4", phase4, ready="ready") as java,
        programs.run("python-as4", python_as4, ready="listening on") as python,
    ):
        under_test = {
            _ours(): (ours.program.process.pid, ours.as4, plan.short_warm_up),
            _phase4(): (java.process.pid, network.url("phase4"), plan.warm_up),
            _python_as4(): (python.process.pid, network.url("python-as4"), plan.short_warm_up),
        }
        for name, (_, url, warm_up) in under_test.items():
            _say(f"inbound, {name}: {warm_up:,} messages to warm up")
            asyncio.run(play(url, [request(url, *m) for m in messages[:warm_up]], plan.connections, has_receipt))
        for number in range(plan.rounds):
            begin = plan.warm_up + number * plan.messages
            for name, (pid, url, _) in under_test.items():
                requests = [request(url, *m) for m in messages[begin : begin + plan.messages]]
                found = asyncio.run(measured(pid, url, requests, plan.connections, has_receipt))
                _keep(result.inbound, "inbound", name, found)


async def _our_outbound(plan: Plan, result: Result, ours: Ours) -> None:
    url = f"{ours.api}/v1/documents"
    hand_in = request(url, "application/xml", SAMPLE, Authorization=f"Bearer {ours.key}")
    pid, database = ours.program.process.pid, ours.directory / "var" / "gateway.db"
    _say(f"outbound, {_ours()}: {plan.short_warm_up:,} messages to warm up")
    await play(url, [hand_in] * plan.short_warm_up, plan.connections, was_accepted)
    await drain(database, pid)
    for _ in range(plan.rounds):
        taken = await measured(pid, url, [hand_in] * plan.messages, plan.connections, was_accepted)
        _keep(result.accepted, "accepted", _ours(), taken)
        with beside(0) as operation:
            sent = await drain(database, pid)
        _keep(result.outbound, "outbound", _ours(), replace(sent, rsa=operation.microseconds))


def _sent(plan: Plan, result: Result, partner: Ours, directory: Path) -> None:
    """The sending half of all three; that of the others is all they do, so it stands under "outbound" too."""
    for found in _we_send(plan, partner):
        _keep(result.sent, "sent", _ours(), found)
    file = directory / "invoice.xml"
    file.write_bytes(SAMPLE)
    target = ["--url", partner.as4, "--from-key", PKI / _SENDER, "--to-cert", PKI / f"{_PARTNER}.pem", "--file", file]
    for name, rounds in ((_phase4(), _phase4_sends), (_python_as4(), _python_as4_sends)):
        for found in rounds(plan, target):
            _keep(result.sent, "sent", name, found)
        result.outbound[name] = result.sent[name]


def _we_send(plan: Plan, partner: Ours) -> Iterator[Round]:
    """Our client without queue and store, with as many messages at once as phase4 has threads."""
    _say(f"sent, {_ours()}: {plan.short_warm_up:,} messages to warm up")
    command: list[object] = [*_CORE, sys.executable, "-m", "benchmarks.sender", partner.as4, _SENDER, _PARTNER]
    command += ["--count", plan.messages, "--rounds", plan.rounds, "--warm-up", plan.short_warm_up]
    with beside(0) as operation:
        rows = list(stream(*command))
    for row in rows:
        yield Round(seconds=row["seconds"], cpu=row["cpu"], messages=row["messages"], rsa=operation.microseconds)


def _phase4_sends(plan: Plan, target: list[object]) -> Iterator[Round]:
    """Its own figures: wall time and CPU of its process by round, receipts verified."""
    assert FACTS.seller.endpoint and FACTS.buyer.endpoint
    _say(f"outbound, {_phase4()}: {plan.warm_up:,} messages to warm up")
    command = [*_CORE, _PHASE4, "send", *target, "--sender", FACTS.seller.endpoint.value]
    command += ["--receiver", FACTS.buyer.endpoint.value, "--doctype", str(FACTS.document_type)]
    command += ["--process", str(FACTS.process), "--threads", 2, "--quiet"]
    command += ["--warm-up", plan.warm_up, "--count", plan.messages, "--rounds", plan.rounds]
    with beside(0) as operation:
        rows = [row for row in stream(*command) if "summary" in row]
    for row in rows:
        if row["receiptsVerified"] != plan.messages:
            raise NotAccepted(f"phase4 sent: {row}")
        cpu = row["cpuMsPerMessage"] * plan.messages / 1000
        yield Round(seconds=row["seconds"], cpu=cpu, messages=plan.messages, rsa=operation.microseconds)


def _python_as4_sends(plan: Plan, target: list[object]) -> Iterator[Round]:
    """One message after the other; the CPU of its process between the lines that it prints."""
    warm_up, some_more = plan.short_warm_up, 20
    _say(f"outbound, {_python_as4()}: {warm_up:,} messages to warm up")
    count = warm_up + plan.rounds * plan.messages + some_more
    marks: list[tuple[float, float]] = []
    pids: list[int] = []
    with beside(0) as operation:
        rows = stream(*_CORE, _PYTHON_AS4, "send", *target, "--count", count, "--json", started=pids.append)
        for number, row in enumerate(rows, 1):
            if row["state"] != "acknowledged":
                raise NotAccepted(f"python-as4 sent: {row}")
            if number >= warm_up and (number - warm_up) % plan.messages == 0 and len(marks) <= plan.rounds:
                marks.append((time.perf_counter(), cpu_seconds(pids[0])))
    for (begin, cpu), (end, more) in pairwise(marks):
        yield Round(seconds=end - begin, cpu=more - cpu, messages=plan.messages, rsa=operation.microseconds)


# --- what is written --------------------------------------------------------------------------------------------------


def _write(result: Result, plan: Plan, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    ways = {
        "inbound": result.inbound,
        "sent": result.sent,
        "outbound": result.outbound,
        "accepted": result.accepted,
        "whole": result.whole(),
    }
    text = _table(result.about, ways)
    print(text)
    (out / "as4.txt").write_text(text + "\n")
    values = {
        "about": result.about,
        "plan": asdict(plan),
        "rounds": {
            way: {
                name: [asdict(r) | {"milliseconds": r.milliseconds, "operations": r.operations} for r in found]
                for name, found in names.items()
            }
            for way, names in ways.items()
        },
    }
    (out / "as4.json").write_text(json.dumps(values, indent=1) + "\n")
    panels = [
        Panel(title, [(name, _median(found, _milliseconds)) for name, found in ways[way].items()])
        for way, title in (
            ("inbound", "Receive: check, decrypt, answer with a signed receipt (ours: on disk before the receipt)"),
            ("sent", "Send: build, sign, encrypt, check the receipt, keep nothing"),
            ("outbound", "Send from the queue: ours with look-up, each step on disk; the others as above"),
        )
    ]
    about = result.about
    notes = [
        f"{about['machine']}; {about['document']}; one core each, the same core in one run; median of {plan.rounds} "
        f"rounds of {plan.messages:,}",
        f"{about['java']}; phase4 after {plan.warm_up:,} messages each way; RSA-2048; less is better, × of ours",
    ]
    svg = picture("CPU milliseconds for one AS4 message", "ms", panels, notes)
    (out / "as4.svg").write_text(svg)


def _table(about: dict[str, str], ways: dict[str, dict[str, list[Round]]]) -> str:
    lines = [f"{name}: {value}" for name, value in about.items()]
    head = f"{'':32}{'messages/s':>12}{'CPU ms':>22}{'RSA op us':>11}{'in ops':>8}{'messages/op':>13}{'ratio':>8}"
    lines += ["", head]
    for way, names in ways.items():
        first = _median(next(iter(names.values())), _milliseconds)
        for name, found in names.items():
            cost, operations = _median(found, _milliseconds), _median(found, lambda r: r.operations)
            spread = f"{cost:.2f} ({min(map(_milliseconds, found)):.2f}–{max(map(_milliseconds, found)):.2f})"
            lines.append(
                f"{way:10}{name:22}{_median(found, lambda r: r.rate):12.0f}{spread:>22}"
                f"{_median(found, lambda r: r.rsa):11.0f}{operations:8.2f}{1 / operations:13.3f}{cost / first:8.2f}"
            )
    return "\n".join(lines)


def _about(plan: Plan) -> dict[str, str]:
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "machine": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.platform()}, Python {platform.python_version()}, {backend.openssl_version_text()}",
        "java": java_version(),
        "document": f"invoice of {len(SAMPLE):,} octets",
        "rounds": f"{plan.rounds} of {plan.messages:,} messages, median (least–most)",
        "warm-up": f"{_phase4()} {plan.warm_up:,} messages each way, the others {plan.short_warm_up:,}",
        "inbound": f"{plan.connections} kept connections; ours commits to disk before it answers, "
        "the others check, answer and keep nothing",
        "sent": "told the endpoint, keep nothing; ours 2 at once, phase4 2 threads, python-as4 one after the other",
        "outbound": "ours from its queue with look-up and commits; the others as under sent",
        "whole": "ours accepted and outbound together; the others as under sent",
        "accepted": f"documents over our API with schema, document rules and commit, {plan.connections} connections",
        "load average at the start": _load(),
    }


def _keep(kept: dict[str, list[Round]], way: str, name: str, found: Round) -> None:
    kept.setdefault(name, []).append(found)
    _say(f"{way}, {name}: {found.milliseconds:.2f} ms CPU, {found.rate:.0f}/s, RSA {found.rsa:.0f} us")


def _median(found: list[Round], of: Callable[[Round], float]) -> float:
    return statistics.median(map(of, found))


def _milliseconds(found: Round) -> float:
    return found.milliseconds


def _ours() -> str:
    return f"gateway {gateway.__version__}"


def _phase4() -> str:
    return f"phase4 {version('phase4')}"


def _python_as4() -> str:
    return f"python-as4 {version('python-as4')}"


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
