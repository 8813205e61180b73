"""The folder of installed packs: ``SHA-256/`` with ``manifest.json``, the file as given, and what runs.

A pack appears whole or not at all, and never changes; what was changed from outside is not run. Everything here blocks.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from gateway.errors import NotFound, RulesUnavailable
from gateway.files import UNFINISHED, make_directory, publish_directory, remove_leftovers, write_durably
from gateway.judging.pack import Pack, UnusablePack, read_manifest, write_manifest
from gateway.judging.reading import Source

_MANIFEST: Final = "manifest.json"
_STYLESHEET: Final = "rules.xsl"
_SCHEMA: Final = "rules.sch"


class Shelf:
    """The installed packs of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def packs(self) -> list[Pack]:
        """Every pack, by name and version. Raises :class:`RulesUnavailable` when one cannot be read.

        None is passed over: a document would go out without the check that the operator asked for.
        """
        found = []
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        for place in places:
            if place.is_dir() and not place.name.startswith("."):
                try:
                    found.append(read_manifest((place / _MANIFEST).read_bytes()))
                except (OSError, ValueError) as error:
                    raise RulesUnavailable(
                        f"The rule pack in {place} cannot be read: {error}",
                        remedy="Remove that directory and install the pack again.",
                    ) from None
        return sorted(found, key=lambda pack: (pack.name, pack.installed, pack.version))

    def put(self, source: Source, *, proved: str) -> tuple[Pack, bool]:
        """Keep a pack; the answer tells whether it is new. ``proved`` is the processor that compiled it.

        Raises :class:`UnusablePack` when another content has that name and version, or this content another name.
        """
        pack = replace(source.pack, proved=proved)
        for other in self.packs():
            same = other.sha256 == pack.sha256
            if (other.name, other.version) == (pack.name, pack.version) and not same:
                raise UnusablePack(
                    f"There is another pack {other.name} {other.version} (from {other.file}, {other.installed[:10]})",
                    remedy=f"Give this one another --name or --pack-version, or: gateway rules remove {other.name}",
                )
            if same and _meant(other) != _meant(pack):
                raise UnusablePack(
                    f"This file is installed already, as {other.name} {other.version} for other documents or dates",
                    remedy=f"gateway rules remove {other.name} --pack-version {other.version}, then install it again.",
                )
            if same:
                if pack.proved and not other.proved:
                    other = replace(other, proved=pack.proved)
                    write_durably(self._place(other) / _MANIFEST, write_manifest(other))
                return other, False
        make_directory(self.folder)
        remove_leftovers(self.folder)
        files = {
            "source" + PurePosixPath(pack.file).suffix.lower()[:6]: source.octets,
            _STYLESHEET: source.stylesheet,
            _MANIFEST: write_manifest(pack),
        }
        if source.schema is not None:
            files[_SCHEMA] = source.schema
        publish_directory(files, self._place(pack))
        return pack, True

    def find(self, name: str, version: str = "") -> list[Pack]:
        """The packs of this name (and version), or whose digest begins so; raises :class:`NotFound` for none."""
        packs = self.packs()
        found = [
            pack
            for pack in packs
            if (pack.name == name or (len(name) >= 8 and pack.sha256.startswith(name)))
            and (not version or pack.version == version)
        ]
        if not found:
            known = ", ".join(f"{p.name} {p.version}" for p in packs) or "none"
            raise NotFound(
                f"No rule pack “{name[:80]}{' ' + version if version else ''}” is installed",
                remedy=(f"Installed are: {known}."),
            )
        return found

    def remove(self, pack: Pack) -> None:
        """Take a pack away: first out of sight, then its files."""
        place = self._place(pack)
        hidden = place.with_name(UNFINISHED + place.name)
        shutil.rmtree(hidden, ignore_errors=True)
        place.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)

    def program(self, pack: Pack, kind: str) -> bytes | None:
        """What runs: the ``xslt``, or the ``schematron`` written out, None where there is none.

        Raises :class:`RulesUnavailable` when it is not what was installed.
        """
        digest = pack.stylesheet_sha256 if kind == "xslt" else pack.schema_sha256
        if not digest:
            return None
        place = self._place(pack) / (_STYLESHEET if kind == "xslt" else _SCHEMA)
        try:
            octets = place.read_bytes()
        except OSError as error:
            raise RulesUnavailable(f"The rule pack {pack.name} cannot be read: {error}") from None
        if hashlib.sha256(octets).hexdigest() != digest:
            raise RulesUnavailable(
                f"{place} is not what was installed as {pack.name} {pack.version}",
                remedy=f"Find out who changed it; then gateway rules remove {pack.name}, and install it again.",
            )
        return octets

    def _place(self, pack: Pack) -> Path:
        return self.folder / pack.sha256


def _meant(pack: Pack) -> tuple[object, ...]:
    return pack.name, pack.version, pack.scopes, pack.valid_from, pack.valid_to
