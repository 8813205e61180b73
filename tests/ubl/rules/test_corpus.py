"""Every document of the corpus: the same verdict, rule ids, severities and counts as the official artefacts give."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from gateway.security import safexml
from gateway.ubl import schema
from gateway.ubl.rules.engine import Outcome, program
from gateway.ubl.rules.pack import load


def _official(row: dict[str, Any], pack: str) -> object:
    return "ended with an error" if f"{pack}_error" in row else sorted((rule, flag, n) for rule, flag, n in row[pack])


def _native(outcome: Outcome) -> object:
    if outcome.stopped is not None:
        return "ended with an error"
    counts = Counter(rule for rule, _ in outcome.faults)
    return sorted((rule, str(outcome.pack.rules[rule]), number) for rule, number in counts.items())


def test_every_verdict_is_the_official_one(corpus: Path, truth: dict[str, Any]) -> None:
    rules = program(load("en16931", "1.3.16"), load("peppol-billing", "3.0.21"))
    different = []
    for name, row in truth.items():
        octets = (corpus / name).read_bytes()
        root = safexml.parse(octets, huge=True)
        if (not schema.check(octets, root)) is not row["xsd"]["valid"]:
            different.append((name, "xsd"))
        for _ in range(2):  # the second time its shapes are known
            for pack, outcome in zip(("cen", "peppol"), rules.judge(root), strict=True):
                if _native(outcome) != _official(row, pack):
                    different.append((name, pack))
    assert len(truth) >= 1722
    assert different == []


def test_the_packs_hold_every_rule_of_the_release_with_its_severity(corpus: Path) -> None:
    import json

    rules = json.loads((corpus / "truth.json").read_text())["meta"]["rules"]
    for pack, official in (
        (load("en16931", "1.3.16"), rules["cen"]["inventory"]),
        (load("peppol-billing", "3.0.21"), rules["peppol"]["inventory"]),
    ):
        assert {rule: str(level) for rule, level in pack.rules.items()} == dict(official)
