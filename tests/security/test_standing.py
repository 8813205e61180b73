"""The table that fails closed, through the whole check of a certificate; and OCSP, the second source."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.errors import RevocationUnknown, Untrusted
from gateway.security.expiry import expiries
from gateway.security.ocsp import OcspAnswer, question, read_answer
from gateway.security.trust import Believed, Role, Trust
from tests.security.revocation_parts import DAY, HOUR, NOW, OCSP_SIGNING, World, der, known, lone, world

AP, SMP = Role.ACCESS_POINT, Role.SMP


@pytest.fixture(scope="module")
def here() -> World:
    return world()


@pytest.fixture
def trust(here: World) -> Trust:
    return here.trust()


def believe(trust: Trust, certificate: x509.Certificate, at: datetime = NOW, role: Role = AP) -> Believed:
    return trust.believe(der(certificate), role, at)


def test_a_certificate_in_no_list_is_good_and_the_proof_names_each_list(here: World, trust: Trust) -> None:
    here.give_all(trust, number=7)
    believed = believe(trust, here.leaf())
    assert believed.revocation == "good"
    of_leaf, of_authority = (standing.proof for standing in believed.standing)
    assert "not in list 7 of 2026-11-25 11:00 UTC, next 2026-11-26 12:00 UTC, from http://lists.test/ap.crl" in of_leaf
    assert of_authority.startswith("CN=Access point CA") and "http://lists.test/root.crl" in of_authority


def test_a_revoked_certificate_is_refused_of_either_kind(here: World, trust: Trust) -> None:
    leaf, smp = here.leaf(), here.smp_leaf()
    here.give_all(trust, leaf, smp)
    for certificate, role in ((leaf, AP), (smp, SMP)):
        with pytest.raises(Untrusted, match="revoked since 2026-11-25"):
            believe(trust, certificate, role=role)
    assert believe(trust, here.leaf("POP000002")).common_name == "POP000002"


def test_below_a_revoked_authority_nobody_is_believed(here: World, trust: Trust) -> None:
    here.give_all(trust, here.access_point.certificate)
    with pytest.raises(Untrusted, match=r"CN=Access point CA.*revoked"):
        believe(trust, here.leaf())
    assert believe(trust, here.smp_leaf(), role=SMP)


def test_a_list_of_the_smp_authority_says_nothing_about_access_points(here: World, trust: Trust) -> None:
    here.give(trust, here.root.list(), "root")
    here.give(trust, here.smp.list(), "smp")
    with pytest.raises(RevocationUnknown):
        believe(trust, here.leaf())


def test_neither_role_is_believed_under_the_authority_of_the_other(here: World, trust: Trust) -> None:
    here.give_all(trust)
    for certificate, role in ((here.leaf(), SMP), (here.smp_leaf(), AP)):
        with pytest.raises(Untrusted, match="not issued by"):
            believe(trust, certificate, role=role)


def test_without_a_list_nobody_is_believed_and_what_is_missing_is_noted_once(here: World, trust: Trust) -> None:
    rung: list[int] = []
    known(trust).wake = lambda: rung.append(1)
    leaf = here.leaf()
    for _ in range(3):
        with pytest.raises(RevocationUnknown, match=r"no usable revocation list from http://lists.test/ap.crl yet"):
            believe(trust, leaf)
    assert rung
    assert set(known(trust).sources()) == {"http://lists.test/ap.crl", "http://lists.test/root.crl"}
    missing = known(trust).missing()
    assert [m.certificate for m in missing] == [leaf, here.access_point.certificate]
    assert known(trust).missing() == ()


def test_a_certificate_that_names_no_list_needs_one_of_the_configuration(here: World, trust: Trust) -> None:
    leaf = here.leaf(lists=[])
    here.give(trust, here.root.list(), "root")
    with pytest.raises(RevocationUnknown, match=r"network\.crl_urls"):
        believe(trust, leaf)
    here.give(trust, here.access_point.list(), "http://configured.test/ap.crl")
    assert believe(trust, leaf).revocation == "good"


def test_an_overdue_list_serves_for_the_grace_and_no_longer(here: World, trust: Trust) -> None:
    here.give_all(trust)
    leaf, due = here.leaf(), NOW + DAY
    assert believe(trust, leaf, due - timedelta(seconds=1)).revocation == "good"
    late = believe(trust, leaf, due)
    assert late.revocation == "good, in grace" and "overdue" in late.standing[0].proof
    assert believe(trust, leaf, due + 24 * HOUR - timedelta(seconds=1)).revocation == "good, in grace"
    with pytest.raises(RevocationUnknown, match="overdue by more than"):
        believe(trust, leaf, due + 24 * HOUR)


def test_what_a_list_names_stays_revoked_however_old_the_list_is(here: World, trust: Trust) -> None:
    leaf = here.leaf()
    here.give_all(trust, leaf)
    with pytest.raises(Untrusted, match="revoked"):
        believe(trust, leaf, NOW + 40 * DAY)


def test_the_clock_may_jump_forth_and_back(here: World, trust: Trust) -> None:
    here.give_all(trust)
    leaf = here.leaf()
    believe(trust, leaf)
    with pytest.raises(RevocationUnknown):
        believe(trust, leaf, NOW + 30 * DAY)
    assert believe(trust, leaf).revocation == "good"
    assert believe(trust, leaf, NOW - 2 * DAY).revocation == "good"  # the list is of a time to come: still the newest


def test_news_counts_at_once_although_the_certificate_is_remembered(here: World, trust: Trust) -> None:
    leaf = here.leaf()
    here.give_all(trust)
    assert believe(trust, leaf) is believe(trust, leaf)
    fresh = here.access_point.list(leaf, made=NOW, number=2, reason=x509.ReasonFlags.certificate_hold)
    here.give(trust, fresh)
    with pytest.raises(Untrusted, match="certificateHold"):
        believe(trust, leaf)
    here.give(trust, here.access_point.list(made=NOW + timedelta(minutes=1), number=3))  # the hold is lifted
    assert believe(trust, leaf).revocation == "good"


def test_an_older_list_never_takes_the_place_of_a_newer_one(here: World, trust: Trust) -> None:
    leaf = here.leaf()
    here.give_all(trust, leaf)
    assert "older than the one held" in here.give(trust, here.access_point.list(made=NOW - 2 * HOUR))
    with pytest.raises(Untrusted, match="revoked"):
        believe(trust, leaf)


def test_of_two_places_the_newest_list_counts(here: World, trust: Trust) -> None:
    leaf = here.leaf()
    here.give_all(trust, leaf)
    here.give(trust, here.access_point.list(made=NOW - 2 * HOUR), "http://mirror.test/ap.crl")
    with pytest.raises(Untrusted, match="revoked"):
        believe(trust, leaf)


def test_two_generations_of_authorities_are_believed_side_by_side(here: World) -> None:
    old, new = here, world("http://new.test", "G3")
    authorities = [a.certificate for w in (old, new) for a in (w.access_point, w.root)]
    trust = Trust(authorities, [], old.trust().revocations)
    known(trust).authorities = authorities
    old.give_all(trust)
    new.give_all(trust)
    for generation in (old, new):
        assert believe(trust, generation.leaf()).revocation == "good"
    with pytest.raises(Untrusted, match="revoked"):
        gone = old.leaf("POP000002")
        old.give(trust, old.access_point.list(gone, made=NOW))
        believe(trust, gone)


def test_a_lone_self_signed_authority_stands_beside_a_whole_set(here: World) -> None:
    alone = lone("Lone CA")
    trust = Trust([here.access_point.certificate, here.root.certificate, alone.certificate], [])
    assert believe(trust, alone.issue("POP000005")).common_name == "POP000005"
    assert believe(trust, here.leaf()).common_name == "POP000001"
    with pytest.raises(Untrusted, match="not issued by"):
        believe(trust, here.root.issue("POP000006"))  # a root with an authority below it issues no leaf


# --- OCSP -------------------------------------------------------------------------------------------------------------


def read(here: World, octets: bytes, leaf: x509.Certificate, at: datetime = NOW) -> OcspAnswer:
    return read_answer(octets, leaf, here.access_point.certificate, at)


def test_where_no_list_is_current_an_ocsp_answer_counts_until_its_end(here: World, trust: Trust) -> None:
    leaf = here.leaf()
    here.give(trust, here.root.list(until=NOW + 9 * DAY), "root")
    known(trust).take_answer(leaf, read(here, here.access_point.answer(leaf), leaf))
    believed = believe(trust, leaf)
    assert believed.revocation == "good" and "OCSP answer of 2026-11-25 11:00 UTC" in believed.standing[0].proof
    with pytest.raises(RevocationUnknown):
        believe(trust, leaf, NOW + HOUR)


def test_the_newer_word_counts_of_list_and_ocsp_answer(here: World, trust: Trust) -> None:
    leaf, revoked = here.leaf(), ocsp.OCSPCertStatus.REVOKED
    here.give_all(trust)
    old = here.access_point.answer(leaf, status=revoked, made=NOW - 2 * HOUR)
    known(trust).take_answer(leaf, read(here, old, leaf))
    assert believe(trust, leaf).revocation == "good"
    known(trust).take_answer(leaf, read(here, here.access_point.answer(leaf, status=revoked, made=NOW), leaf))
    with pytest.raises(Untrusted, match="by the OCSP answer"):
        believe(trust, leaf)


def test_an_older_answer_played_back_does_not_take_the_place_of_a_newer_one(here: World, trust: Trust) -> None:
    leaf, revoked = here.leaf(), ocsp.OCSPCertStatus.REVOKED
    here.give(trust, here.root.list(until=NOW + 9 * DAY), "root")
    good = here.access_point.answer(leaf, made=NOW - HOUR, until=NOW + 7 * DAY)
    told = here.access_point.answer(leaf, status=revoked, made=NOW, until=NOW + HOUR)
    assert known(trust).take_answer(leaf, read(here, told, leaf)) == ""
    assert "older than the one held of 2026-11-25 12:00" in known(trust).take_answer(leaf, read(here, good, leaf))
    with pytest.raises(Untrusted, match="by the OCSP answer"):
        believe(trust, leaf)
    with pytest.raises(RevocationUnknown):  # also once the newer one has ended
        believe(trust, leaf, NOW + 2 * HOUR)


def test_the_question_names_the_certificate(here: World) -> None:
    leaf = here.leaf()
    asked = ocsp.load_der_ocsp_request(question(leaf, here.access_point.certificate))
    assert asked.serial_number == leaf.serial_number


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])
def test_an_answer_of_the_issuer_or_of_whom_it_appointed_counts(here: World, algorithm: hashes.HashAlgorithm) -> None:
    leaf = here.leaf()
    assert read(here, here.access_point.answer(leaf, algorithm=algorithm), leaf).revoked is None
    appointed = here.access_point.issue("Responder", purposes=[OCSP_SIGNING])
    octets = here.access_point.answer(leaf, signer=(appointed, "Responder"), algorithm=algorithm)
    assert read(here, octets, leaf).responder == "CN=Responder,O=Operator"


def test_an_answer_that_proves_nothing_is_refused(here: World) -> None:
    leaf, other = here.leaf(), here.leaf("POP000002")
    answer = here.access_point.answer
    not_appointed = here.access_point.issue("Responder")
    of_smp = here.smp.issue("Responder", purposes=[OCSP_SIGNING])
    over = here.access_point.issue("Responder", purposes=[OCSP_SIGNING], end=NOW - HOUR)
    changed = bytearray(answer(leaf))
    changed[-300] ^= 1
    for octets, reason in (
        (answer(other), "another certificate"),
        (here.smp.answer(leaf), "neither by the issuer"),
        (answer(leaf, signer=(not_appointed, "Responder")), "neither by the issuer"),
        (answer(leaf, signer=(of_smp, "Responder")), "neither by the issuer"),
        (answer(leaf, signer=(over, "Responder")), "neither by the issuer"),
        (answer(leaf, made=NOW - 2 * HOUR, until=NOW), "was valid until"),
        (answer(leaf, made=NOW - 2 * HOUR, until=None), "was valid until"),
        (answer(leaf, made=NOW + HOUR, until=NOW + 2 * HOUR), "time to come"),
        (bytes(changed), "neither by the issuer|damaged|another certificate"),
        (b"no answer", "damaged"),
    ):
        with pytest.raises(Untrusted, match=reason):
            read(here, octets, leaf)


def test_a_responder_that_is_busy_or_does_not_know_says_nothing(here: World) -> None:
    leaf = here.leaf()
    busy = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    with pytest.raises(RevocationUnknown, match="try later"):
        read(here, busy.public_bytes(Encoding.DER), leaf)
    with pytest.raises(RevocationUnknown, match="does not know"):
        read(here, here.access_point.answer(leaf, status=ocsp.OCSPCertStatus.UNKNOWN), leaf)


# --- expiry -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "step", "urgent"),
    [(91, None, False), (89, 90, False), (59, 60, False), (29, 30, True), (6, 7, True), (0, 1, True), (-1, 1, True)],
)
def test_a_certificate_that_ends_soon_is_told_in_steps(here: World, left: int, step: int | None, urgent: bool) -> None:
    (one,) = expiries([here.leaf(end=NOW + left * DAY + HOUR)], NOW)
    assert (one.days, one.step, one.urgent) == (left, step, urgent)
    assert ("ended on" if left < 0 else f"in {left} days") in one.text
