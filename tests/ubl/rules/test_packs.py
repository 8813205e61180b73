"""A pack is a value: which one judges, several releases at once, and what is said when none does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from importlib.resources import files

import pytest

from gateway.errors import ConfigurationError
from gateway.security import safexml
from gateway.ubl.rules import judge as judging
from gateway.ubl.rules import pack
from gateway.ubl.rules.judge import Rulebook, judge, packs_of, profile_of
from gateway.ubl.rules.pack import build, load, newest
from tests.ubl.ubl_parts import changed, example


def test_the_document_says_which_packs_judge_it() -> None:
    network = example("network")
    assert profile_of(safexml.parse(network)) == "peppol"
    assert profile_of(safexml.parse(example("letter"))) == "en16931"
    foreign = changed(network, ("urn:cen.eu:en16931:2017#compliant#urn:fdc", "urn:example:fdc"))
    root = safexml.parse(foreign)
    verdict = Rulebook().verdict(foreign, root)
    assert verdict.valid and not verdict.judged
    assert verdict.words == "not validated, because there are no rules here for this document type"


def test_a_document_that_is_no_invoice_is_not_judged() -> None:
    order = b'<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>'
    verdict = Rulebook().verdict(order, safexml.parse(order))
    assert (verdict.valid, verdict.judged, verdict.packs) == (True, False, ())


def test_two_releases_judge_side_by_side() -> None:
    table = json.loads((files("gateway.ubl.rules") / "packs" / "en16931-1.3.16.json").read_text("utf-8"))
    older = build({**table, "version": "1.3.15", "fatal": [row.replace("BR-CO-15 ", "") for row in table["fatal"]]})
    assert "BR-CO-15" not in older.rules
    root = safexml.parse(changed(example("network"), (">24650.84<", ">24650.85<")))
    old, new = judge(root, [older, load("en16931", "1.3.16")]).outcomes
    assert "BR-CO-15" not in {rule for rule, _ in old.faults}
    assert "BR-CO-15" in {rule for rule, _ in new.faults}


def test_the_issue_date_chooses_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    old = replace(load("en16931", "1.3.16"), version="1", valid_from=date(2025, 1, 1), valid_to=date(2026, 6, 30))
    new = replace(load("en16931", "1.3.16"), version="2", valid_from=date(2026, 7, 1), valid_to=None)
    monkeypatch.setattr(pack, "releases", lambda: (("en16931", "1"), ("en16931", "2")))
    monkeypatch.setattr(pack, "load", lambda name, version: {"1": old, "2": new}[version])
    assert newest("en16931", date(2026, 6, 30)) is old
    assert newest("en16931", date(2026, 7, 1)) is new
    assert newest("en16931", None) is new
    root = safexml.parse(changed(example("letter"), ("<cbc:IssueDate>2026-", "<cbc:IssueDate>2025-")))
    assert packs_of(root) == (old,)


def test_one_rulebook_judges_each_document_by_the_release_of_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    table = json.loads((files("gateway.ubl.rules") / "packs" / "en16931-1.3.16.json").read_text("utf-8"))
    lists = {**table["lists"], "ISO 4217": [" ".join(table["lists"]["ISO 4217"]).replace("SEK ", "")]}
    old = build({**table, "version": "old", "valid_to": "2026-06-30", "lists": lists, "valid_from": "2025-01-01"})
    new = build({**table, "version": "new", "valid_from": "2026-07-01"})
    both = {"old": old, "new": new}
    monkeypatch.setattr(pack, "releases", lambda: (("en16931", "old"), ("en16931", "new")))
    for place in (pack, judging):
        monkeypatch.setattr(place, "load", lambda name, version: both[version])
    letter = example("letter")
    before = re.sub(rb"<cbc:IssueDate>[^<]*", b"<cbc:IssueDate>2026-06-30", letter)
    after = re.sub(rb"<cbc:IssueDate>[^<]*", b"<cbc:IssueDate>2026-07-01", letter)

    def rules(book: Rulebook, document: bytes) -> tuple[str, set[str]]:
        verdict = book.verdict(document, safexml.parse(document))
        return dict(verdict.packs)["en16931"], {finding.rule for finding in verdict.findings}

    by_date, fixed = Rulebook(), Rulebook(releases=("en16931=old",))
    for _ in range(3):  # both have learned the same shapes
        assert rules(by_date, before) == ("old", {"BR-CL-03", "BR-CL-04"})
        assert rules(by_date, after) == ("new", set())
        assert rules(fixed, after) == ("old", {"BR-CL-03", "BR-CL-04"})


def test_a_setting_fixes_the_release_and_unknown_ones_are_refused() -> None:
    assert Rulebook(releases=("en16931=1.3.16",)).releases
    with pytest.raises(ConfigurationError, match="no such rule pack"):
        Rulebook(releases=("en16931=9.9",))
    with pytest.raises(ConfigurationError, match="NAME=VERSION"):
        Rulebook(releases=("en16931",))
    with pytest.raises(ConfigurationError, match="unknown"):
        packs_of(safexml.parse(example("network")), "nonsense")
