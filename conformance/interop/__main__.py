"""Run the gateway and every foreign access point both ways, and write the table.

    python -m conformance.interop [--quick] [--messages 1000] [--peer NAME]... [--out DIR]

phase4 sends and gets the given number of documents, Oxalis and python-as4 a tenth of it; --quick is 20, 5 and 20. Then
come the faults. Exit code 0: everything ended as it should; 1: something was wrongly refused or accepted; 3: a peer is
not here. DIR gets interop.txt and interop.json (default: var/interop).
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import gateway
from conformance.interop.inbound import WRAPPED_SERVICES, Inbound
from conformance.interop.kit import OURS, WRAPPED, absent, java_version, version
from conformance.interop.market import (
    serve_revocation_lists,
    start_gateway,
    start_network,
    start_recorder,
)
from conformance.interop.outbound import FAULTY, Outbound, to_nobody
from conformance.interop.peers import PEERS_HERE, Peer
from conformance.interop.programs import InteropError, Programs, free_ports
from conformance.interop.table import Progress, Table

_QUICK = {"phase4": 20, "oxalis": 5, "python-as4": 20}
_SEAT = "POP000103"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="conformance.interop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few messages of each kind")
    parser.add_argument("--messages", type=int, default=1000, help="documents a direction for phase4")
    parser.add_argument("--peer", action="append", choices=[peer.name for peer in PEERS_HERE], help="only this one")
    parser.add_argument("--out", type=Path, default=Path("var") / "interop", help="where the tables go")
    arguments = parser.parse_args()
    wanted = [peer for peer in PEERS_HERE if not arguments.peer or peer.name in arguments.peer]
    tenth = max(1, arguments.messages // 10)
    counts = _QUICK if arguments.quick else {"phase4": arguments.messages, "oxalis": tenth, "python-as4": tenth}
    table = Table(about={"gateway": gateway.__version__, "java": java_version(), "machine": platform.platform()})
    here = _those_here(wanted, table)
    began = time.monotonic()
    if here:
        with tempfile.TemporaryDirectory(prefix="interop-") as directory:
            _run(here, counts, table, Path(directory))
    table.about["seconds"] = f"{time.monotonic() - began:.0f}"
    table.write(arguments.out)
    print(table.text())
    return table.exit_code


def _those_here(wanted: list[Peer], table: Table) -> list[Peer]:
    """The peers that are set up; the others go into the table with their reason."""
    here = []
    for peer in wanted:
        if reason := absent("support") or absent(peer.name) or (peer.name == "phase4" and absent("lookup")):
            table.missing[peer.name] = reason
        else:
            here.append(peer)
    return here


def _run(here: list[Peer], counts: dict[str, int], table: Table, directory: Path) -> None:
    places = {name: directory / name for name in ("logs", "gateway", "front", "files")}
    for place in places.values():
        place.mkdir()
    programs, progress = Programs(places["logs"]), Progress()
    with ExitStack() as stack:
        network = stack.enter_context(start_network(programs, directory, *_participants(here)))
        stack.enter_context(serve_revocation_lists(programs))
        ours = stack.enter_context(start_gateway(programs, network, _SEAT, places["gateway"]))
        ours.add_participant(OURS)
        ours.add_participant(WRAPPED, *WRAPPED_SERVICES)
        front = stack.enter_context(start_recorder(programs, network, "front", f"{_SEAT}-as4", places["front"]))
        for peer in here:
            inbound = Inbound(
                peer=peer,
                version=version(peer.name),
                gateway=ours,
                network=network,
                front=front,
                directory=places["files"],
                progress=progress,
            )
            outbound = Outbound(
                peer=peer,
                version=inbound.version,
                gateway=ours,
                network=network,
                programs=programs,
                directory=places["files"],
                progress=progress,
            )
            for way in (inbound, outbound):
                table.rows += way.run(counts[peer.name])
        table.rows.append(to_nobody(ours, progress))


def _participants(here: list[Peer]) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    """Ports by name, and who is on the network with which endpoint and certificate."""
    names = ["dns", "stub", "front", *(f"{_SEAT}-{name}" for name in ("as4", "api", "smp"))]
    ports = free_ports([*names, *(peer.name for peer in here), *(f"{peer.name}-fault" for peer in here)])
    smp = {"smp": f"http://127.0.0.1:{ports[f'{_SEAT}-smp']}"}
    participants = {OURS: smp, WRAPPED: smp}
    for peer in here:
        for participant, port in ((peer.participant, peer.name), (FAULTY[peer.name], f"{peer.name}-fault")):
            endpoint = f"http://127.0.0.1:{ports[port]}/as4"
            participants[participant] = {"endpoint": endpoint, "certificate": peer.seat}
    return ports, participants


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InteropError as error:
        sys.exit(f"interop: {error}")
