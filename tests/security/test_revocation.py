"""Revocation lists: which are taken, which are refused and why, and what they say about whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from gateway.errors import Untrusted
from gateway.security.revocation import points, read_list
from tests.security.revocation_parts import DAY, HOUR, NOW, World, key, point, world


@pytest.fixture(scope="module")
def here() -> World:
    return world()


def test_a_list_says_who_is_revoked_since_when_and_why(here: World) -> None:
    leaf, other = here.leaf("POP000001"), here.leaf("POP000002")
    read = here.read(here.access_point.list(leaf, number=7, reason=x509.ReasonFlags.key_compromise))
    found = read.find(leaf.serial_number)
    assert found is not None and (found.reason, found.since) == ("keyCompromise", NOW - HOUR)
    assert read.find(other.serial_number) is None
    assert (read.number, read.count, read.this_update, read.next_update) == (7, 1, NOW - HOUR, NOW + DAY)
    assert read.covers(leaf) and read.covers(here.access_point.certificate)


def test_every_serial_number_is_found_and_no_other(here: World) -> None:
    serials = [1, 2, 127, 128, 255, 256, 2**64, 2**158 + 1, 2**158 + 3]
    read = here.read(here.access_point.list(*serials))
    assert [n for n in range(600) if read.find(n)] == [1, 2, 127, 128, 255, 256]
    assert all(read.find(n) for n in serials)
    assert not any(read.find(n) for n in (0, -1, 2**64 + 1, 2**158 + 2, 2**159, 2**400))


def test_a_list_in_pem_is_read_too(here: World) -> None:
    pem = x509.load_der_x509_crl(here.access_point.list(5)).public_bytes(serialization.Encoding.PEM)
    assert here.read(pem).find(5)


def test_what_is_removed_from_the_list_is_revoked_no_longer(here: World) -> None:
    read = here.read(here.access_point.list(5, reason=x509.ReasonFlags.remove_from_crl))
    assert read.find(5) is None and read.count == 0


def _refused(here: World, octets: bytes, reason: str) -> None:
    with pytest.raises(Untrusted, match=reason):
        here.read(octets)


def test_garbage_and_parts_of_a_list_are_refused(here: World) -> None:
    whole = here.access_point.list(5)
    for octets in (b"", b"<html>", whole[:-1], whole + b"\0", whole[:40]):
        _refused(here, octets, "damaged or no list")


def test_a_list_of_a_stranger_is_refused(here: World) -> None:
    octets = here.access_point.list(5)
    with pytest.raises(Untrusted, match="no authority of this network"):
        read_list(octets, [here.root.certificate, here.smp.certificate], NOW)


def test_a_list_signed_by_another_key_is_refused(here: World) -> None:
    _refused(here, here.access_point.list(signer="SMP CA"), "that authority did not sign it")


def test_a_list_that_was_changed_is_refused(here: World) -> None:
    leaf = here.leaf()
    octets = bytearray(here.access_point.list(leaf))
    at = bytes(octets).index(leaf.serial_number.to_bytes(20, "big"))
    octets[at + 19] ^= 1
    _refused(here, bytes(octets), "did not sign it")


def test_an_authority_that_may_not_sign_lists_is_refused(here: World) -> None:
    leaf = here.leaf("POP000001")
    builder = x509.CertificateRevocationListBuilder().issuer_name(leaf.subject).last_update(NOW).next_update(NOW + DAY)
    octets = builder.sign(key("POP000001"), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    with pytest.raises(Untrusted, match="may not sign revocation lists"):
        read_list(octets, [leaf], NOW)


def test_a_list_without_a_next_update_is_refused(here: World) -> None:
    _refused(here, here.access_point.list(5, until=None), "does not say when the next one comes")


def test_a_list_of_a_time_to_come_is_refused_but_a_small_difference_of_clocks_is_not(here: World) -> None:
    assert here.read(here.access_point.list(5, made=NOW + timedelta(minutes=4))).count == 1
    _refused(here, here.access_point.list(5, made=NOW + timedelta(minutes=6)), "compare this machine's clock")


def test_a_delta_list_is_refused(here: World) -> None:
    delta = x509.DeltaCRLIndicator(1)
    _refused(here, here.access_point.list(5, extensions=[(delta, True)]), "is a delta")
    _refused(here, here.access_point.list(5, extensions=[(delta, False)]), "is a delta")


def test_a_list_with_something_critical_and_unknown_is_refused(here: World) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert here.read(here.access_point.list(5, extensions=[(unknown, False)])).count == 1
    _refused(here, here.access_point.list(5, extensions=[(unknown, True)]), "unknown critical extension 1.2.3.4")


@pytest.mark.parametrize(
    "flags",
    [
        {"indirect_crl": True},
        {"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])},
        {"only_contains_attribute_certs": True},
    ],
)
def test_a_list_for_some_reasons_or_of_several_authorities_is_refused(here: World, flags: dict[str, object]) -> None:
    _refused(here, here.access_point.list(5, extensions=[point(**flags)]), "not for all reasons")


def test_a_list_covers_only_the_kind_of_certificate_that_it_is_for(here: World) -> None:
    leaf, authority = here.leaf(), here.access_point.certificate
    of_authorities = here.read(here.access_point.list(extensions=[point(only_contains_ca_certs=True)]))
    of_leaves = here.read(here.access_point.list(extensions=[point(only_contains_user_certs=True)]))
    assert (of_authorities.covers(leaf), of_authorities.covers(authority)) == (False, True)
    assert (of_leaves.covers(leaf), of_leaves.covers(authority)) == (True, False)


def test_a_part_of_a_list_covers_only_certificates_that_name_it(here: World) -> None:
    part = here.read(here.access_point.list(extensions=[point("http://lists.test/part7.crl")]))
    assert not part.covers(here.leaf())
    assert part.covers(here.leaf(lists=["http://other.test/x.crl", "http://lists.test/part7.crl"]))


def test_only_web_addresses_of_complete_lists_count(here: World) -> None:
    assert points(here.leaf(lists=["ldap://x/cn=y", "HTTP://a.test/b.crl", "file:///etc/passwd"])) == (
        "HTTP://a.test/b.crl",
    )
    assert len(points(here.leaf(lists=[f"http://a.test/{n}" for n in range(20)]))) == 8
    assert points(here.leaf(lists=[])) == ()
