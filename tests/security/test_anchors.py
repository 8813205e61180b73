"""The anchors shipped in certs/ are what their first lines say, and they form one chain for each role."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

CERTS = Path(__file__).resolve().parents[2] / "certs"


def _read(stage: str, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((CERTS / stage / f"{name}.pem").read_bytes())


@pytest.mark.parametrize("stage", ["production", "test"])
@pytest.mark.parametrize("name", ["root", "ap-ca", "smp-ca"])
def test_an_anchor_has_the_fingerprint_that_its_file_names(stage: str, name: str) -> None:
    text = (CERTS / stage / f"{name}.pem").read_text()
    named = re.search(r"SHA-256: ([0-9a-f]{64})", text)
    assert named and _read(stage, name).fingerprint(hashes.SHA256()).hex() == named[1]


@pytest.mark.parametrize("stage", ["production", "test"])
def test_both_authorities_are_issued_by_the_root_of_their_stage(stage: str) -> None:
    root = _read(stage, "root")
    for name in ("ap-ca", "smp-ca"):
        _read(stage, name).verify_directly_issued_by(root)
    assert ("TEST" in root.subject.rfc4514_string()) is (stage == "test")
