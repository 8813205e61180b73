"""``gateway check``: the effective configuration with its origins, then everything it names."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import shutil
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gateway.cli import NO, YES
from gateway.cli.terminal import as_json, paint, table
from gateway.config import Config, load
from gateway.config.secrets import without_password

if TYPE_CHECKING:
    from gateway.app import Files
    from gateway.pki.watch import ListState

_SECRET: Final = ("password", "secret", "token")
Verdict = tuple[str, bool, str]


def run(arguments: argparse.Namespace) -> int:
    """Show and check; exit 0 when all is well, 1 when something is not, 2 when the configuration cannot be read."""
    config = load(arguments.config)
    settings = list(_settings(config))
    verdicts = asyncio.run(_verdicts(config))
    good = all(ok for _, ok, _ in verdicts)
    notes = _not_built(config)
    if arguments.json:
        as_json(
            {
                "ok": good,
                "configuration": [{"key": k, "value": v, "origin": o} for k, v, o in settings],
                "checks": [{"name": n, "ok": ok, "text": t} for n, ok, t in verdicts],
                "not_built": notes,
            }
        )
        return YES if good else NO
    rows = [[k, v, o] for k, v, o in settings]
    print(table(["key", "value", "origin"], rows, styles=[["bold", "", "dim"] for _ in rows]))
    for name, ok, text in verdicts:
        print(f"{paint('✓', 'green') if ok else paint('✗', 'red')} {paint(f'{name:14}', 'bold')} {text}")
    for text in notes:
        print(f"{paint('!', 'yellow')} {paint('not built yet', 'bold')}  {text}")
    return YES if good else NO


def _not_built(config: Config) -> list[str]:
    from gateway.server import not_built

    return not_built(config)


def _settings(config: Config) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for section in dataclasses.fields(config):
        value = getattr(config, section.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for key in dataclasses.fields(value):
                rows.append(_row(config, f"{section.name}.{key.name}", getattr(value, key.name)))
        elif section.name not in ("base", "file", "origins") and value is not None:
            rows.extend(_row(config, f"{section.name}.{path}", leaf) for path, leaf in _leaves(value))
    return rows


def _leaves(table_: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table_.items():
        here = f"{path}.{key}" if path else key
        found.extend(_leaves(value, here) if isinstance(value, Mapping) else [(here, value)])
    return found


def _row(config: Config, path: str, value: object) -> tuple[str, str, str]:
    key = path.rpartition(".")[2]
    hidden = any(word in key for word in _SECRET) and not key.endswith("_file")
    shown = "(hidden)" if hidden and value else without_password(_shown(value))
    return path, shown, config.origins.get(path, "default")


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(_shown(v) for v in value) or "–"
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


async def _verdicts(config: Config) -> list[Verdict]:
    return [
        *await _certificates(config),
        *_tls(config),
        _clock(),
        await _database(config),
        _disk(config),
        await _dns(config),
        *await _sml(config),
        *await _mail(config),
        await _antivirus(config),
        *_second_factor(config),
    ]


def _second_factor(config: Config) -> list[Verdict]:
    """Whether the key of second factors can be read, and by nobody else; nothing before its first use."""
    file = config.base / config.portal.second_factor_key
    if not (config.portal.enabled and file.exists()):
        return []
    from gateway.security.tokens import read_key

    try:
        read_key(file)
    except (OSError, ValueError) as error:
        return [("second factor", False, f"portal.second_factor_key: {error}")]
    return [("second factor", True, "its key can be read, and by nobody else")]


async def _antivirus(config: Config) -> Verdict:
    """Whether the virus scanner answers, and of when its signatures are; that there is none is no fault."""
    from gateway.errors import ConfigurationError, ScannerUnavailable
    from gateway.scanners import NO_ANTIVIRUS, open_clamd

    try:
        clamd = open_clamd(config)
        text = NO_ANTIVIRUS if clamd is None else await clamd.version()
    except ConfigurationError as error:
        return "virus scanner", False, "; ".join(f"{path}: {text}" for path, text in error.problems)
    except ScannerUnavailable as error:
        return "virus scanner", False, f"{error}; what has attachments waits until it answers"
    return "virus scanner", True, text


async def _mail(config: Config) -> list[Verdict]:
    """Mail servers, keys, names in the DNS; nothing without ``[email]`` and ``[mailbox]``."""
    if config.email is None and config.mailbox is None:
        return []
    from gateway.correspondence.checks import check_mail

    return await check_mail(config)


async def _certificates(config: Config) -> list[Verdict]:
    """Our certificates, when they and their authorities end, and each authority's revocation list."""
    from gateway.app import SystemClock, open_revocation, read_files
    from gateway.errors import ConfigurationError
    from gateway.security.expiry import expiries

    clock = SystemClock()
    try:
        files = read_files(config)
    except ConfigurationError as error:
        return [("keys", False, "; ".join(f"{p}: {t}" for p, t in error.problems))]
    own = [identity.certificate for identity in (files.access_point, files.smp) if identity]
    verdicts: list[Verdict] = []
    async with open_revocation(config, files.trust, clock, own) as watch:
        if watch:
            await watch.settle()
        verdicts.append(_keys(files, clock.now()))
        verdicts += [_list(state, clock.now()) for state in (watch.states() if watch else ())]
    for expiry in expiries((*own, *files.trust.access_point, *files.trust.smp), clock.now()):
        if expiry.step is not None:
            verdicts.append(("expiry", not expiry.urgent, f"{expiry.text}; see to a new one"))
    return verdicts


def _keys(files: Files, now: datetime) -> Verdict:
    from gateway.errors import RevocationUnknown, Untrusted
    from gateway.security.trust import Role

    try:
        believed = [files.trust.believe(files.access_point.der, Role.ACCESS_POINT, now)]
        if files.smp:
            believed.append(files.trust.believe(files.smp.der, Role.SMP, now))
    except (Untrusted, RevocationUnknown) as error:
        return "keys", False, f"{error}. {error.remedy}"
    return "keys", True, ", ".join(f"{b.common_name} ({b.role}) until {b.expires:%Y-%m-%d}" for b in believed)


def _list(state: ListState, now: datetime) -> Verdict:
    if state.held is None:
        return "revocation", False, f"no list: {state.problem or f'{state.url} was not asked in time'}"
    held = state.held
    number = "" if held.number is None else f" {held.number}"
    hours = (now - held.this_update).total_seconds() / 3600
    text = (
        f"{held.authority_name}: list{number} of {held.this_update:%Y-%m-%d %H:%M} UTC ({hours:.0f} h old), "
        f"next {held.next_update:%Y-%m-%d %H:%M} UTC, {held.count} entries"
    )
    return (
        "revocation",
        not state.problem and now < held.next_update,
        f"{text}. {state.problem}" if state.problem else text,
    )


def _tls(config: Config) -> list[Verdict]:
    """What the sites with TLS of their own show; nothing when none has any."""
    from gateway.app import SystemClock
    from gateway.errors import ConfigurationError
    from gateway.server import read_certificates

    try:
        found = read_certificates(config)
    except ConfigurationError as error:
        return [("TLS", False, "; ".join(f"{p}: {t}" for p, t in error.problems))]
    if not found:
        return []
    texts = [text for each in found.values() for text in each.warnings(SystemClock().now())]
    for section, url in (("as4", config.as4.public_url), ("smp", config.smp.public_url)):
        host = urlsplit(url).hostname
        if section in found and host and not all(shown.covers(host) for shown in found[section].shown):
            texts.append(f"{section}.tls_certificate: is not for {host}, the host of public_url")
    shown = [f"{s} {c.kind} until {c.expires:%Y-%m-%d}" for s, each in found.items() for c in each.shown]
    return [("TLS", not texts, "; ".join(texts or shown))]


def _clock() -> Verdict:
    year = time.gmtime().tm_year
    return "clock", year >= 2026, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


async def _database(config: Config) -> Verdict:
    if not config.store.database.startswith("sqlite:"):
        from gateway.upkeep import look_at_server

        return "database", *await look_at_server(config.store.database)
    path = config.base / config.store.database.removeprefix("sqlite:")
    place = path.parent
    while not place.exists():
        place = place.parent
    if not os.access(path if path.exists() else place, os.W_OK):
        return "database", False, f"{path} cannot be written; check owner and mode"
    return "database", True, f"{path} {'exists' if path.exists() else 'will be made at the first start'}"


def _disk(config: Config) -> Verdict:
    place = Path(config.store.payloads)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    needed = 10 * config.as4.max_message
    return "disk", free > needed, f"{free / 1e9:.1f} GB free at {place}; {needed / 1e9:.1f} GB wanted"


async def _dns(config: Config) -> Verdict:
    from gateway.app import SystemClock, open_lookup, read_trust, sml_zone
    from gateway.errors import ConfigurationError, LookupUnavailable
    from gateway.model.identifiers import ParticipantId
    from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS

    nobody = ParticipantId.parse("0007:0000000000")
    try:
        async with open_lookup(config, read_trust(config), SystemClock()) as lookup:
            await lookup.find(nobody, BILLING_INVOICE, BILLING_PROCESS)
    except LookupUnavailable as error:
        return "DNS", False, f"{error}. {error.remedy}"
    except ConfigurationError:
        return "DNS", False, "not asked, because the trust anchors cannot be read"
    return "DNS", True, f"the zone {sml_zone(config)} answers"


async def _sml(config: Config) -> list[Verdict]:
    """Whether the SML lets us in, and has our SMP with its present address; nothing where none is configured."""
    from gateway.errors import ConfigurationError, GatewayError, RegisterRefused
    from gateway.registers import SMP_NOT_FOUND, open_register

    if not config.smp.sml_url:
        return []
    try:
        async with open_register(config) as register:
            sml: Any = register
            held, ours, smp_id = await sml.read_publisher(), sml.smp_url, sml.smp_id
    except RegisterRefused as refused:
        if refused.code == SMP_NOT_FOUND:
            return [("SML", True, "answers; our SMP is made known with the first participant")]
        return [("SML", False, f"{refused}. {refused.remedy}")]
    except ConfigurationError as error:
        return [("SML", False, "; ".join(f"{p}: {t}" for p, t in error.problems))]
    except GatewayError as error:
        return [("SML", False, f"{error}. {error.remedy}")]
    if held.rstrip("/") != ours:
        return [("SML", False, f"has {smp_id} at {held}, ours is {ours}: gateway sml address")]
    return [("SML", True, f"has {smp_id} at {held}")]
