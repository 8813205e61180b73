"""What a rule pack is: the value that stands in its manifest.

A pack belongs to document types: a root element and, where the pack says so, the beginning of the CustomizationID.
Source: ISO/IEC 19757-3 (Schematron), Peppol Policy for use of Identifiers 4.4 (document types).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from gateway.errors import PermanentError
from gateway.model.document import Severity

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)
_WARNINGS: Final = frozenset({"warning", "warn", "information", "info", "note", "hint", "notice"})


class UnusablePack(PermanentError):
    """The file cannot be used as a rule pack."""

    remedy = "Take the file as its publisher offers it: one .sch, one compiled .xslt, or the whole .zip."


@dataclass(frozen=True, slots=True)
class Scope:
    """Documents that a pack is for: ``{namespace}Name`` of the root, and how their CustomizationID begins."""

    root: str
    customization: str = ""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read ``namespace::Name``, with ``##customization`` or as a whole document type identifier.

        Raises :class:`UnusablePack`.
        """
        bare = text.strip()
        for scheme in ("busdox-docid-qns::", "peppol-doctype-wildcard::"):
            bare = bare.removeprefix(scheme)
        syntax, _, rest = bare.partition("##")
        namespace, mark, name = syntax.rpartition("::")
        if not mark or not namespace or not re.fullmatch(r"[A-Za-z_][\w.-]{0,99}", name) or len(bare) > 500:
            raise UnusablePack(
                f"“{text[:120]}” is no document type",
                remedy="Write namespace::Name, namespace::Name##customization, or a document type identifier.",
            )
        customization = rest.rpartition("::")[0] if "::" in rest else rest
        return cls(f"{{{namespace}}}{name}", customization.removesuffix("*"))

    def covers(self, root: str, customization: str) -> bool:
        """Tell whether a document with this root element and CustomizationID is meant."""
        return root == self.root and customization.startswith(self.customization)

    def __str__(self) -> str:
        namespace, _, name = self.root[1:].rpartition("}")
        return f"{namespace}::{name}" + (f"##{self.customization}" if self.customization else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One installed rule pack. Its files never change; another version is another pack."""

    sha256: str
    """Of the file as it was given: the pack's identity."""
    name: str
    version: str
    kind: str
    """``schematron`` or ``xslt``."""
    file: str
    """Name of the file it came from."""
    stylesheet_sha256: str
    """Of the XSLT that runs; checked each time it is read."""
    schema_sha256: str
    """Of the schema written out, which runs without an XSLT processor; empty for a pack that is XSLT."""
    scopes: tuple[Scope, ...]
    namespaces: tuple[str, ...] = ()
    rules: tuple[tuple[str, Severity], ...] = ()
    """Every rule that can fire, with its severity, in the pack's order."""
    installed: str = ""
    """UTC, ISO 8601."""
    proved: str = ""
    """The processor that compiled it at installation; empty: none was there."""
    valid_from: date | None = None
    valid_to: date | None = None

    def covers(self, root: str, customization: str) -> bool:
        """Tell whether the pack is for documents of this kind."""
        return any(scope.covers(root, customization) for scope in self.scopes)

    def valid_on(self, day: date) -> bool:
        """Tell whether the pack is in force on this day."""
        return (self.valid_from or day) <= day <= (self.valid_to or day)


def choose(packs: Iterable[Pack], root: str, customization: str, day: date) -> list[Pack]:
    """The packs for a document on a day, in their names' order: of each name the one that came into force last."""
    newest: dict[str, Pack] = {}
    for pack in packs:
        if pack.covers(root, customization) and pack.valid_on(day):
            other = newest.get(pack.name)
            if other is None or _age(pack) > _age(other):
                newest[pack.name] = pack
    return [newest[name] for name in sorted(newest)]


def _age(pack: Pack) -> tuple[date, str]:
    return pack.valid_from or date.min, pack.installed


def severity_of(flag: str) -> Severity:
    """What a Schematron ``flag`` or ``role`` means; a word that we do not know refuses the document."""
    return Severity.WARNING if flag.strip().lower() in _WARNINGS else Severity.FATAL


def checked_name(text: str) -> str:
    """A pack's name; raises :class:`UnusablePack`."""
    if not _NAME.fullmatch(text):
        raise UnusablePack(
            f"“{text[:80]}” is no name for a pack", remedy="Use letters, digits and . _ + -, at most 100 of them."
        )
    return text


def write_manifest(pack: Pack) -> bytes:
    """The manifest as JSON."""
    return (json.dumps(asdict(pack), default=str, ensure_ascii=False, indent=1) + "\n").encode()


def read_manifest(octets: bytes) -> Pack:
    """Read a manifest; raises ``ValueError`` when it is none."""
    try:
        value: dict[str, Any] = json.loads(octets)
        return Pack(
            **value
            | {
                "scopes": tuple(Scope(s["root"], s["customization"]) for s in value["scopes"]),
                "namespaces": tuple(value["namespaces"]),
                "rules": tuple((rule, Severity(severity)) for rule, severity in value["rules"]),
                "valid_from": date.fromisoformat(value["valid_from"]) if value["valid_from"] else None,
                "valid_to": date.fromisoformat(value["valid_to"]) if value["valid_to"] else None,
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no manifest of a pack: {error}") from None
