"""Fixtures of every test: a clock that stands still, a private PKI, and no way out of loopback."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.security.authority import issue, new_pki
from gateway.security.keys import Identity, load_identity
from tests import postgres_server

# Runs on one machine keep out of each other's way: a range for each process, below the system's own ports.
os.environ["GATEWAY_MARKET_PORT"] = str(12_000 + os.getpid() * 97 % 80 * 100)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With ``-n``: a file is one process's, and so are all of tests/peers: the kits' revocation lists have one port."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            return "tests/peers" if scope.startswith("tests/peers/") else scope

    return ByFile(config, log)


SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@dataclass(slots=True)
class FakeClock:
    """A clock that moves only when a test moves it."""

    time: datetime = field(default_factory=lambda: datetime(2026, 11, 25, 12, 0, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def forward(self, **span: float) -> None:
        self.time += timedelta(**span)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """One PostgreSQL server of our own for all tests of a session."""
    if why := postgres_server.why_not():
        pytest.skip(why)
    with postgres_server.running() as server:
        yield server


@dataclass(frozen=True, slots=True)
class Pki:
    """A private network's authorities with two access points and one SMP."""

    directory: Path

    def identity(self, seat: str) -> Identity:
        return load_identity(self.directory / f"{seat}.pem", self.directory / f"{seat}.key.pem", section="test")

    def pem(self, name: str) -> Path:
        return self.directory / f"{name}.pem"


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    directory = tmp_path_factory.mktemp("pki")
    now = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
    new_pki(directory, now=now)
    for role, seat in (("ap", "POP000001"), ("ap", "POP000002"), ("smp", "PSP000001"), ("smp", "PSP000002")):
        issue(directory, role, seat, now=now)  # type: ignore[arg-type]
    return Pki(directory)


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that tries to reach anything but loopback fails at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            try:
                loopback = ipaddress.ip_address(address[0]).is_loopback
            except ValueError:
                loopback = address[0] == "localhost"
            if not loopback:
                raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
