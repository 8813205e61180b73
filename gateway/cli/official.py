"""The installed official rule packs, for ``gateway validate``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from gateway.cli.rules import settings
from gateway.errors import InvalidAddress
from gateway.model.document import Finding
from gateway.model.identifiers import DocumentTypeId

if TYPE_CHECKING:
    from gateway.judging.judge import Judge
    from gateway.judging.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the official packs say of one document."""

    document_type: str | None
    packs: list[tuple[str, str]]
    findings: tuple[Finding, ...]


class Official:
    """Judges documents with the installed packs for their type, or with those that were named."""

    def __init__(self, judge: Judge, named: Sequence[Pack], day: date) -> None:
        self._judge = judge
        self._named = named
        self._day = day

    def judge(self, document: bytes, native: Sequence[tuple[str, str]] = ()) -> Judged | None:
        """What they say; None when no pack is for this document. Raises ``RulesUnavailable``.

        Packs whose rules are those of a ``native`` one (name, version) that has judged already are left out.
        """
        from gateway.judging.judge import kind_of
        from gateway.ubl.invoice import open_document

        root = open_document(document)
        packs = self._named or [p for p in self._judge.packs_for(root, self._day) if not _same_rules(p, native)]
        if not packs:
            return None
        judgements = self._judge.judge(root, packs)
        return Judged(
            document_type=_document_type(*kind_of(root)),
            packs=[(pack.name, pack.version) for pack in packs],
            findings=tuple(finding for judgement in judgements for finding in judgement.findings),
        )


def _same_rules(official: Pack, native: Sequence[tuple[str, str]]) -> bool:
    from gateway.ubl.rules.pack import load, releases

    rules = {rule for rule, _ in official.rules}
    ours = [load(*release) for release in native if release in releases()]
    return any(2 * len(rules & pack.rules.keys()) > len(rules) for pack in ours)


@contextmanager
def open_official(arguments: argparse.Namespace) -> Iterator[Official | None]:
    """The installed packs; None when there is none. ``--profile`` names some; raises ``NotFound`` for a stranger."""
    rules = settings(arguments)
    named: Sequence[str] = arguments.profile or ()
    if not named and not rules.folder.is_dir():
        yield None
        return
    from gateway.judging.judge import open_judge
    from gateway.ubl.names import xpath_of

    day = datetime.now(UTC).date()
    with open_judge(rules, xpath_of) as judge:
        yield Official(judge, [judge.named(name, day) for name in named], day)


def _document_type(root: str, customization: str) -> str | None:
    namespace, _, name = root[1:].rpartition("}")
    try:
        return str(DocumentTypeId.of(namespace, name, customization, "2.1"))
    except InvalidAddress:
        return None
