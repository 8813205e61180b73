"""One market for all tests with foreign access points: the kit's DNS and SMP, our gateway as a process, the peers.

Everything starts once, when the first test asks for it, on free ports; a failed test shows the logs of all of it.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Generator, Iterator

import pytest

from tests.peers.market import (
    Network,
    Ours,
    Peer,
    Recorder,
    start_gateway,
    start_phase4,
    start_recorder,
    start_support,
)
from tests.peers.peer_parts import (
    ANSWERING,
    LISTS_PORT,
    NOBODY,
    OURS,
    OXALIS,
    PEERS,
    PHASE4,
    PKI,
    PYTHON_AS4,
    REFUSING,
    Programs,
    free_port,
    tail,
)

_PORTS = (
    "dns",
    "stub",
    *(f"{seat}-{name}" for seat in ("POP000103", "POP000102", "POP000104") for name in ("as4", "api", "smp")),
    *("front", "phase4", "phase4-wire", "python-as4", "oxalis", "refusing", "answering"),
)
_PROGRAMS = pytest.StashKey[Programs]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    programs = item.config.stash.get(_PROGRAMS, None)
    if report.failed and programs:
        report.sections += [(f"end of the log of {p.name}", tail(p.said())) for p in programs.running]
    return report


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Programs:
    started = Programs(tmp_path_factory.mktemp("programs"))
    pytestconfig.stash[_PROGRAMS] = started
    return started


@pytest.fixture(scope="session")
def network(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The kit's DNS and SMP with every participant of these tests."""
    directory = tmp_path_factory.mktemp("network")
    ports: dict[str, int] = {}
    for name in _PORTS:
        while (port := free_port()) in ports.values():
            pass
        ports[name] = port
    net = Network(directory, f"127.0.0.1:{ports['dns']}", f"http://127.0.0.1:{ports['stub']}", ports)
    file = directory / "network.json"
    participants = {
        PHASE4: {"endpoint": net.url("phase4-wire"), "certificate": "POP000101"},
        PYTHON_AS4: {"endpoint": net.url("python-as4"), "certificate": "POP000102"},
        OXALIS: {"endpoint": net.url("oxalis"), "certificate": "POP000104"},
        REFUSING: {"endpoint": net.url("refusing"), "certificate": "POP000101"},
        ANSWERING: {"endpoint": net.url("answering"), "certificate": "POP000102"},
        OURS: {"smp": f"http://127.0.0.1:{ports['POP000103-smp']}"},
    }
    assert NOBODY not in participants
    file.write_text(json.dumps({"smp": net.smp, "participants": participants}))
    with start_support(programs, file, ports["dns"], ports["stub"]):
        yield net


@pytest.fixture(scope="session")
def gateway(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    """Our gateway as seat POP000103, with our participant added over the API."""
    with start_gateway(programs, network, "POP000103", tmp_path_factory.mktemp("gateway")) as ours:
        ours.add_participant(OURS)
        yield ours


@pytest.fixture(scope="session")
def front(
    programs: Programs, network: Network, gateway: Ours, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """A recording proxy in front of our gateway."""
    with start_recorder(programs, network, "front", "POP000103-as4", tmp_path_factory.mktemp("front")) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def phase4(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """phase4's receiver as seat POP000101."""
    out = tmp_path_factory.mktemp("phase4")
    with start_phase4(programs, network.ports["phase4"], out) as program:
        yield Peer(program, out)


@pytest.fixture(scope="session", name="phase4_wire")
def record_phase4(
    programs: Programs, network: Network, phase4: Peer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """The recording proxy that the SMP names as phase4's endpoint."""
    with start_recorder(programs, network, "phase4-wire", "phase4", tmp_path_factory.mktemp("wire")) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def python_as4(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """python-as4's receiver as seat POP000102."""
    out = tmp_path_factory.mktemp("python-as4")
    command = [PEERS / "python-as4" / "python-as4", "receive", "--port", network.ports["python-as4"]]
    command += ["--key", PKI / "POP000102", "--out", out]
    with programs.run("python-as4", command, ready="listening on") as program:
        yield Peer(program, out)


@pytest.fixture(scope="session")
def oxalis(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Oxalis's receiver as seat POP000104."""
    out = tmp_path_factory.mktemp("oxalis")
    command = [sys.executable, PEERS / "oxalis" / "oxalis", "receive", "--port", network.ports["oxalis"]]
    with programs.run("oxalis", [*command, "--key", PKI / "POP000104", "--out", out], ready='"ready"') as program:
        yield Peer(program, out)


@pytest.fixture(scope="session")
def revocation_lists(programs: Programs) -> Iterator[None]:
    """The revocation lists of the kit's PKI, where its certificates say that they are."""
    if _lists_are_served():
        yield
        return
    command = [sys.executable, "-m", "http.server", LISTS_PORT, "--bind", "127.0.0.1", "--directory", PKI / "crl"]
    with programs.run("revocation-lists", command, ready="Serving HTTP"):
        assert _lists_are_served()
        yield


def _lists_are_served() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{LISTS_PORT}/ap.crl", timeout=2) as answer:
            return answer.read() == (PKI / "crl" / "ap.crl").read_bytes()
    except OSError:
        return False
