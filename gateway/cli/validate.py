"""``gateway validate``: check documents, against the UBL 2.1 schemas and the rule packs for their document type."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gateway.cli import NO, NOT_NOW, WRONG, YES
from gateway.cli.official import Official, open_official
from gateway.cli.terminal import as_json, paint, say, table
from gateway.errors import InvalidDocument, RulesUnavailable
from gateway.model.document import Finding, Severity
from gateway.ubl.submission import read_submission


def run(arguments: argparse.Namespace) -> int:
    """One verdict a file; exit 0 all valid, 1 one is not, 2 one cannot be read, 3 one could not be judged."""
    worst = YES
    with open_official(arguments) as official:
        for path in arguments.files:
            try:
                result = check(path, path.read_bytes(), official)
            except OSError as error:
                say(f"✗ {path} cannot be read: {error.strerror}")
                worst = WRONG
                continue
            except RulesUnavailable as error:
                say(f"✗ {path}: {error}\n  {error.remedy}")
                worst = NOT_NOW if worst == YES else worst
                continue
            if not result["valid"] and worst in (YES, NOT_NOW):
                worst = NO
            as_json(result) if arguments.json else _show(result)
    return worst


def check(path: Path, octets: bytes, official: Official | None = None) -> dict[str, Any]:
    """The verdict of one document as ``gateway validate --json`` prints it. Raises ``RulesUnavailable``."""
    findings: tuple[Finding, ...] = ()
    document_type = None
    packs = [("UBL XSD", "2.1")]
    document = octets
    try:
        submission = read_submission(octets)
        known = submission.facts or submission.envelope
        document_type = str(known.document_type) if known else None
        document = submission.document
        if submission.facts is None:
            packs = []
    except InvalidDocument as error:
        findings = error.findings or (Finding(rule="XML", message=str(error)),)
    another = [finding.rule for finding in findings] == ["UBL"]  # well-formed, of a type that has no schema here
    if official and (another or not findings) and (judged := official.judge(document)):
        packs = judged.packs if another else packs + judged.packs
        findings = judged.findings
        document_type = document_type or judged.document_type
    return {
        "file": str(path),
        "document_type": document_type,
        "valid": not any(f.severity is Severity.FATAL for f in findings),
        "packs": [{"name": name, "version": version} for name, version in packs],
        "findings": [
            {
                "rule": f.rule,
                "severity": str(f.severity),
                "location": f.location,
                "message": f.message,
                "value": f.value,
            }
            for f in findings
        ],
    }


def _show(result: dict[str, Any]) -> None:
    mark = paint("✓ valid", "green") if result["valid"] else paint("✗ not valid", "red")
    print(f"{mark}  {result['file']}  {paint(result['document_type'] or '', 'dim')}")
    rows = [[f["rule"], f["severity"], f["location"], f["message"]] for f in result["findings"]]
    if rows:
        print(table(["rule", "severity", "where", "what"], rows, styles=[["bold", "red", "dim", ""] for _ in rows]))
