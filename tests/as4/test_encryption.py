"""Opening parts: what is believed of a decrypted part on account of its signed digest."""

from __future__ import annotations

import hashlib

from gateway.as4.limits import LIMITS
from gateway.as4.soap import canonical
from gateway.as4.wss.encryption import _is_signed
from gateway.security import safexml


def _form(octets: bytes) -> bytes:
    return hashlib.sha256(canonical(safexml.parse(octets))).digest()


def test_a_part_of_an_xml_type_may_be_signed_in_its_canonical_form() -> None:
    part = b"<a  b='1'/>"
    assert _is_signed(part, _form(part), "application/xml; charset=utf-8", LIMITS)
    assert not _is_signed(part, _form(part), "application/gzip", LIMITS)
    assert not _is_signed(b"<a b='2'/>", _form(part), "text/xml", LIMITS)


def test_a_part_with_very_many_attributes_is_not_put_in_canonical_form() -> None:
    """Sorting them takes quadratic time: minutes for a few megabytes."""
    part = ("<a " + " ".join(f'a{n}=""' for n in range(LIMITS.attributes + 1)) + "/>").encode()
    assert not _is_signed(part, _form(part), "application/xml", LIMITS)
