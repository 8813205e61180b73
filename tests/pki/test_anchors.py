"""Whom a network believes: its own authorities, a second set during a change, never those of the other stage."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from gateway.config.sections import Network
from gateway.pki.anchors import SML_ZONES, Problems, read_trust
from gateway.security.trust import Trust
from tests.conftest import Pki
from tests.security.revocation_parts import known

CERTS = Path(__file__).resolve().parents[2] / "certs"


def _names(certificates: object) -> list[str]:
    assert isinstance(certificates, list)
    return [c.subject.rfc4514_string().split(",")[0] for c in certificates]


def _read(network: Network) -> tuple[Trust, Problems]:
    problems: Problems = []
    return read_trust(network, problems), problems


def test_a_peppol_network_brings_its_own_authorities() -> None:
    trust, problems = _read(Network(kind="peppol-production"))
    assert not problems
    assert _names(trust.access_point) == ["CN=PEPPOL ACCESS POINT CA - G3", "CN=PEPPOL Root CA - G3"]
    assert _names(trust.smp) == ["CN=PEPPOL SERVICE METADATA PUBLISHER CA - G3", "CN=PEPPOL Root CA - G3"]
    assert len(known(trust).authorities) == 3
    test, _ = _read(Network(kind="peppol-test"))
    assert _names(test.smp)[0] == "CN=PEPPOL SERVICE METADATA PUBLISHER TEST CA - G3"
    assert all("TEST" in name for name in (*_names(test.access_point), *_names(test.smp)))
    assert SML_ZONES["peppol-test"] != SML_ZONES["peppol-production"]


def test_a_second_set_stands_beside_the_first_during_a_change(pki: Pki) -> None:
    more = (pki.pem("ap-ca"), pki.pem("root"))
    trust, problems = _read(Network(kind="peppol-production", more_ap_trust=more))
    assert not problems
    assert len(trust.access_point) == 4 and len(trust.smp) == 2
    assert len(known(trust).authorities) == 5


@pytest.mark.parametrize("name", ["root", "ap-ca", "smp-ca"])
def test_the_other_stage_is_never_believed(name: str) -> None:
    _, problems = _read(Network(kind="peppol-production", more_ap_trust=(CERTS / "test" / f"{name}.pem",)))
    assert [path for path, _ in problems] == ["network.more_ap_trust"]
    assert "of Peppol's test network, not of peppol-production" in problems[0][1]


def test_a_private_network_believes_what_its_configuration_names_alone(pki: Pki) -> None:
    network = Network(ap_trust=(pki.pem("ap-ca"), pki.pem("root")), smp_trust=(pki.pem("smp-ca"),), revocation="off")
    trust, problems = _read(network)
    assert not problems and trust.revocations is None
    assert trust.access_point == [x509.load_pem_x509_certificate(pki.pem(n).read_bytes()) for n in ("ap-ca", "root")]


def test_an_anchor_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    _, problems = _read(Network(ap_trust=(tmp_path / "none.pem",)))
    assert problems[0][0] == "network.ap_trust" and "none.pem" in problems[0][1]
