"""Whom a network believes: the authorities that come with the gateway, and those that the configuration names. [I/O]

A Peppol network starts from its own anchors; more may stand beside them while one generation of authorities gives way
to the next. Those of the other stage never do. Source: Peppol PKI G3 (2025), policy for use of identifiers (SML zones).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.config.sections import Kind, Network
from gateway.security.keys import Identity
from gateway.security.revocation import points, responders
from gateway.security.standing import Revocations
from gateway.security.trust import Trust

SML_ZONES: Final[dict[Kind, str]] = {
    "peppol-production": "participant.sml.prod.tech.peppol.org",
    "peppol-test": "participant.sml.test.tech.peppol.org",
    "private": "",
}
_STAGES: Final[dict[Kind, str]] = {"peppol-production": "production", "peppol-test": "test"}
_PACKAGE: Final = Path(__file__).resolve().parents[1]

Problems = list[tuple[str, str]]


def read_trust(network: Network, problems: Problems) -> Trust:
    """The anchors of the network, with nothing known about revocation yet; problems are added to the list."""
    access_point, smp = (
        [c for key in keys for c in _read(getattr(network, key), f"network.{key}", problems)]
        for keys in (("ap_trust", "more_ap_trust"), ("smp_trust", "more_smp_trust"))
    )
    stage = _STAGES.get(network.kind)
    if stage:
        _refuse_other_stages(network.kind, (*access_point, *smp), problems)
        root, *issuing = (_shipped(stage, name) for name in ("root", "ap-ca", "smp-ca"))
        access_point, smp = [issuing[0], root, *access_point], [issuing[1], root, *smp]
    authorities = list(dict.fromkeys((*access_point, *smp)))
    revocations = Revocations(authorities=authorities) if network.revocation == "crl" else None
    return Trust(access_point, smp, revocations)


def names_source(identity: Identity) -> bool:
    """Whether the certificate says where its revocation can be asked."""
    return bool(points(identity.certificate) or responders(identity.certificate))


def _shipped(stage: str, name: str) -> x509.Certificate:
    packed = _PACKAGE / "certs" / stage / f"{name}.pem"
    file = packed if packed.exists() else _PACKAGE.parent / "certs" / stage / f"{name}.pem"
    return x509.load_pem_x509_certificate(file.read_bytes())


def _refuse_other_stages(kind: Kind, given: Iterable[x509.Certificate], problems: Problems) -> None:
    for stage in _STAGES.values():
        if stage == _STAGES[kind]:
            continue
        theirs = {_shipped(stage, name).fingerprint(hashes.SHA256()) for name in ("root", "ap-ca", "smp-ca")}
        for certificate in given:
            if certificate.fingerprint(hashes.SHA256()) in theirs:
                text = f"{certificate.subject.rfc4514_string()} is of Peppol's {stage} network, not of {kind}"
                problems.append(("network.more_ap_trust", text))


def _read(paths: tuple[Path, ...], key: str, problems: Problems) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found.extend(x509.load_pem_x509_certificates(path.read_bytes()))
        except (OSError, ValueError) as error:
            problems.append((key, f"{path} cannot be read as PEM certificates: {error}"))
    return found
