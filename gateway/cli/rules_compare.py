"""``gateway rules compare``: our own rules and the official ones on the same documents; every difference is printed.

Both sides begin with the same schema check: what it stops, neither rule set is asked about. Anyone can repeat this
with the packs of a standard's owner; it is the proof that our rules are right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import NO, NOT_NOW, WRONG, YES
from gateway.cli.rules import settings
from gateway.cli.terminal import as_json, say, table
from gateway.errors import RulesUnavailable
from gateway.model.document import Finding
from gateway.security import safexml

if TYPE_CHECKING:
    from lxml import etree

    from gateway.judging.comparing import Difference
    from gateway.judging.judge import Judge
    from gateway.judging.pack import Pack
    from gateway.ubl.rules.pack import Pack as NativePack

_SHOWN: Final = 30
"""So many files get a row each; of more, only those that are not equal."""
_EQUAL, _DIFFERENT, _SCHEMA, _NOT_COMPARED, _UNJUDGED, _UNREADABLE = (
    "equal", "different", "stopped by the schema", "not compared", "could not be judged", "cannot be read",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One file on both sides."""

    file: Path
    outcome: str
    why: str = ""
    native: str = ""
    official: str = ""
    native_packs: tuple[tuple[str, str], ...] = ()
    official_packs: tuple[tuple[str, str], ...] = ()
    differences: tuple[Difference, ...] = ()


def run(arguments: argparse.Namespace) -> int:
    """Compare. Exit 0 all equal, 1 a difference, 2 a file cannot be read, 3 one could not be judged or compared."""
    from gateway.judging.judge import open_judge
    from gateway.ubl.names import xpath_of

    rules = settings(arguments)
    if arguments.workers:
        rules = replace(rules, workers=arguments.workers)
    files = list(_files(arguments.files))
    day = datetime.now(UTC).date()
    counts = dict.fromkeys((_EQUAL, _DIFFERENT, _SCHEMA, _NOT_COMPARED, _UNJUDGED, _UNREADABLE), 0)
    shown: list[Compared] = []
    with open_judge(rules, xpath_of) as judge, ThreadPoolExecutor(rules.workers) as threads:
        chosen = [judge.named(name, day) for name in arguments.pack or ()]
        one = partial(_compare, judge=judge, chosen=chosen, day=day, schema_first=not arguments.without_schema)
        for number, compared in enumerate(threads.map(one, files), 1):
            counts[compared.outcome] += 1
            if arguments.json:
                as_json(_as_value(compared))
            elif len(files) <= _SHOWN or compared.outcome not in (_EQUAL, _SCHEMA):
                shown.append(compared)
            _progress(number, len(files), counts)
    if shown:
        _show(shown)
    summary = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    if not files:
        say(f"There is no .xml file in {', '.join(map(str, arguments.files))}")
    else:
        say(f"{len(files)} document{'s' if len(files) > 1 else ''}: {summary}")
    if counts[_DIFFERENT]:
        return NO
    if counts[_UNREADABLE]:
        return WRONG
    return YES if files and counts[_EQUAL] + counts[_SCHEMA] == len(files) else NOT_NOW


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.xml"))
        else:
            yield path


def _compare(file: Path, *, judge: Judge, chosen: Sequence[Pack], day: date, schema_first: bool) -> Compared:
    from gateway.judging.comparing import differences, verdict

    try:
        octets = file.read_bytes()
        root = safexml.parse(octets, huge=True)
    except OSError as error:
        return Compared(file=file, outcome=_UNREADABLE, why=error.strerror or str(error))
    except safexml.UnsafeXml as error:
        return Compared(file=file, outcome=_UNREADABLE, why=str(error))
    try:
        packs = chosen or judge.packs_for(root, day)
        if not packs:
            return Compared(
                file=file, outcome=_NOT_COMPARED, why="no official pack is installed for this document type"
            )
        if schema_first and _schema_stops(octets, root):
            return Compared(file=file, outcome=_SCHEMA)
        judgements = judge.judge(root, packs)
    except RulesUnavailable as error:
        return Compared(file=file, outcome=_UNJUDGED, why=f"{error} {error.remedy}")
    official = [finding for judgement in judgements for finding in judgement.findings]
    known = frozenset(rule for pack in packs for rule, _ in pack.rules)
    ours = list(dict.fromkeys(pack for pack in map(_native_pack, packs) if pack))
    named = tuple((pack.name, pack.version) for pack in packs)
    if not ours:
        why = "no rules of our own for this document type"
        return Compared(file=file, outcome=_NOT_COMPARED, why=why, official=verdict(official), official_packs=named)
    native = _judge_natively(root, ours)
    found = differences(native, official, known)
    return Compared(
        file=file,
        outcome=_DIFFERENT if found else _EQUAL,
        native=verdict(native),
        official=verdict(official),
        native_packs=tuple((pack.name, pack.version) for pack in ours),
        official_packs=named,
        differences=found,
    )


def _schema_stops(octets: bytes, root: etree._Element) -> bool:
    from gateway.ubl import schema
    from gateway.ubl.names import is_invoice

    return is_invoice(root) and bool(schema.check(octets, root))


def _native_pack(official: Pack) -> NativePack | None:
    """Our pack for an official one: of the same rules and, where there are several releases, the same release."""
    from gateway.ubl.rules.pack import load, releases

    known = {rule for rule, _ in official.rules}
    best: tuple[tuple[int, bool], NativePack] | None = None
    for pack in (load(name, version) for name, version in releases()):
        shared = len(known & pack.rules.keys())
        fit = (2 * shared - len(pack.rules), pack.version == official.version)
        if shared and (best is None or fit > best[0]):
            best = fit, pack
    return best[1] if best else None


def _judge_natively(root: etree._Element, packs: Sequence[NativePack]) -> list[Finding]:
    from gateway.judging.judge import ABORTED
    from gateway.ubl.rules.engine import program

    found: list[Finding] = []
    for outcome in program(*packs).judge(root):
        if outcome.stopped is not None:
            found.append(Finding(rule=ABORTED, message=str(outcome.stopped)))
        found += [
            Finding(rule=rule, severity=outcome.pack.rules[rule], message=fault.value) for rule, fault in outcome.faults
        ]
    return found


def _progress(number: int, of: int, counts: dict[str, int]) -> None:
    if of > _SHOWN and sys.stderr.isatty():
        end = "\n" if number == of else ""
        print(f"\r{number} of {of}, {counts[_DIFFERENT]} different ", end=end, file=sys.stderr, flush=True)


def _show(rows: Sequence[Compared]) -> None:
    lines, styles = [], []
    for row in rows:
        told = "\n".join(f"{d.rule} {d.severity}: {d.native} native, {d.official} official" for d in row.differences)
        lines.append([str(row.file), row.native or "–", row.official or "–", told or row.why or row.outcome])
        styles.append(["bold", "", "", "red" if row.differences else "green" if row.outcome == _EQUAL else "yellow"])
    print(table(["file", "native", "official", "differences"], lines, styles=styles))


def _as_value(row: Compared) -> dict[str, Any]:
    return {
        "file": str(row.file),
        "equal": row.outcome in (_EQUAL, _SCHEMA) if row.outcome in (_EQUAL, _SCHEMA, _DIFFERENT) else None,
        "outcome": row.outcome,
        "reason": row.why or None,
        "native": {"verdict": row.native or None, "packs": [{"name": n, "version": v} for n, v in row.native_packs]},
        "official": {
            "verdict": row.official or None,
            "packs": [{"name": n, "version": v} for n, v in row.official_packs],
        },
        "differences": [
            {"rule": d.rule, "severity": str(d.severity), "native": d.native, "official": d.official}
            for d in row.differences
        ],
    }
