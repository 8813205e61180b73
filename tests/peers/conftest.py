"""One market for all tests with foreign access points: the kit's DNS and SMP, our gateway as a process, the peers.

Everything starts once, when the first test asks for it, on free ports; a failed test shows the logs of all of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from conformance.interop.kit import ANSWERING, NOBODY, OURS, OXALIS, PHASE4, PYTHON_AS4, REFUSING
from conformance.interop.market import (
    Network,
    Ours,
    Recorder,
    serve_revocation_lists,
    start_gateway,
    start_network,
    start_recorder,
)
from conformance.interop.peers import Oxalis, Peer, Phase4, PythonAs4, Received
from conformance.interop.programs import Programs, free_ports, tail

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
    ports = free_ports(_PORTS)

    def at(name: str, seat: str) -> dict[str, str]:
        return {"endpoint": f"http://127.0.0.1:{ports[name]}/as4", "certificate": seat}

    participants = {
        PHASE4: at("phase4-wire", "POP000101"),
        PYTHON_AS4: at("python-as4", "POP000102"),
        OXALIS: at("oxalis", "POP000104"),
        REFUSING: at("refusing", "POP000101"),
        ANSWERING: at("answering", "POP000102"),
        OURS: {"smp": f"http://127.0.0.1:{ports['POP000103-smp']}"},
    }
    assert NOBODY not in participants
    with start_network(programs, tmp_path_factory.mktemp("network"), ports, participants) as net:
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
def phase4(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    """phase4's receiver as seat POP000101."""
    yield from _receiving(Phase4(), programs, network, tmp_path_factory)


@pytest.fixture(scope="session", name="phase4_wire")
def record_phase4(
    programs: Programs, network: Network, phase4: Received, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """The recording proxy that the SMP names as phase4's endpoint."""
    with start_recorder(programs, network, "phase4-wire", "phase4", tmp_path_factory.mktemp("wire")) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def python_as4(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    """python-as4's receiver as seat POP000102."""
    yield from _receiving(PythonAs4(), programs, network, tmp_path_factory)


@pytest.fixture(scope="session")
def oxalis(programs: Programs, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    """Oxalis's receiver as seat POP000104."""
    yield from _receiving(Oxalis(), programs, network, tmp_path_factory)


@pytest.fixture(scope="session")
def revocation_lists(programs: Programs) -> Iterator[None]:
    """The revocation lists of the kit's PKI, where its certificates say that they are."""
    with serve_revocation_lists(programs):
        yield


def _receiving(peer: Peer, programs: Programs, network: Network, places: pytest.TempPathFactory) -> Iterator[Received]:
    out = places.mktemp(peer.name)
    with peer.receive(programs, network.ports[peer.name], out) as program:
        yield Received(program, out)
