"""What is known about revocation now, and the table that turns it into believed, refused or later.

Asked on every message, so nothing here waits for a network: what is missing is noted, and whoever fetches
(``gateway/pki/``) finds it in :meth:`Revocations.missing`. The table fails closed: no result is no trust.

| Newest list that covers the certificate | OCSP answer still valid | Standing |
|---|---|---|
| names it, however old | any | revoked |
| any | revoked, and newer than the list | revoked |
| before its next update | – | good |
| none, or past its next update | good | good |
| at most the grace past its next update | none | good, in grace |
| none, or past the grace | none | unknown: come again later |

Source: RFC 5280 6.3, RFC 6960; the grace is ours. Thread-safe; pure.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.security.ocsp import OcspAnswer
from gateway.security.revocation import RevocationList, Revoked, authority_id, points, responders

GRACE: Final = timedelta(hours=24)
_IN_GRACE: Final = timedelta(minutes=1)
"""How long a standing that is in grace may be remembered."""
_MOST_MISSING: Final = 1_000
_MOST_SOURCES: Final = 16
"""Addresses of lists for one authority."""
_MOST_ANSWERS: Final = 10_000


class Status(StrEnum):
    """What an authority says about its certificate."""

    GOOD = "good"
    GRACE = "good, in grace"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The status of one certificate and where it is known from: the evidence."""

    status: Status
    proof: str
    """One sentence: which list or answer, its number, of when, from where."""
    until: datetime
    """How long it may be remembered without asking again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A certificate whose standing cannot be told, or only from an old list."""

    certificate: x509.Certificate
    issuer: x509.Certificate


@dataclass(slots=True, kw_only=True)
class Revocations:
    """The lists and answers of one network's authorities."""

    authorities: Sequence[x509.Certificate]
    grace: timedelta = GRACE
    generation: int = 0
    """Grows with every news, so that what was remembered before is not used after it."""
    wake: Callable[[], None] = field(default=lambda: None)
    """Called, from any thread, when something new is missing."""
    _lists: dict[bytes, dict[str, RevocationList]] = field(default_factory=dict)
    _sources: dict[bytes, dict[str, None]] = field(default_factory=dict)
    _answers: dict[bytes, OcspAnswer] = field(default_factory=dict)
    _missing: dict[bytes, Missing] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def standing(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime, *, note: bool = True
    ) -> Standing:
        """What is known about the certificate at that moment; ``note`` what would have to be fetched."""
        name = certificate.subject.rfc4514_string()
        self.learn(certificate, issuer)
        source, newest = self._newest(certificate, authority_id(issuer))
        answer = self._answers.get(_digest(certificate))
        if answer is not None and at >= answer.next_update:
            answer = None
        # (1) Revoked, by whichever speaks last.
        if newest is not None and (revoked := newest.find(certificate.serial_number)):
            return _revoked(name, revoked, _described(newest, source), newest.next_update)
        if answer is not None and answer.revoked and (newest is None or answer.this_update >= newest.this_update):
            return _revoked(name, answer.revoked, _by_ocsp(answer), answer.next_update)
        # (2) Good, by a list or an answer of today.
        if newest is not None and at < newest.next_update:
            return Standing(
                status=Status.GOOD, proof=f"{name}: not in {_described(newest, source)}", until=newest.next_update
            )
        if note:
            self._note(certificate, issuer)
        if answer is not None and not answer.revoked:
            return Standing(status=Status.GOOD, proof=f"{name}: good by {_by_ocsp(answer)}", until=answer.next_update)
        # (3) Good for a while, by a list that should have been replaced.
        if newest is not None and at < newest.next_update + self.grace:
            proof = f"{name}: not in {_described(newest, source)}, which is overdue but within {self.grace} of grace"
            until = min(at + _IN_GRACE, newest.next_update + self.grace)
            return Standing(status=Status.GRACE, proof=proof, until=until)
        # (4) No result is no trust.
        return Standing(status=Status.UNKNOWN, proof=f"{name}: {self._why(certificate, newest, source)}", until=at)

    def standing_of_anchor(self, anchor: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Standing:
        """The standing of an authority that we were told to believe: one that names no source is not asked about."""
        if self.names_source(anchor, issuer):
            return self.standing(anchor, issuer, at)
        proof = f"{anchor.subject.rfc4514_string()}: believed by configuration, names no revocation list"
        return Standing(status=Status.GOOD, proof=proof, until=anchor.not_valid_after_utc)

    def names_source(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Whether there is any place to ask about this certificate, or a list of it here already."""
        held = self._newest(certificate, authority_id(issuer))[1] is not None
        return held or bool(points(certificate) or responders(certificate))

    def take_list(self, source: str, fresh: RevocationList) -> str:
        """Put a checked list in place of the older one from there; gives what is wrong with it, or nothing.

        A list that is older than the one held does not count: somebody may be playing back what was good for him.
        """
        with self._lock:
            held = self._lists.setdefault(fresh.authority, {})
            known = held.get(source)
            if known is not None and known.this_update > fresh.this_update:
                return f"is of {_moment(fresh.this_update)}, older than the one held of {_moment(known.this_update)}"
            held[source] = fresh
            if known is None or (known.entries, known.next_update) != (fresh.entries, fresh.next_update):
                self.generation += 1
        return ""

    def take_answer(self, certificate: x509.Certificate, answer: OcspAnswer) -> str:
        """Keep a checked OCSP answer; gives what is wrong with it, or nothing.

        One that is older than the one held does not count, as for lists, also when that one has ended.
        """
        with self._lock:
            held = self._answers.get(_digest(certificate))
            if held is not None and held.this_update > answer.this_update:
                return f"is of {_moment(answer.this_update)}, older than the one held of {_moment(held.this_update)}"
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[_digest(certificate)] = answer
            self.generation += 1
        return ""

    def learn(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        """Remember where the certificate says that its authority's list is."""
        known = self._sources.setdefault(authority_id(issuer), {})
        for url in points(certificate):
            if url not in known and len(known) < _MOST_SOURCES:
                known[url] = None
                self.wake()

    def sources(self) -> tuple[str, ...]:
        """Every address at which a list of these authorities should be."""
        return tuple(dict.fromkeys(url for urls in list(self._sources.values()) for url in list(urls)))

    def lists(self) -> dict[str, RevocationList]:
        """The lists held, by the address that each came from."""
        return {url: held for urls in list(self._lists.values()) for url, held in list(urls.items())}

    def missing(self) -> tuple[Missing, ...]:
        """What :meth:`standing` could not tell since the last call."""
        with self._lock:
            found, self._missing = self._missing, {}
        return tuple(found.values())

    def _newest(self, certificate: x509.Certificate, authority: bytes) -> tuple[str, RevocationList | None]:
        held = [(url, one) for url, one in list(self._lists.get(authority, {}).items()) if one.covers(certificate)]
        return max(held, key=lambda pair: pair[1].this_update, default=("", None))

    def _note(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        digest = _digest(certificate)
        with self._lock:
            if digest in self._missing or len(self._missing) >= _MOST_MISSING:
                return
            self._missing[digest] = Missing(certificate=certificate, issuer=issuer)
        self.wake()

    def _why(self, certificate: x509.Certificate, newest: RevocationList | None, source: str) -> str:
        if newest is not None:
            return f"{_described(newest, source)} is overdue by more than {self.grace}"
        named = points(certificate)
        if named:
            return f"no usable revocation list from {', '.join(named)} yet"
        return "it names no revocation list, and network.crl_urls has none of its authority"


def _revoked(name: str, revoked: Revoked, source: str, until: datetime) -> Standing:
    proof = f"{name}: revoked since {revoked.since:%Y-%m-%d} ({revoked.reason}) by {source}"
    return Standing(status=Status.REVOKED, proof=proof, until=until)


def _described(held: RevocationList, source: str) -> str:
    number = "" if held.number is None else f" {held.number}"
    return f"list{number} of {_moment(held.this_update)}, next {_moment(held.next_update)}, from {source}"


def _by_ocsp(answer: OcspAnswer) -> str:
    times = f"{_moment(answer.this_update)}, next {_moment(answer.next_update)}"
    return f"the OCSP answer of {times}, by {answer.responder}"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _digest(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
