"""``gateway validate``: check documents. Today against the UBL 2.1 schemas; rule packs join here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gateway.cli import NO, WRONG, YES
from gateway.cli.terminal import as_json, paint, say, table
from gateway.errors import InvalidDocument
from gateway.model.document import Finding
from gateway.ubl.submission import read_submission


def run(arguments: argparse.Namespace) -> int:
    """One verdict a file; exit 0 when all are valid, 1 when one is not, 2 when one cannot be read."""
    worst = YES
    for path in arguments.files:
        try:
            octets = path.read_bytes()
        except OSError as error:
            say(f"✗ {path} cannot be read: {error.strerror}")
            worst = WRONG
            continue
        result = check(path, octets)
        if not result["valid"] and worst == YES:
            worst = NO
        as_json(result) if arguments.json else _show(result)
    return worst


def check(path: Path, octets: bytes) -> dict[str, Any]:
    """The verdict of one document as ``gateway validate --json`` prints it."""
    findings: tuple[Finding, ...] = ()
    document_type = None
    try:
        submission = read_submission(octets)
        known = submission.facts or submission.envelope
        document_type = str(known.document_type) if known else None
    except InvalidDocument as error:
        findings = error.findings or (Finding(rule="XML", message=str(error)),)
    return {
        "file": str(path),
        "document_type": document_type,
        "valid": not findings,
        "packs": [{"name": "UBL XSD", "version": "2.1"}],
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
