"""Look-ups both ways: ours in a foreign network with every fault, published clients in ours; and write the table.

    python -m conformance.interop.lookups [--participants 60] [--out DIR]

`gateway lookup --csv` reads the kit's DNS and SMP; the published Peppol client and Oxalis' look-up search our running
gateway's SMP for so many participants of different schemes, and the former sends to it. Exit code 0: everything ended
as it should; 1: it did not; 3: a peer is not here. DIR gets lookups.txt and lookups.json (default: var/interop).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from conformance.interop.documents import document
from conformance.interop.foreign import SECOND_SIGNER, Case, cases, loop, second_network
from conformance.interop.kit import HOME, OURS, PHASE4, PYTHON, SUPPORT, absent, version
from conformance.interop.market import Network, Ours, start_gateway, start_network
from conformance.interop.peers import send_by_lookup
from conformance.interop.programs import InteropError, Programs, free_ports, once
from gateway.model.services import BILLING_CREDIT_NOTE, BILLING_INVOICE, BILLING_PROCESS

_SEAT: Final = "POP000103"
_IDS: Final = ("0007:{:010}", "0088:{:013}", "0192:{:09}", "0208:{:010}", "9930:de{:09}")
"""Numbers of companies of five schemes."""
OXALIS: Final = Path(__file__).parent / "OxalisLookup.java"
"""Asks Oxalis' published look-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one client was asked for, and how often it was right."""

    client: str
    network: str
    what: str
    asked: int
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """The foreign DNS and SMPs with their faults, and our gateway in the same zone."""

    network: Network
    gateway: Ours
    cases: tuple[Case, ...]
    own: tuple[str, ...]
    """Participants of ours."""


@contextmanager
def open_world(directory: Path, participants: int) -> Iterator[World]:
    """Everything runs inside the block, on free ports."""
    names = ["dns", "stub", "second", "nowhere", *(f"{_SEAT}-{name}" for name in ("as4", "api", "smp"))]
    ports = free_ports(names)
    second, nowhere = (f"http://127.0.0.1:{ports[name]}" for name in ("second", "nowhere"))
    played = (*cases(second, nowhere), loop(f"http://127.0.0.1:{ports['stub']}"))
    own = (OURS, *(_IDS[n % len(_IDS)].format(900_000_000 + n) for n in range(participants - 1)))
    entries: dict[str, Any] = {case.participant: case.entry for case in played if case.entry is not None}
    entries |= {participant: {"smp": f"http://127.0.0.1:{ports[f'{_SEAT}-smp']}"} for participant in own}
    programs = Programs(directory / "logs")
    for place in ("logs", "gateway"):
        (directory / place).mkdir()
    file = directory / "second.json"
    file.write_text(json.dumps(second_network(second)))
    stub = [
        PYTHON,
        SUPPORT / "smp_stub.py",
        file,
        "--port",
        ports["second"],
        "--crl-port",
        0,
        "--signer",
        SECOND_SIGNER,
    ]
    with ExitStack() as stack:
        stack.enter_context(programs.run("second", stub, ready=" ready on "))
        network = stack.enter_context(start_network(programs, directory, ports, entries))
        gateway = stack.enter_context(start_gateway(programs, network, _SEAT, directory / "gateway"))
        for participant in own:
            gateway.add_participant(participant)
        yield World(network, gateway, played, own)


def ours_in_theirs(world: World) -> list[Row]:
    """``gateway lookup --csv`` as a person runs it: the verdict of every case, and of our own participants."""
    given, got = world.network.directory / "asked.csv", world.network.directory / "answered.csv"
    asked = [*(case.participant for case in world.cases), *world.own]
    given.write_text("participant\n" + "".join(f"{participant}\n" for participant in asked))
    config = world.gateway.directory / "config.toml"
    began = time.monotonic()
    done = once(sys.executable, "-m", "gateway", "lookup", "--csv", given, "--output", got, "--config", config)
    seconds = time.monotonic() - began
    if not got.exists():
        raise InteropError(f"gateway lookup --csv: exit {done.returncode}\n{done.stderr[-500:]}")
    with got.open(newline="") as file:
        rows = {row["participant"]: row for row in csv.DictReader(file)}
    wrong: dict[str, list[str]] = {}
    for case in world.cases:
        row = rows[case.participant]
        detail = row["access_point"] if case.verdict == "positive" else row["code"]
        if (row["verdict"], detail) != (case.verdict, case.detail):
            wrong.setdefault(case.verdict, []).append(f"{case.what}: {row['verdict']}, {detail or row['reason']}")
    found = [
        Row(
            client="gateway lookup",
            network="foreign DNS and SMP",
            what=f"must be {verdict}",
            asked=sum(case.verdict == verdict for case in world.cases),
            wrong=tuple(wrong.get(verdict, ())),
            seconds=seconds,
        )
        for verdict in ("positive", "negative", "indeterminate")
    ]
    missed = tuple(f"{p}: {rows[p]['reason']}" for p in world.own if rows[p]["access_point"] != _SEAT)
    own = Row(client="gateway lookup", network="foreign DNS, our SMP", what="found", asked=len(world.own), wrong=missed)
    return [*found, own]


def theirs_in_ours(world: World) -> list[Row]:
    """The published clients, which find every participant of ours, and do not find who is nowhere."""
    host_and_port = world.network.dns
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    libraries = f"{HOME / 'oxalis' / 'lib'}/*"
    oxalis = [java, f"-Ddns.server={host_and_port}", "-cp", libraries, OXALIS]
    oxalis += [BILLING_INVOICE.value, BILLING_PROCESS.value]
    peppol: list[object] = [SUPPORT / "lookup" / "lookup", "find"]
    return [
        *_found_by(world, "peppol-smp-client", peppol, host_and_port),
        *_found_by(world, "Oxalis' look-up", oxalis, host_and_port),
    ]


def _found_by(world: World, client: str, command: Sequence[object], dns: str) -> list[Row]:
    nobody = [f"0088:nobody-{n}" for n in range(5)]
    began = time.monotonic()
    done = once(*command, *world.own, *nobody, PEPPOL_DNS=dns)
    seconds = time.monotonic() - began
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    place = f"{world.gateway.as4} "
    missed = [p for p in world.own if not said.get(p, "").startswith(place) or f"CN={_SEAT}" not in said[p]]
    made_up = [p for p in nobody if "Exception" not in said.get(p, "")]
    return [
        Row(
            client=client,
            network="our SMP",
            what=what,
            asked=len(asked),
            wrong=tuple(f"{p}: {said.get(p) or done.stderr[-200:] or 'nothing'}" for p in wrong),
            seconds=seconds,
        )
        for what, asked, wrong in (("found", world.own, missed), ("not registered", nobody, made_up))
    ]


def sent_to_us(world: World, each: int) -> Row:
    """The published client goes the whole way by itself: NAPTR, our SMP, our certificate, our receipt."""
    wrong, began = [], time.monotonic()
    kinds = (("invoice", BILLING_INVOICE), ("credit note", BILLING_CREDIT_NOTE))
    numbers = [(f"LOOKUP-{kind[0]}-{n}", kind, type_) for kind, type_ in kinds for n in range(each)]
    for number, kind, document_type in numbers:
        file = world.network.directory / "document.xml"
        file.write_bytes(document(kind, number=number, sender=PHASE4, receiver=OURS))
        said = send_by_lookup(
            world.network.dns, file, receiver=OURS, sender=PHASE4, seat="POP000101", document_type=str(document_type)
        )
        if not said.accepted:
            wrong.append(f"{number}: {said.why}")
    here = [row["number"] for row in world.gateway.arrivals()]
    wrong += [f"{number}: here {here.count(number)} times" for number, *_ in numbers if here.count(number) != 1]
    return Row(
        client="phase4's client",
        network="our SMP and access point",
        what="found, sent, receipt believed",
        asked=len(numbers),
        wrong=tuple(wrong),
        seconds=time.monotonic() - began,
    )


def show(rows: Sequence[Row]) -> str:
    """The table for people."""
    lines = [f"{'client':<18} {'network':<25} {'what':<30} {'asked':>5} {'right':>5} {'wrong':>5} {'seconds':>7}"]
    for row in rows:
        right, seconds = row.asked - len(row.wrong), f"{row.seconds:.1f}" if row.seconds else ""
        lines.append(
            f"{row.client:<18} {row.network:<25} {row.what:<30} {row.asked:5} {right:5} {len(row.wrong):5} {seconds:>7}"
        )
    return "\n".join([*lines, *(f"WRONG: {row.client}: {text}" for row in rows for text in row.wrong)]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="conformance.interop.lookups", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--participants", type=int, default=60, help="of ours, that others look for")
    parser.add_argument("--out", type=Path, default=Path("var") / "interop", help="where the tables go")
    arguments = parser.parse_args()
    if reason := absent("support"):
        print(f"not here: {reason}", file=sys.stderr)
        return 3
    missing = [reason for kit in ("lookup", "oxalis") if (reason := absent(kit))]
    with (
        tempfile.TemporaryDirectory(prefix="lookups-") as name,
        open_world(Path(name), arguments.participants) as world,
    ):
        rows = ours_in_theirs(world)
        if not missing:
            rows += [*theirs_in_ours(world), sent_to_us(world, 2)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    versions = f"phase4 {version('lookup')}, Oxalis {version('oxalis')}\n" if not missing else ""
    text = versions + show(rows) + "".join(f"not here: {reason}\n" for reason in missing)
    (arguments.out / "lookups.txt").write_text(text)
    (arguments.out / "lookups.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(text, end="")
    return 1 if any(row.wrong for row in rows) else 3 if missing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InteropError as error:
        sys.exit(f"lookups: {error}")
