"""The file that a publisher offers becomes one stylesheet, checked: a Schematron, a compiled XSLT, or a zip of either.

Limits: 20 MB a file, 50 MB and 500 files in a zip, 30 MB of stylesheet. Nothing is read but the given octets.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from lxml import etree

from gateway.judging.describing import namespaces_of, rules_of, scopes_of, version_of
from gateway.judging.expanding import SCH, XSL, expand, sch
from gateway.judging.pack import Pack, Scope, UnusablePack, checked_name
from gateway.judging.reach import refuse_reach
from gateway.judging.schematron import SVRL, transpile
from gateway.security import safexml

MAX_FILE: Final = 20_000_000
MAX_ARCHIVE: Final = 50_000_000
MAX_ENTRIES: Final = 500
MAX_STYLESHEET: Final = 30_000_000
_SUFFIXES: Final = (".sch", ".xsl", ".xslt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A pack that was read and not yet put on the shelf."""

    pack: Pack
    octets: bytes
    """As given."""
    stylesheet: bytes
    """What runs."""
    schema: bytes | None
    """The schema written out, which runs where there is no XSLT processor; None for a pack that is XSLT."""

    def program(self, kind: str) -> bytes | None:
        """What a processor takes of it: ``xslt`` or ``schematron``."""
        return self.stylesheet if kind == "xslt" else self.schema


def read_pack(
    octets: bytes, file: str, *, name: str = "", version: str = "", scopes: tuple[Scope, ...] = (), entry: str = ""
) -> Source:
    """Read a pack. ``entry`` names the main file of a zip; ``name``, ``version``, ``scopes`` override what it says.

    Raises :class:`UnusablePack` with what is wrong, where, and what to do.
    """
    if len(octets) > MAX_FILE:
        raise UnusablePack(f"{file} has {len(octets)} octets; at most {MAX_FILE} are taken")
    files = _unzip(octets) if octets[:4] == b"PK\x03\x04" else {PurePosixPath(file).name: octets}
    path = _main(files, entry)
    commented = _parse(files, path, comments=True)  # the version often stands in a comment
    _refuse_stranger(commented, path)
    kind = "schematron" if commented.tag == sch("schema") else "xslt"
    schema = expand(_parse(files, path), path, lambda wanted: _parse(files, wanted))
    sheet = transpile(schema) if kind == "schematron" else schema
    refuse_reach(sheet)
    stylesheet = etree.tostring(sheet, encoding="UTF-8", xml_declaration=True)
    written = etree.tostring(schema, encoding="UTF-8", xml_declaration=True) if kind == "schematron" else None
    if len(stylesheet) > MAX_STYLESHEET:
        raise UnusablePack(f"The stylesheet of {path} has {len(stylesheet)} octets; at most {MAX_STYLESHEET} are run")
    rules = rules_of(schema)
    if not rules:
        raise UnusablePack(f"{path} has no rule with an id: it is no pack that can be compared or reported")
    namespaces = namespaces_of(schema)
    found = scopes or scopes_of(schema, namespaces)
    if not found:
        raise UnusablePack(
            f"{path} does not say which documents it is for",
            remedy="Say it: --document-type urn:…:xsd:Order-2::Order (repeat it for several).",
        )
    sha256 = hashlib.sha256(octets).hexdigest()
    named, numbered = _name(path)
    return Source(
        octets=octets,
        stylesheet=stylesheet,
        schema=written,
        pack=Pack(
            sha256=sha256,
            name=checked_name(name or named),
            version=(version or version_of(commented) or numbered or sha256[:12])[:40],
            kind=kind,
            file=PurePosixPath(file).name[:200],
            stylesheet_sha256=hashlib.sha256(stylesheet).hexdigest(),
            schema_sha256=hashlib.sha256(written).hexdigest() if written is not None else "",
            scopes=found,
            namespaces=namespaces,
            rules=rules,
        ),
    )


def _name(path: str) -> tuple[str, str]:
    """Name and version that a file name says: ``peppol-mls-1.0.1.sch``."""
    stem = re.sub(r"[^A-Za-z0-9._+-]+", "-", PurePosixPath(path).stem).strip("-._+")[:100] or "pack"
    match = re.fullmatch(r"(.+?)[-_]v?(\d+(?:\.\d+)+)", stem)
    return (match[1], match[2]) if match else (stem, "")


def _unzip(octets: bytes) -> dict[str, bytes]:
    """The XML files of a zip, by path. What a header says about sizes is not believed."""
    files: dict[str, bytes] = {}
    left = MAX_ARCHIVE
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_ENTRIES:
                raise UnusablePack(f"The zip has {len(entries)} files; at most {MAX_ENTRIES} are taken")
            for entry in entries:
                with archive.open(entry) as opened:
                    content = opened.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise UnusablePack(f"Unpacked, the zip has more than {MAX_ARCHIVE} octets")
                files[entry.filename] = content
    # (zipfile says NotImplementedError of a compression that it does not know, RuntimeError of an encrypted file)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise UnusablePack(f"The zip cannot be unpacked: {error}") from None
    return files


def _main(files: dict[str, bytes], entry: str) -> str:
    """The file to begin with: the one named, or the only one that no other includes."""
    if entry:
        if entry not in files:
            raise UnusablePack(f"There is no file “{entry[:120]}” in it", remedy="Name it as the zip does.")
        return entry
    if len(files) == 1:
        return next(iter(files))
    included = b"\n".join(
        reference for octets in files.values() for reference in re.findall(rb"href\s*=\s*[\"']([^\"'#]{1,400})", octets)
    ).decode(errors="replace")
    names = {PurePosixPath(line).name for line in included.split("\n")}
    heads = [
        path
        for path, octets in files.items()
        if path.endswith(_SUFFIXES) and PurePosixPath(path).name not in names and _is_head(octets)
    ]
    if len(heads) != 1:
        listed = ", ".join(sorted(heads)[:12]) or "none"
        raise UnusablePack(
            f"The zip has {len(heads)} files that could be the pack ({listed})",
            remedy="Say which: --entry PATH-IN-THE-ZIP.",
        )
    return heads[0]


def _is_head(octets: bytes) -> bool:
    try:
        root = safexml.parse(octets)
    except safexml.UnsafeXml:
        return False
    return root.tag in (sch("schema"), f"{{{XSL}}}stylesheet", f"{{{XSL}}}transform")


def _parse(files: dict[str, bytes], path: str, *, comments: bool = False) -> etree._Element:
    if path not in files:
        raise UnusablePack(
            f"“{path[:200]}” is included, but not in the given file",
            remedy="Pack the schema and everything it includes into one .zip with the same folders, and give that.",
        )
    try:
        return safexml.parse(files[path], huge=True, drop_comments=not comments)
    except safexml.UnsafeXml as error:
        line = f", line {error.line}" if error.line else ""
        raise UnusablePack(f"{path}{line}: {error}") from None


def _refuse_stranger(root: etree._Element, path: str) -> None:
    """Raise :class:`UnusablePack` for a file that is neither Schematron nor XSLT that reports."""
    if root.tag == sch("schema"):
        return
    if root.tag not in (f"{{{XSL}}}stylesheet", f"{{{XSL}}}transform"):
        name = etree.QName(root)
        hint = " (an old Schematron 1.5)" if "ascc.net" in (name.namespace or "") else ""
        raise UnusablePack(
            f"{path} is neither Schematron nor XSLT: its root is {name.localname}{hint}, namespace {name.namespace}",
            remedy=f"A Schematron has the namespace {SCH}.",
        )
    if next(root.iter(f"{{{SVRL}}}failed-assert", f"{{{SVRL}}}successful-report"), None) is None:
        raise UnusablePack(f"{path} is XSLT, but writes no SVRL report: it is no compiled Schematron")
