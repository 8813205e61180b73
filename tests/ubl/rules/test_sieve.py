"""Checks are left out only where shape and facts settle them: seen first or last, a document gets the same verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.model.document import Severity
from gateway.security import safexml
from gateway.ubl.rules import engine
from gateway.ubl.rules.engine import Outcome, Program
from gateway.ubl.rules.pack import Check, Context, Fault, Pack, load
from gateway.ubl.rules.tree import Document, Node
from tests.ubl.ubl_parts import changed, example

NETWORK = example("network")
LINES = 6
_START, _END = NETWORK.index(b"<cac:InvoiceLine>"), NETWORK.rindex(b"</cac:InvoiceLine>") + 18
_LINE = NETWORK[_START : NETWORK.index(b"</cac:InvoiceLine>") + 18]
ALIKE = (
    NETWORK[:_START]
    + b"".join(re.sub(rb"<cbc:ID>1<", b"<cbc:ID>%d<" % number, _LINE) for number in range(1, LINES + 1))
    + NETWORK[_END:]
)
"""An invoice of lines that have one shape."""


def _program(check: Check, **more: object) -> Program:
    pack = Pack(
        name="one",
        title="One",
        version="1",
        valid_from=None,
        valid_to=None,
        rules={"R-1": Severity.FATAL},
        not_used={},
        lists={},
        terms={},
        patterns=((Context(paths="cac:InvoiceLine", checks={"R-1": check}, **more),),),  # type: ignore[arg-type]
    )
    return Program([pack])


def _counted(asks: Callable[[Node, Document], object], calls: list[Node]) -> Check:
    def check(node: Node, document: Document) -> Fault | None:
        calls.append(node)
        return None if asks(node, document) else Fault(node)

    return check


def _faults(outcome: Outcome) -> list[str]:
    return [fault.node.xpath for _, fault in outcome.faults]


def test_a_check_that_reads_no_value_is_left_out_for_elements_of_a_known_shape() -> None:
    calls: list[Node] = []
    program = _program(_counted(lambda node, document: node.has("cac:Item/cbc:Name"), calls))
    for _ in range(3):
        assert program.judge(safexml.parse(ALIKE))[0].faults == []
    assert len(calls) == 2  # at the second line it is known that no line like it can have the fault
    nameless = re.sub(rb"<cbc:Name>Kopieringspapper[^<]*</cbc:Name>", b"", ALIKE, count=1)
    assert _faults(program.judge(safexml.parse(nameless))[0]) == ["/Invoice/cac:InvoiceLine[1]"]


@pytest.mark.parametrize(
    "asks",
    [
        lambda node, document: node.string("cbc:ID") != "3",
        lambda node, document: [one.text for one in node.all("cbc:ID")] != ["3"],
        lambda node, document: (found := node.one("cbc:ID")) is None or found.text != "3",
        lambda node, document: node.decimal("cbc:ID") != 3,
        lambda node, document: document.anywhere("cac:InvoiceLine")[2].place != node.place,
        lambda node, document: node.parent is None or node.parent.all("cac:InvoiceLine")[2].place != node.place,
    ],
)
def test_a_check_that_reads_a_value_is_run_on_every_element(asks: Callable[[Node, Document], object]) -> None:
    program = _program(_counted(asks, []))
    for _ in range(4):
        assert _faults(program.judge(safexml.parse(ALIKE))[0]) == ["/Invoice/cac:InvoiceLine[3]"]


def test_a_fault_that_follows_from_the_shape_is_found_in_every_element() -> None:
    program = _program(_counted(lambda node, document: node.has("cbc:Note"), []))
    for _ in range(3):
        assert len(program.judge(safexml.parse(ALIKE))[0].faults) == LINES


def test_a_context_that_the_document_decides_is_decided_anew_in_each() -> None:
    program = _program(lambda node, document: Fault(node), given=lambda document: document.root.string("cbc:ID") == "9")
    nine = changed(ALIKE, ("<cbc:ID>202611870<", "<cbc:ID>9<"))
    for _ in range(3):
        assert program.judge(safexml.parse(ALIKE))[0].faults == []
        assert len(program.judge(safexml.parse(nine))[0].faults) == LINES


def _rules(program: Program, document: bytes) -> list[object]:
    outcomes = program.judge(safexml.parse(document))
    return [outcome.stopped is not None or Counter(rule for rule, _ in outcome.faults) for outcome in outcomes]


DOCUMENTS = [
    NETWORK,
    changed(NETWORK, ("<cbc:IdentificationCode>SE<", "<cbc:IdentificationCode>IT<")),
    changed(NETWORK, ("SE556712340001", "IT12345")),
    changed(NETWORK, ("SE556712340001", "NO987654321MVA")),
    changed(NETWORK, (">S</cbc:ID>", ">Standard rate</cbc:ID>")),
    changed(NETWORK, (">SEK</cbc:DocumentCurrencyCode>", ">EUR</cbc:DocumentCurrencyCode>")),
    changed(NETWORK, (">SEK</cbc:DocumentCurrencyCode>", ">Swedish crowns</cbc:DocumentCurrencyCode>")),
    changed(NETWORK, ("<cbc:ChargeIndicator>false<", "<cbc:ChargeIndicator>true<")),
    changed(NETWORK, ("<cbc:ChargeIndicator>false<", "<cbc:ChargeIndicator>      false    <")),
    changed(NETWORK, (">19662.20<", ">19662.201<")),
    changed(NETWORK, ("<cbc:BuyerReference>Kostnadsställe 310<", "<cbc:BuyerReference> <")),
    changed(NETWORK, (">24651.00<", ">246<!-- -->51.00<")),
]


def test_what_was_judged_before_changes_no_verdict() -> None:
    packs = [load("en16931", "1.3.16"), load("peppol-billing", "3.0.21")]
    alone = [_rules(Program(packs), document) for document in DOCUMENTS]
    assert len({str(found) for found in alone}) > len(DOCUMENTS) / 2
    program = Program(packs)
    for order in (DOCUMENTS, DOCUMENTS[::-1], DOCUMENTS):
        together = {document: _rules(program, document) for document in order}
        assert [together[document] for document in DOCUMENTS] == alone


def test_a_program_forgets_shapes_before_they_take_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    packs = [load("en16931", "1.3.16"), load("peppol-billing", "3.0.21")]
    alone = [_rules(Program(packs), document) for document in DOCUMENTS]
    monkeypatch.setattr(engine, "_MAX_ENTRIES", 40)
    program = Program(packs)
    for _ in range(3):
        assert [_rules(program, document) for document in DOCUMENTS] == alone
        kept = [len(path.bodies) + len(path.filled) + len(path.blank) for path in program._paths]
        assert sum(kept) <= 80


def test_paths_of_any_depth_take_the_same_memory() -> None:
    deep = "<cac:SubInvoiceLine>" * 240 + "</cac:SubInvoiceLine>" * 240
    document = changed(NETWORK, ("</cac:Price>\n  </cac:InvoiceLine>", f"</cac:Price>{deep}</cac:InvoiceLine>"))
    program = Program([load("en16931", "1.3.16")])
    program.judge(safexml.parse(document))
    assert max(len(path.steps) for path in program._paths) == 24
    assert len(program._paths) < 200
