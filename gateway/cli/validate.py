"""``gateway validate``: check documents, against the UBL 2.1 schemas and the rules for their document type."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lxml import etree

from gateway.cli import NO, NOT_NOW, WRONG, YES
from gateway.cli.official import Official, open_official
from gateway.cli.terminal import as_json, paint, say, table
from gateway.errors import InvalidAddress, InvalidDocument, InvalidMessage, RulesUnavailable
from gateway.model.document import Finding, Severity, Verdict
from gateway.model.identifiers import DocumentTypeId
from gateway.ubl.invoice import open_document
from gateway.ubl.names import DOCUMENTS, SBDH, is_invoice, text
from gateway.ubl.rules.judge import PROFILES, Rulebook

_WORDS: Final = {
    "en": {
        "valid": "valid",
        "not valid": "not valid",
        "fatal": "fatal",
        "warning": "warning",
        "rule": "rule",
        "severity": "severity",
        "where": "where",
        "what": "what",
        "more": "… and {} more findings",
    },
    "sv": {
        "valid": "giltig",
        "not valid": "inte giltig",
        "fatal": "fel",
        "warning": "varning",
        "rule": "regel",
        "severity": "allvar",
        "where": "var",
        "what": "vad",
        "more": "… och {} anmärkningar till",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a call judges by."""

    book: Rulebook
    profile: str = ""
    """One of ours; empty: as the document says."""
    official: Official | None = None


def run(arguments: argparse.Namespace) -> int:
    """One verdict a file; exit 0 all valid, 1 one is not, 2 one cannot be read, 3 one could not be judged."""
    named: Sequence[str] = arguments.profile or ()
    ours = [name for name in named if name in PROFILES]
    if len(ours) > 1:
        say(f"✗ --profile names {' and '.join(ours)}; give one of them")
        return WRONG
    arguments.profile = [name for name in named if name not in PROFILES]
    worst = YES
    with open_official(arguments) as official:
        # An installed pack that was named judges alone; one of our profiles alone too.
        profile = ours[0] if ours else "ubl" if arguments.profile else ""
        rules = Rules(
            book=Rulebook(language=arguments.language),
            profile=profile,
            official=official if arguments.profile or not ours else None,
        )
        for path in arguments.files:
            try:
                document_type, verdict = check(path.read_bytes(), rules)
            except OSError as error:
                say(f"✗ {path} cannot be read: {error.strerror}")
                worst = WRONG
                continue
            except RulesUnavailable as error:
                say(f"✗ {path}: {error}\n  {error.remedy}")
                worst = NOT_NOW if worst == YES else worst
                continue
            if not verdict.valid and worst in (YES, NOT_NOW):
                worst = NO
            _print(arguments, path, document_type, verdict)
    return worst


def check(octets: bytes, rules: Rules) -> tuple[str | None, Verdict]:
    """The document type and the verdict. Raises ``RulesUnavailable``."""
    try:
        root = open_document(octets)
        if etree.QName(root).namespace == SBDH:
            octets, root = _unwrapped(octets)
    except InvalidDocument as error:
        found = error.findings or (Finding(rule="XML", message=str(error)),)
        return None, Verdict(findings=tuple(found), count=len(found), valid=False)
    verdict = rules.book.verdict(octets, root, rules.profile)
    document_type = _document_type(root)
    stopped = verdict.packs and not verdict.judged and not verdict.valid  # by the schema
    judged = rules.official.judge(octets, verdict.packs) if rules.official and not stopped else None
    if judged is not None:
        findings = (*verdict.findings, *judged.findings)
        verdict = Verdict(
            packs=(*verdict.packs, *judged.packs),
            judged=True,
            findings=findings,
            count=verdict.count + len(judged.findings),
            valid=verdict.valid and not any(f.severity is Severity.FATAL for f in judged.findings),
        )
        document_type = document_type or judged.document_type
    if verdict.packs or not _is_stranger(root):
        return document_type, verdict
    name = root.tag
    finding = Finding(
        rule="UBL",
        location=f"/{etree.QName(root).localname}",
        message=f"{name} is no document of UBL 2.1, and no rules for it are installed. Hand in the document itself.",
    )
    return document_type, replace(verdict, findings=(finding,), count=1, valid=False)


def _unwrapped(octets: bytes) -> tuple[bytes, etree._Element]:
    from gateway.ubl import sbdh
    from gateway.ubl.invoice import refusal

    try:
        document = sbdh.unwrap(octets).document
    except InvalidMessage as error:
        raise refusal(Finding(rule="SBDH", location="/StandardBusinessDocument", message=error.detail)) from None
    assert isinstance(document, bytes)  # what was read into memory stays there
    return document, open_document(document)


def _is_stranger(root: etree._Element) -> bool:
    """Tell whether the root is outside UBL: then it is more likely the wrong file than a type without rules."""
    return "oasis:names:specification:ubl" not in (etree.QName(root).namespace or "")


def _document_type(root: etree._Element) -> str | None:
    if not is_invoice(root):
        return None
    namespace = etree.QName(root).namespace or ""
    version = text(root, "cbc:UBLVersionID") or "2.1"
    try:
        return str(DocumentTypeId.of(namespace, DOCUMENTS[namespace], text(root, "cbc:CustomizationID"), version))
    except InvalidAddress:
        return None


def _print(arguments: argparse.Namespace, path: Path, document_type: str | None, verdict: Verdict) -> None:
    if (arguments.svrl or arguments.json) and verdict.valid and not verdict.judged:
        say(f"? {path}: {verdict.words}")
    if arguments.svrl:
        from gateway.ubl.rules import svrl

        sys.stdout.buffer.write(svrl.write(verdict.findings, str(path)))
        return
    result = as_value(path, document_type, verdict)
    as_json(result) if arguments.json else _show(result, verdict, arguments.language)


def as_value(path: Path, document_type: str | None, verdict: Verdict) -> dict[str, Any]:
    """One line of ``gateway validate --json``."""
    return {
        "file": str(path),
        "document_type": document_type,
        "valid": verdict.valid,
        "packs": [{"name": name, "version": version} for name, version in verdict.packs],
        "findings": [
            {
                "rule": f.rule,
                "severity": str(f.severity),
                "location": f.location,
                "message": f.message,
                "value": f.value,
            }
            for f in verdict.findings
        ],
    }


def _show(result: dict[str, Any], verdict: Verdict, language: str) -> None:
    words = _WORDS[language]
    if not verdict.valid:
        mark = paint(f"✗ {words['not valid']}", "red")
    elif verdict.judged:
        mark = paint(f"✓ {words['valid']}", "green")
    else:
        mark = paint(f"? {verdict.words}", "yellow")
    packs = ", ".join(f"{name} {version}" for name, version in verdict.packs)
    print(f"{mark}  {result['file']}  {paint(result['document_type'] or '', 'dim')}  {paint(packs, 'dim')}")
    rows = [[f["rule"], words[f["severity"]], f["location"], f["message"]] for f in result["findings"]]
    if rows:
        heading = [words[name] for name in ("rule", "severity", "where", "what")]
        print(table(heading, rows, styles=[["bold", "red", "dim", ""] for _ in rows]))
    if verdict.count > len(rows):
        print(words["more"].format(verdict.count - len(rows)))
