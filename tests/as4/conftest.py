"""Fixtures of the AS4 tests."""

from __future__ import annotations

import pytest
from cryptography import x509

from gateway.as4.msh import Request
from gateway.security.trust import Trust
from tests.as4.as4_parts import World
from tests.as4.doors import door

__all__ = ["door"]
from tests.conftest import Pki


@pytest.fixture(scope="session")
def world(pki: Pki) -> World:
    def load(name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(pki.pem(name).read_bytes())

    trust = Trust(access_point=[load("ap-ca"), load("root")], smp=[load("smp-ca"), load("root")])
    return World(pki.identity("POP000001"), pki.identity("POP000002"), trust)


@pytest.fixture(scope="session")
def request_of_c2(world: World) -> Request:
    """A good message from C2 to C3."""
    return world.sending().request()
