"""What a supplier is written: the exact addresses and document types, in its language."""

from __future__ import annotations

import pytest

from gateway.routing.letters import supplier_letter


@pytest.mark.parametrize(("language", "word"), [("sv", "Vår adress:"), ("en", "Our address:")])
def test_it_names_address_and_document_types(language: str, word: str) -> None:
    subject, text = supplier_letter(
        supplier="Exempelleverantören AB",
        number="L7",
        buyer="Exempel AB",
        addresses=["0007:5567212047"],
        document_types=["busdox-docid-qns::urn:example::Invoice"],
        language=language,
    )
    assert "Exempel AB" in subject and "L7" in text
    lines = text.splitlines()
    assert lines[lines.index(word) + 1] == "    0007:5567212047"
    assert "    busdox-docid-qns::urn:example::Invoice" in lines
