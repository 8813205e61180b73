"""gateway lookup: what a person reads of the steps."""

from __future__ import annotations

import pytest

from gateway.cli.lookup import in_words
from gateway.model.identifiers import ParticipantId
from gateway.model.services import BILLING_INVOICE
from gateway.smp.locator import query_name
from gateway.smp.metadata import path

BUYER = ParticipantId.parse("0007:5567212047")
SMP = "https://smp.example.org/in/a/folder"
WHERE, WHICH = "Where does it take this document?", "Which documents does it take?"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            f"NAPTR {query_name(BUYER, 'sml.test')}",
            "Which SMP has it?\nNAPTR rcsczagm….iso6523-actorid-upis.sml.test",
        ),
        (
            f"GET {SMP}{path(BUYER, str(BILLING_INVOICE))}",
            f"{WHERE}\nGET /in/a/folder/iso6523-actorid-upis::0007:5567212047/services/…Invoice##"
            "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1",
        ),
        (f"GET {SMP}{path(BUYER)}", f"{WHICH}\nGET /in/a/folder/iso6523-actorid-upis::0007:5567212047"),
        (f"GET {SMP}/%1B%5B2J%0A", f"{WHICH}\nGET /in/a/folder/%1B%5B2J%0A"),
        ("Does the list of 0007:5567212047 name it?", "Does the list of 0007:5567212047 name it?"),
    ],
    ids=["DNS", "signed answer", "list", "a stranger's signs stay coded", "a remark"],
)
def test_a_question_is_told_in_plain_words_and_short(asked: str, words: str) -> None:
    assert in_words(asked) == words
