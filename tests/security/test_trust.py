"""Whom we believe: each check of the list, each broken once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.errors import Untrusted
from gateway.security.trust import Role, Trust
from tests.conftest import Pki

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def _certificates(pki: Pki, *names: str) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(pki.pem(name).read_bytes()) for name in names]


@pytest.fixture
def trust(pki: Pki) -> Trust:
    return Trust(_certificates(pki, "ap-ca", "root"), _certificates(pki, "smp-ca", "root"))


def test_an_access_point_and_an_smp_are_believed_in_their_roles(trust: Trust, pki: Pki) -> None:
    believed = trust.believe(pki.identity("POP000001").der, Role.ACCESS_POINT, NOW)
    assert believed.common_name == "POP000001"
    assert len(believed.chain) == 3
    assert trust.believe(pki.identity("PSP000001").der, Role.SMP, NOW).common_name == "PSP000001"


@pytest.mark.parametrize(("seat", "role"), [("POP000001", Role.SMP), ("PSP000001", Role.ACCESS_POINT)])
def test_a_certificate_is_never_believed_in_the_other_role(trust: Trust, pki: Pki, seat: str, role: Role) -> None:
    with pytest.raises(Untrusted, match="not issued by"):
        trust.believe(pki.identity(seat).der, role, NOW)


def test_a_certificate_is_not_believed_outside_its_time_even_when_it_was_before(trust: Trust, pki: Pki) -> None:
    der = pki.identity("POP000001").der
    trust.believe(der, Role.ACCESS_POINT, NOW)
    with pytest.raises(Untrusted, match="expired"):
        trust.believe(der, Role.ACCESS_POINT, NOW + timedelta(days=800))
    with pytest.raises(Untrusted, match="not valid before"):
        trust.believe(der, Role.ACCESS_POINT, NOW - timedelta(days=1))


def test_a_remembered_certificate_is_checked_again_when_it_expires(trust: Trust, pki: Pki) -> None:
    der = pki.identity("POP000001").der
    end = x509.load_der_x509_certificate(der).not_valid_after_utc
    trust.believe(der, Role.ACCESS_POINT, end - timedelta(seconds=5))
    with pytest.raises(Untrusted, match="expired"):
        trust.believe(der, Role.ACCESS_POINT, end + timedelta(seconds=5))


def test_an_authority_is_no_access_point(trust: Trust, pki: Pki) -> None:
    der = _certificates(pki, "ap-ca")[0].public_bytes(serialization.Encoding.DER)
    with pytest.raises(Untrusted, match="authority"):
        trust.believe(der, Role.ACCESS_POINT, NOW)


def test_garbage_is_no_certificate(trust: Trust, pki: Pki) -> None:
    for octets in (b"", b"\x30\x03abc", pki.identity("POP000001").der + b"\x00"):
        with pytest.raises(Untrusted, match=r"not an X\.509"):
            trust.believe(octets, Role.ACCESS_POINT, NOW)


def _leaf(
    pki: Pki,
    *,
    names: Sequence[str] = ("POP000009",),
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
    signs: bool = True,
    forged: bool = False,
    extra: x509.UnrecognizedExtension | None = None,
) -> bytes:
    authority = _certificates(pki, "ap-ca")[0]
    loaded = serialization.load_pem_private_key((pki.directory / "ap-ca.key.pem").read_bytes(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    issuer = rsa.generate_private_key(65537, 2048) if forged else loaded
    own = key or rsa.generate_private_key(65537, 2048)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]))
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(
            x509.KeyUsage(signs, False, True, True, False, False, False, False, False),
            critical=True,
        )
    )
    if extra:
        builder = builder.add_extension(extra, critical=True)
    return builder.sign(issuer, algorithm or hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_the_builder_of_these_tests_makes_a_certificate_that_is_believed(trust: Trust, pki: Pki) -> None:
    assert trust.believe(_leaf(pki), Role.ACCESS_POINT, NOW).common_name == "POP000009"


def test_one_certificate_has_one_encoding(trust: Trust, pki: Pki) -> None:
    """Where a signature ends in zero bits, their count could be changed and nothing else would tell."""
    key = rsa.generate_private_key(65537, 2048)
    der = bytearray(next(der for _ in range(500) if (der := _leaf(pki, key=key))[-1] & 0b111 == 0))
    trust.believe(bytes(der), Role.ACCESS_POINT, NOW)
    der[-257] = 3  # unused bits of the signature, a BIT STRING of 256 octets
    with pytest.raises(Untrusted, match="whole octets"):
        trust.believe(bytes(der), Role.ACCESS_POINT, NOW)


def test_a_certificate_that_only_names_our_authority_as_issuer_is_a_forgery(trust: Trust, pki: Pki) -> None:
    with pytest.raises(Untrusted, match="not issued by"):
        trust.believe(_leaf(pki, forged=True), Role.ACCESS_POINT, NOW)


def test_weak_keys_and_other_kinds_of_keys_are_refused(trust: Trust, pki: Pki) -> None:
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):
        with pytest.raises(Untrusted, match="2048 bits"):
            trust.believe(_leaf(pki, key=key), Role.ACCESS_POINT, NOW)


def test_the_identity_must_be_one_common_name(trust: Trust, pki: Pki) -> None:
    for names in ((), ("POP000001", "POP000002")):
        with pytest.raises(Untrusted, match="not exactly one common name"):
            trust.believe(_leaf(pki, names=names), Role.ACCESS_POINT, NOW)


@pytest.mark.parametrize("name", ["POP00001", "POP0000011", "pop000001", "P0P000001", "ap.example.org", "POP00000１"])
def test_the_identity_must_be_a_seat_id(trust: Trust, pki: Pki, name: str) -> None:
    with pytest.raises(Untrusted, match="is no seat id"):
        trust.believe(_leaf(pki, names=[name]), Role.ACCESS_POINT, NOW)


def test_a_key_that_may_not_sign_is_refused(trust: Trust, pki: Pki) -> None:
    with pytest.raises(Untrusted, match="key usage"):
        trust.believe(_leaf(pki, signs=False), Role.ACCESS_POINT, NOW)


def test_an_unknown_critical_extension_is_refused(trust: Trust, pki: Pki) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    with pytest.raises(Untrusted, match="critical extension"):
        trust.believe(_leaf(pki, extra=unknown), Role.ACCESS_POINT, NOW)
