"""Keys from files: PEM and PKCS#12, locked or not, all through the same seam."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.errors import ConfigurationError
from gateway.security.keys import _OAEP as OAEP
from gateway.security.keys import Identity, PemKey, load_identity
from tests.conftest import Pki

PASSWORD = b"en hemlighet"


def pack(ours: Identity, file: Path, password: bytes | None = PASSWORD) -> Path:
    assert isinstance(ours.signer, PemKey)
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    octets = serialization.pkcs12.serialize_key_and_certificates(b"ap", ours.signer.key, ours.certificate, [], locked)
    return _private(file, octets)


def lock(ours: Identity, file: Path) -> Path:
    assert isinstance(ours.signer, PemKey)
    kind = serialization.BestAvailableEncryption(PASSWORD)
    octets = ours.signer.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind)
    return _private(file, octets)


def _private(file: Path, octets: bytes) -> Path:
    file.write_bytes(octets)
    file.chmod(0o600)
    return file


@pytest.fixture
def ours(pki: Pki) -> Identity:
    return pki.identity("POP000001")


@pytest.mark.parametrize("kind", ["one .p12", ".pfx key", "open .p12", "locked PEM"])
def test_every_kind_of_file_is_the_same_identity(kind: str, ours: Identity, pki: Pki, tmp_path: Path) -> None:
    certificate, password = pki.pem("POP000001"), PASSWORD
    if kind == "one .p12":
        certificate = key = pack(ours, tmp_path / "ap.p12")
    elif kind == ".pfx key":
        key = pack(ours, tmp_path / "AP.PFX")
    elif kind == "open .p12":
        certificate, password = pack(ours, tmp_path / "ap.p12", None), b""
        key = certificate
    else:
        key = lock(ours, tmp_path / "ap.key.pem")
    found = load_identity(certificate, key, section="as4", password=password or None)
    assert found.der == ours.der and not found.elsewhere
    assert found.signer.sign(b"octets") == ours.signer.sign(b"octets")
    wrapped = ours.certificate.public_key().encrypt(b"0123456789abcdef", OAEP)  # type: ignore[union-attr]
    assert found.decryptor.decrypt(wrapped) == b"0123456789abcdef"


@pytest.mark.parametrize(
    ("break_it", "where", "text"),
    [
        (
            lambda d: (d / "ap.p12", d / "ap.p12", None),
            "as4.certificate",
            "password belongs into key_password_file",
        ),
        (lambda d: (d / "ap.p12", d / "ap.p12", b"another"), "as4.key", "cannot be read as PKCS#12"),
        (lambda d: (d / "ap.pem", d / "locked.pem", b"another"), "as4.key", "an encrypted PEM key with its password"),
        (lambda d: (d / "ap.pem", d / "locked.pem", None), "as4.key", "an encrypted PEM key with its password"),
        (lambda d: (d / "ap.pem", d / "open.p12", PASSWORD), "as4.key", "can be read by others"),
        (lambda d: (d / "ap.pem", d / "other.p12", PASSWORD), "as4.key", "does not belong to"),
        (lambda d: (d / "ap.pem", d / "nothing.p12", PASSWORD), "as4.key", "cannot be read"),
        (lambda d: (d / "nothing.pem", d / "ap.p12", PASSWORD), "as4.certificate", "cannot be read as PEM"),
        (lambda d: (d / "ap.pem", d / "curve.pem", None), "as4.key", "not an RSA key of at least 2048 bits"),
        (lambda d: (d / "ap.pem", d / "short.pem", None), "as4.key", "not an RSA key of at least 2048 bits"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_at_its_path(
    break_it: object, where: str, text: str, ours: Identity, pki: Pki, tmp_path: Path
) -> None:
    shutil.copy(pki.pem("POP000001"), tmp_path / "ap.pem")
    pack(ours, tmp_path / "ap.p12")
    pack(ours, tmp_path / "open.p12").chmod(0o644)
    pack(pki.identity("POP000002"), tmp_path / "other.p12")
    lock(ours, tmp_path / "locked.pem")
    for name, key in (
        ("curve", ec.generate_private_key(ec.SECP256R1())),
        ("short", rsa.generate_private_key(65537, 1024)),
    ):
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        _private(tmp_path / f"{name}.pem", key.private_bytes(serialization.Encoding.PEM, *plain))
    certificate, key_file, password = break_it(tmp_path)  # type: ignore[operator]
    with pytest.raises(ConfigurationError) as raised:
        load_identity(certificate, key_file, section="as4", password=password)
    assert any(path == where and text in said for path, said in raised.value.problems), raised.value.problems
    assert PASSWORD.decode() not in str(raised.value)
