"""What the envelope's window shows and what the bureau's manifest says are one address."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from gateway.model.address import COUNTRIES, letter_lines
from gateway.model.document import PostalAddress
from gateway.ubl import page_basis
from gateway.ubl.page_words import Language

ADDRESSES = [
    PostalAddress(name="Exempel AB", street="Storgatan 1", postal_code="11122", city="Stockholm"),
    PostalAddress(name="Exempel AB", attention="Ekonomi", additional="Box 7", postal_code="111 22", city="Solna"),
    PostalAddress(
        name="Exempel AB", attention="Exempel AB", street="Gata 1", extra_line="Hus B", city="Ort", region="R"
    ),
]


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_the_page_and_the_manifest_have_the_same_lines(country: str) -> None:
    for address in ADDRESSES:
        there = replace(address, country=country)
        for language in get_args(Language):
            shown = page_basis.address_lines(there, home="SE", person=language)
            assert list(letter_lines(there, "SE", language)) == shown
