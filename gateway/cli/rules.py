"""``gateway rules``: official rule packs. Install one, list them, take one away."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import NOT_NOW, WRONG, YES
from gateway.cli.terminal import as_json, paint, say, table
from gateway.config import Rules, load
from gateway.judging.pack import Pack, Scope, UnusablePack, checked_name

if TYPE_CHECKING:
    from gateway.judging.shelf import Shelf
    from gateway.judging.workers import Workers


def settings(arguments: argparse.Namespace) -> Rules:
    """``[rules]`` of the configuration; its defaults in a directory that has none. ``--folder`` goes before both."""
    rules = Rules(folder=Path("var/rules"))
    if arguments.config or _configured():
        rules = load(arguments.config).rules
    folder: Path | None = getattr(arguments, "folder", None)
    return replace(rules, folder=folder) if folder else rules


def _configured() -> bool:
    return bool(os.environ.get("GATEWAY_CONFIG")) or Path("config.toml").exists()


def install(arguments: argparse.Namespace) -> int:
    """Check a pack, compile it once, keep it. Exit 0 installed, 2 unusable, 3 kept but with nothing to run it."""
    from gateway.judging.judge import dated
    from gateway.judging.judge import install as keep
    from gateway.judging.reading import MAX_FILE, read_pack

    shelf, workers = _open(arguments)
    path: Path = arguments.file
    try:
        if path.stat().st_size > MAX_FILE:
            raise UnusablePack(f"{path} has more than {MAX_FILE} octets")
        source = read_pack(
            path.read_bytes(),
            path.name,
            name=checked_name(arguments.name) if arguments.name else "",
            version=arguments.pack_version or "",
            scopes=tuple(map(Scope.parse, arguments.document_type or ())),
            entry=arguments.entry or "",
        )
        source = dated(
            source,
            installed=datetime.now(UTC).isoformat(timespec="seconds"),
            valid_from=_day(arguments.valid_from),
            valid_to=_day(arguments.valid_to),
        )
        with workers:
            pack, new, missing = keep(source, shelf, workers)
    except OSError as error:
        say(f"{paint('✗', 'red', to=sys.stderr)} {error.filename or path}: {error.strerror}")
        return WRONG
    except UnusablePack as error:
        if arguments.json:
            as_json({"error": "UnusablePack", "message": str(error), "remedy": error.remedy})
        say(f"{paint('✗', 'red', to=sys.stderr)} {error}\n  {error.remedy}")
        return WRONG
    if arguments.json:
        as_json(_as_value(pack) | {"new": new, "folder": str(shelf.folder)})
    else:
        _show_installed(pack, new)
    if missing is not None:
        say(f"{paint('!', 'yellow', to=sys.stderr)} The pack is kept, but was not tried. {missing}\n  {missing.remedy}")
        return NOT_NOW
    return YES


def list_all(arguments: argparse.Namespace) -> int:
    """Every installed pack."""
    shelf, _ = _open(arguments)
    packs = shelf.packs()
    if arguments.json:
        as_json({"folder": str(shelf.folder), "packs": [_as_value(pack) for pack in packs]})
        return YES
    if not packs:
        print(f"No official rule pack is installed in {shelf.folder}.")
        return YES
    rows = [
        [
            f"{pack.name}\n{pack.sha256[:12]}",
            pack.version,
            "\n".join(_short(scope) for scope in pack.scopes),
            str(len(pack.rules)),
            f"{pack.valid_from or '–'}\n{pack.valid_to or '–'}",
            pack.proved or "not tried",
        ]
        for pack in packs
    ]
    heads = ["pack", "version", "documents", "rules", "valid", "compiled by"]
    print(table(heads, rows, styles=[["bold", "", "", "", "", "dim"] for _ in rows], right=frozenset({3})))
    return YES


def remove(arguments: argparse.Namespace) -> int:
    """Take a pack away."""
    shelf, _ = _open(arguments)
    found = shelf.find(arguments.name, arguments.pack_version or "")
    if len(found) > 1:
        say(f"There are several: {', '.join(f'{p.name} {p.version}' for p in found)}\n  Say which: --pack-version V")
        return WRONG
    shelf.remove(found[0])
    if arguments.json:
        as_json(_as_value(found[0]))
    else:
        print(f"{paint('✓', 'green')} removed {found[0].name} {found[0].version}")
    return YES


def _open(arguments: argparse.Namespace) -> tuple[Shelf, Workers]:
    from gateway.judging.shelf import Shelf
    from gateway.judging.workers import Limits, Workers

    rules = settings(arguments)
    limits = Limits(seconds=rules.time_limit.total_seconds(), memory=rules.memory_limit)
    return Shelf(rules.folder), Workers(most=1, limits=limits)


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnusablePack(f"“{text[:40]}” is no day", remedy="Write it as 2026-11-28.") from None


def _show_installed(pack: Pack, new: bool) -> None:
    done = "installed" if new else "is installed already:"
    print(
        f"{paint('✓', 'green')} {done} {paint(pack.name, 'bold')} {pack.version} ({pack.kind}, {len(pack.rules)} rules)"
    )
    for scope in pack.scopes:
        print(f"  for {scope}")
    wide = [scope for scope in pack.scopes if not scope.customization]
    if wide:
        say(
            f"{paint('!', 'yellow', to=sys.stderr)} It judges every {' and '.join(map(_short, wide))}, whatever "
            "specification the document follows.\n  If it is for one only, remove it and install it with: "
            f"--document-type '{wide[0]}##HOW-THE-CUSTOMIZATION-ID-BEGINS'"
        )
    if pack.proved:
        print(paint(f"  compiled by {pack.proved}", "dim"))


def _short(scope: Scope) -> str:
    name = scope.root.rpartition("}")[2]
    return f"{name} {scope.customization}*" if scope.customization else name


def _as_value(pack: Pack) -> dict[str, Any]:
    return {
        "name": pack.name,
        "version": pack.version,
        "kind": pack.kind,
        "file": pack.file,
        "sha256": pack.sha256,
        "document_types": [str(scope) for scope in pack.scopes],
        "namespaces": list(pack.namespaces),
        "rules": len(pack.rules),
        "valid_from": str(pack.valid_from) if pack.valid_from else None,
        "valid_to": str(pack.valid_to) if pack.valid_to else None,
        "installed": pack.installed,
        "compiled_by": pack.proved or None,
    }
