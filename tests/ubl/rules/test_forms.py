"""A document that is known by its markup gets the verdict that its tree would get, whatever its texts are."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from gateway.security import safexml
from gateway.ubl.rules import forms
from gateway.ubl.rules.engine import Program
from gateway.ubl.rules.forms import cut
from gateway.ubl.rules.pack import load
from tests.ubl.ubl_parts import changed, example

NETWORK = example("network")
_LINE = re.compile(rb"<cac:InvoiceLine>.*?</cac:InvoiceLine>", re.DOTALL)


def _program() -> Program:
    return Program([load("en16931", "1.3.16"), load("peppol-billing", "3.0.21")])


def _found(program: Program, document: bytes, *, by_markup: bool = True) -> list[object]:
    outcomes = program.judge(safexml.parse(document), document if by_markup else b"")
    return [
        (outcome.stopped and outcome.stopped.rule, Counter((rule, f.node.xpath, f.value) for rule, f in outcome.faults))
        for outcome in outcomes
    ]


def _is_known(program: Program, document: bytes) -> bool:
    found = cut(document, safexml.parse(document))
    return found is not None and program._forms.fill(found) is not None


VARIANTS = [
    NETWORK,
    changed(NETWORK, (">24651.00<", ">24652.00<")),
    changed(NETWORK, (">24651.00<", ">24651.001<")),
    changed(NETWORK, (">24651.00<", ">24651.0.1<")),
    changed(NETWORK, (">24651.00<", "> 24651.00 <")),
    changed(NETWORK, (">24651.00<", "> <")),
    changed(NETWORK, (">24651.00<", "><")),
    changed(NETWORK, (">24651.00<", ">24651<!-- -->.00<")),
    changed(NETWORK, (">24651.00<", "><![CDATA[24651.00]]><")),
    changed(NETWORK, (">24651.00<", ">&#50;4651.00<")),
    changed(NETWORK, (">S</cbc:ID>", ">Z</cbc:ID>")),
    changed(NETWORK, (">S</cbc:ID>", ">Standard rate</cbc:ID>")),
    changed(NETWORK, ("<cbc:IdentificationCode>SE<", "<cbc:IdentificationCode>NO<")),
    changed(NETWORK, ("SE556712340001", "NO987654321MVA")),
    changed(NETWORK, ("SE556712340001", "SE&amp;6712340001")),
    changed(NETWORK, (">SEK</cbc:DocumentCurrencyCode>", ">EUR</cbc:DocumentCurrencyCode>")),
    changed(NETWORK, ("<cbc:ChargeIndicator>false<", "<cbc:ChargeIndicator>0<")),
    changed(NETWORK, ("<cbc:BuyerReference>Kostnadsställe 310<", "<cbc:BuyerReference> <")),
    changed(NETWORK, ("<cbc:BuyerReference>Kostnadsställe 310<", "<cbc:BuyerReference>a > b<")),
    changed(NETWORK, (' currencyID="SEK">24651.00', ' currencyID="a>b">24651.00')),
    changed(NETWORK, (' currencyID="SEK">24651.00', " currencyID='SEK'>24651.00")),
    NETWORK.replace(b"\n", b"\r\n"),
    NETWORK.decode().encode("utf-8-sig"),
]


def test_every_order_gives_the_verdict_of_the_tree() -> None:
    alone = [_found(_program(), document, by_markup=False) for document in VARIANTS]
    assert len({str(found) for found in alone}) > len(VARIANTS) / 2
    program = _program()
    for order in (range(len(VARIANTS)), reversed(range(len(VARIANTS))), range(len(VARIANTS)), range(len(VARIANTS))):
        for number in order:
            assert _found(program, VARIANTS[number]) == alone[number], number
    assert _is_known(program, NETWORK)


def test_other_texts_in_known_markup_are_read_without_the_tree() -> None:
    program = _program()
    for _ in range(3):
        _found(program, NETWORK)
    other = changed(NETWORK, ("<cbc:Note>", "<cbc:Note>Tack &amp; välkommen åter. "), (">24651.00<", ">24651.01<"))
    assert _is_known(program, other)
    (core, _), (alone, _) = _found(program, other), _found(_program(), other, by_markup=False)
    assert core == alone and any(rule == "BR-CO-16" for rule, _, _ in core[1])  # type: ignore[index]


def test_the_number_of_lines_does_not_matter() -> None:
    lines = _LINE.findall(NETWORK)
    program = _program()
    for _ in range(3):
        _found(program, NETWORK)
    for count in (1, len(lines) + 5):
        many = (lines * 10)[:count]
        document = NETWORK.replace(b"\n  ".join(lines), b"\n  ".join(many))
        assert document != NETWORK and _is_known(program, document)
        assert _found(program, document) == _found(_program(), document, by_markup=False)


@pytest.mark.parametrize(
    "document",
    [
        changed(NETWORK, (">24651.00<", ">24651<!-- -->.00<")),
        changed(NETWORK, (' currencyID="SEK">24651.00', ' currencyID="a>b">24651.00')),
        changed(NETWORK, (">S</cbc:ID>", ">Standard rate</cbc:ID>")),
        NETWORK.decode().replace("UTF-8", "ISO-8859-1").encode("latin-1", "xmlcharrefreplace"),
        NETWORK.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    ],
)
def test_what_markup_does_not_tell_is_read_from_the_tree_each_time(document: bytes) -> None:
    program = _program()
    alone = _found(_program(), document, by_markup=False)
    for _ in range(4):
        assert _found(program, document) == alone
    assert not _is_known(program, document)


def test_the_same_line_below_another_root_tag_is_another_line() -> None:
    """What a prefix means stands in the root's tag."""
    common = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
    program = _program()
    for _ in range(3):
        _found(program, NETWORK)
    stranger = changed(NETWORK, (f'xmlns:cbc="{common}"', f'xmlns:cbc="{common}1"'))
    assert not _is_known(program, stranger)
    assert _found(program, stranger) == _found(_program(), stranger, by_markup=False)


def test_forms_are_forgotten_before_they_take_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "_MOST", 60_000)
    program = _program()
    for number in range(12):
        document = changed(NETWORK, ("<cbc:Note>", f"<cbc:Note languageID='{number}'>"))
        for _ in range(2):
            program.judge(safexml.parse(document), document)
        assert program._forms._size < 160_000
