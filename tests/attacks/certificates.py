"""Certificates that must not be believed, each wrong in one way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.security.keys import Identity, PemKey, identity_of
from tests.as4.as4_parts import NOW
from tests.attacks.parts import Kit

Builder = x509.CertificateBuilder


@functools.cache
def _key(bits: int = 2048, which: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _name(common: str = "POP000001", *more: x509.NameAttribute) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"), x509.NameAttribute(NameOID.COMMON_NAME, common), *more]
    )


def _builder(issuer: x509.Name, public: Any = None, subject: x509.Name | None = None) -> Builder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject if subject is not None else _name())
        .issuer_name(issuer)
        .public_key(public or _key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=300))
    )


def usage(**allowed: bool) -> x509.KeyUsage:
    """A key usage with these bits and no others."""
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def forged_certificates(kit: Kit) -> Iterator[tuple[str, Identity]]:
    """Name of the fault, and an identity that signs with it."""

    def authority(name: str) -> tuple[x509.Certificate, Any]:
        pem = (kit.directory / f"{name}.pem").read_bytes()
        return x509.load_pem_x509_certificate(pem), load_pem_private_key(
            (kit.directory / f"{name}.key.pem").read_bytes(), None
        )

    def made(builder: Builder, key: Any, algorithm: Any = None, *, signer: rsa.RSAPrivateKey | None = None) -> Identity:
        certificate = builder.sign(key, algorithm or hashes.SHA256())
        return replace(identity_of(certificate, signer or _key()), signer=PemKey(signer or _key()))

    ca, ca_key = authority("ap-ca")
    root, root_key = authority("root")
    smp, smp_key = authority("smp-ca")
    name, other_key = ca.subject, _key(which=1)
    add: Callable[[Any, bool], Builder] = lambda extension, critical: _builder(name).add_extension(extension, critical)  # noqa: E731

    yield "self-signed", made(_builder(_name()), _key())
    yield "self-signed, with the authority's name", made(_builder(name, subject=name), _key())
    yield "unknown authority", made(_builder(_name("Unknown CA")), other_key)
    yield "authority of the same name, other key", made(_builder(name), other_key)
    yield "root's name, other key", made(_builder(root.subject), other_key)
    yield "issued by the root itself", made(_builder(root.subject), root_key)
    yield "issued by the SMP authority", made(_builder(smp.subject), smp_key)
    yield "issuer's name of the SMP authority, access point key", made(_builder(smp.subject), ca_key)
    yield "issued by an access point", made(_builder(kit.world.c2.certificate.subject), kit.world.c2.signer.key)  # type: ignore[attr-defined]
    for days, text in ((-1, "expired"), (-400, "expired long ago")):
        yield text, made(_dated(name, NOW - timedelta(days=500), NOW + timedelta(days=days)), ca_key)
    yield "expired this second", made(_dated(name, NOW - timedelta(days=500), NOW), ca_key)
    yield "valid from the next second", made(_dated(name, NOW + timedelta(seconds=1), NOW + timedelta(days=9)), ca_key)
    yield "valid from next year", made(_dated(name, NOW + timedelta(days=366), NOW + timedelta(days=700)), ca_key)
    for algorithm in (hashes.SHA1(), hashes.SHA224(), hashes.SHA3_256()):
        try:
            yield f"signed with {algorithm.name}", made(_builder(name), ca_key, algorithm)
        except Exception:
            continue
    for bits in (1024, 1536, 2040):
        yield f"RSA of {bits} bits", made(_builder(name, _key(bits).public_key()), ca_key, signer=_key(bits))
    huge = rsa.RSAPublicNumbers(65537, (1 << 16383) + 12345).public_key()
    yield "RSA of 16,384 bits, not the signer's", made(_builder(name, huge), ca_key)
    for text, key in (
        ("EC", ec.generate_private_key(ec.SECP256R1())),
        ("Ed25519", ed25519.Ed25519PrivateKey.generate()),
        ("DSA", dsa.generate_private_key(1024)),
    ):
        yield f"{text} key", made(_builder(name, key.public_key()), ca_key)
    yield "key of another", made(_builder(name, other_key.public_key()), ca_key)
    for text, allowed in (
        ("nothing", {}),
        ("keys", {"key_encipherment": True}),
        ("data", {"data_encipherment": True}),
        ("certificates", {"key_cert_sign": True}),
        ("lists", {"crl_sign": True}),
        ("agreement", {"key_agreement": True}),
    ):
        yield f"usage for {text} only", made(add(usage(**allowed), True), ca_key)
    yield "an authority as end entity", made(add(x509.BasicConstraints(ca=True, path_length=None), True), ca_key)
    yield "an authority with path length 0", made(add(x509.BasicConstraints(ca=True, path_length=0), True), ca_key)
    for oid in ("1.2.3.4", "2.5.29.30.1", "1.3.6.1.4.1.99999.1"):
        yield (
            f"unknown critical extension {oid}",
            made(add(x509.UnrecognizedExtension(ObjectIdentifier(oid), b"\x05\x00"), True), ca_key),
        )
    constraint = x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.org")], excluded_subtrees=None)
    yield "critical name constraints", made(add(constraint, True), ca_key)
    yield "critical policy constraints", made(add(x509.PolicyConstraints(0, 0), True), ca_key)
    yield "critical alternative name", made(add(x509.SubjectAlternativeName([x509.DNSName("x.example")]), True), ca_key)
    yield (
        "no common name",
        made(_builder(name, subject=x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "SE")])), ca_key),
    )
    yield (
        "two common names",
        made(_builder(name, subject=_name("POP000001", x509.NameAttribute(NameOID.COMMON_NAME, "POP000002"))), ca_key),
    )
    yield "empty subject", made(_builder(name, subject=x509.Name([])), ca_key)
    for common in ("POP000002", "pop000001", "POP000001 ", "POP00000\u0031\u200b", "*", "POP000001\x00x"):
        try:
            yield f"common name {common!r}", made(_builder(name, subject=_name(common)), ca_key)
        except ValueError:
            continue
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    for issuer, key, text in (
        (_name("Web CA"), other_key, "a web server's certificate"),
        (smp.subject, smp_key, "an SMP's certificate with server usage"),
    ):
        yield text, made(_builder(issuer).add_extension(purpose, True), key)
    below = (
        _builder(name, other_key.public_key(), _name("Sub CA"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(ca_key, hashes.SHA256())
    )
    yield "an authority below the authority", made(_builder(below.subject), other_key)
    yield "the authority's own certificate", replace(identity_of(ca, ca_key), signer=PemKey(ca_key))
    yield "the root's own certificate", replace(identity_of(root, root_key), signer=PemKey(root_key))
    yield "the SMP authority's own certificate", replace(identity_of(smp, smp_key), signer=PemKey(smp_key))


def _dated(issuer: x509.Name, start: Any, end: Any) -> Builder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name())
        .issuer_name(issuer)
        .public_key(_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
