"""TOML and environment to :class:`Config`: every problem at once, each with its path and how to mend it.

A key is overridden by ``GATEWAY__SECTION__KEY``. Unknown keys are problems, with the nearest known key named.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from gateway.config.sections import (
    AntivirusSection,
    Api,
    As4,
    AttachmentsSection,
    Config,
    Mls,
    Network,
    Oidc,
    Operator,
    Portal,
    Retention,
    Rules,
    Sending,
    Smp,
    StoreSection,
    SweepSection,
)
from gateway.config.values import Address, ByteSize, KeyPlace, Paths, read_address, read_duration, read_size, read_time
from gateway.errors import ConfigurationError
from gateway.model.person import Role

_S = TypeVar("_S")
_PREFIX: Final = "GATEWAY__"
_SECTIONS: Final[dict[str, type]] = {
    "operator": Operator,
    "network": Network,
    "as4": As4,
    "api": Api,
    "portal": Portal,
    "smp": Smp,
    "store": StoreSection,
    "rules": Rules,
    "mls": Mls,
    "sending": Sending,
    "retention": Retention,
    "sweep": SweepSection,
    "antivirus": AntivirusSection,
    "attachments": AttachmentsSection,
}
_PLUG_IN_TABLES: Final = ("email", "print", "scan", "mailbox")
_PROVIDER: Final = re.compile(r"0242:[0-9]{6}(-[0-9A-Za-z_]{3,12}(\.[0-9A-Za-z._~-]{3,24})?)?")
_SEAT: Final = re.compile(r"P[A-Z]{2}[0-9]{6}")

_MOST_WORKERS: Final = 64
OIDC_BACK: Final = "/sign-in/return"
"""Where people come back from a sign-in service, below ``portal.url``."""

Problems = list[tuple[str, str]]


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read ``path`` (else ``$GATEWAY_CONFIG``, else ``./config.toml``); raises :class:`ConfigurationError`."""
    file = path or Path(environ.get("GATEWAY_CONFIG") or "config.toml")
    try:
        table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            [(str(file), "there is no such file; copy the project's config.toml and adapt it")]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([(str(file), f"cannot be read: {error}")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([(str(file), f"is not TOML: {error}")]) from None
    origins = {key: str(file) for key in _flat(table)}
    _override(table, environ, origins)
    return dataclasses.replace(read_config(table, file.resolve().parent, origins), file=file.resolve())


def read_config(table: Mapping[str, Any], base: Path, origins: Mapping[str, str]) -> Config:
    """Make the configuration of an already parsed table; raises :class:`ConfigurationError`."""
    problems: Problems = []
    values: dict[str, Any] = {}
    for name, content in table.items():
        if name in _SECTIONS:
            if not isinstance(content, dict):
                problems.append((name, f"is a section; write [{name}]"))
                continue
            values[name] = read_section(_SECTIONS[name], _with_bucket(content), name, base, problems)
        elif name in _PLUG_IN_TABLES and isinstance(content, dict):
            values[name] = content
        elif name == "delivery" and isinstance(content, dict) and all(isinstance(v, dict) for v in content.values()):
            values[name] = {"default": {"kind": "inbox"}, **content}
        else:
            problems.append((name, _unknown(name, [*_SECTIONS, *_PLUG_IN_TABLES, "delivery"])))
    for name, section in _SECTIONS.items():  # paths of a section that is absent still start at the base
        if name not in table:
            values[name] = read_section(section, {}, name, base, problems)
    if not problems:
        config = Config(base=base, origins=dict(origins), **values)
        problems = _contradictions(config)
        if not problems:
            return config
    raise ConfigurationError(problems)


def read_section(kind: type[_S], table: Mapping[str, Any], path: str, base: Path, problems: Problems) -> _S | None:
    """Read one table into its dataclass; problems are added to the list, and then the answer is None."""
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    before = len(problems)
    for key, value in table.items():
        if key not in known:
            problems.append((f"{path}.{key}", _unknown(key, list(known))))
            continue
        if hints[key] is Oidc:
            if isinstance(value, dict):
                values[key] = read_section(Oidc, value, f"{path}.{key}", base, problems)
            else:
                problems.append((f"{path}.{key}", f"is a section; write [{path}.{key}]"))
            continue
        try:
            values[key] = _convert(hints[key], value, base)
        except ValueError as error:
            problems.append((f"{path}.{key}", str(error)))
    for key, field in known.items():
        if key in values or key in table:
            continue
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append((f"{path}.{key}", "is missing"))
        elif isinstance(field.default, Path):
            values[key] = base / field.default
    return kind(**values) if len(problems) == before else None


def read_settings(
    kind: type[_S],
    table: Mapping[str, Any],
    path: str,
    base: Path,
    contradictions: Callable[[_S], Iterable[tuple[str, str]]] = lambda _: (),
) -> _S:
    """Read one table into its dataclass; raises :class:`ConfigurationError` with every problem.

    ``contradictions`` tells what is wrong between keys that are right each for itself: the key, and why.
    """
    problems: Problems = []
    settings = read_section(kind, table, path, base, problems)
    if settings is not None:
        problems.extend((f"{path}.{key}", text) for key, text in contradictions(settings))
    if settings is None or problems:
        raise ConfigurationError(problems)
    return settings


def _with_bucket(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """``payloads = "s3://…"`` names a bucket; the folder is then the usual one."""
    where = table.get("payloads")
    if not isinstance(where, str) or not where.startswith("s3://"):
        return table
    return {**{key: value for key, value in table.items() if key != "payloads"}, "bucket": where}


def _convert(hint: Any, value: Any, base: Path) -> Any:
    if hint is ByteSize:
        return read_size(value)
    if hint is timedelta:
        return read_duration(value)
    if hint is Address:
        return read_address(value)
    if hint is Paths:
        texts = value if isinstance(value, list) else [value] if value else []
        return Paths(tuple(base / Path(_text(text)).expanduser() for text in texts))
    if hint is KeyPlace:
        text = _text(value)
        return KeyPlace(text if text.startswith("pkcs11:") else str(base / Path(text).expanduser()))
    if hint is datetime:
        return read_time(value)
    if hint is Path:
        return base / Path(_text(value)).expanduser()
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f'"{value}" is not one of {", ".join(map(str, arguments))}')
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError('must be a list, for example ["one", "two"]')
        return tuple(_convert(arguments[0], item, base) for item in value)
    if origin is types.UnionType:  # only "X | None": empty text means none
        return None if value == "" else _convert(next(a for a in arguments if a is not type(None)), value, base)
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false, without quotes")
        return value
    if hint is int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number, without quotes")
        return value
    return _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")
    return value


def _override(table: dict[str, Any], environ: Mapping[str, str], origins: dict[str, str]) -> None:
    for name, text in sorted(environ.items()):
        if not name.startswith(_PREFIX):
            continue
        *sections, key = name[len(_PREFIX) :].lower().split("__")
        place = table
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                break
        if isinstance(place, dict) and key and sections:
            place[key] = _from_environment(text)
            origins[".".join([*sections, key])] = f"environment {name}"


def _from_environment(text: str) -> Any:
    """Lists, numbers and truth values as TOML writes them; everything else is text."""
    if re.fullmatch(r"true|false|-?\d+|\[.*\]", text, re.DOTALL):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def _flat(table: Mapping[str, Any], path: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in table.items():
        here = f"{path}.{key}" if path else key
        keys.extend(_flat(value, here) if isinstance(value, dict) else [here])
    return keys


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"is unknown; did you mean {near[0]}?" if near else f"is unknown; known are {', '.join(sorted(known))}"


def _contradictions(config: Config) -> Problems:
    """What each key allows but all of them together do not."""
    problems: Problems = []
    network, private = config.network, config.network.kind == "private"
    if not _SEAT.fullmatch(config.operator.seat_id):
        problems.append(("operator.seat_id", "must be the CN of the access point certificate, for example POP000101"))
    if not re.fullmatch(r"[A-Z]{2}", config.operator.country):
        problems.append(("operator.country", "must be two capital letters, for example SE"))
    if private:
        for key in ("ap_trust", "smp_trust", "sml_zone"):
            if not getattr(network, key):
                problems.append((f"network.{key}", "is needed in a private network"))
    else:
        for key in ("allow_http", "allow_loopback", "ap_trust", "smp_trust"):
            if getattr(network, key):
                problems.append((f"network.{key}", "is for private networks only"))
        if network.revocation == "off":
            problems.append(("network.revocation", "off is for private networks only"))
    for url in network.crl_urls:
        if not re.fullmatch(r"https?://[!-~]{1,1990}", url):
            problems.append(("network.crl_urls", f'"{url}" must begin with http:// or https://'))
    if not config.as4.public_url.startswith("https://") and not (
        network.allow_http and config.as4.public_url.startswith("http://")
    ):
        problems.append(
            ("as4.public_url", "must begin with https:// (http:// with network.allow_http in a private network)")
        )
    for section, needed in (("as4", True), ("smp", config.smp.enabled)):
        for key in ("certificate", "key"):
            if needed and getattr(getattr(config, section), key) is None:
                problems.append((f"{section}.{key}", "is missing"))
    for names in ("next_", "old_"):
        if (getattr(config.as4, f"{names}certificate") is None) != (getattr(config.as4, f"{names}key") is None):
            problems.append((f"as4.{names}key", f"and as4.{names}certificate belong together"))
    if config.as4.next_from and config.as4.next_certificate is None:
        problems.append(("as4.next_from", "is the moment of as4.next_certificate, which is missing"))
    if config.smp.sml_url.startswith("https:") and config.smp.key and config.smp.key.file is None:
        text = "is https, but a key in a module cannot be shown to it; write http:// of a local TLS program that can"
        problems.append(("smp.sml_url", text))
    for section in ("as4", "api", "smp"):
        part = getattr(config, section)
        if len(part.tls_certificate) != len(part.tls_key):
            problems.append((f"{section}.tls_key", "must name one key for each tls_certificate, in the same order"))
    if not private and network.tls_trust:
        problems.append(("network.tls_trust", "is for private networks only; elsewhere public authorities count"))
    if not 1 <= config.as4.workers <= _MOST_WORKERS:
        problems.append(("as4.workers", f"must be between 1 and {_MOST_WORKERS}"))
    if config.store.bucket and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,62}(/[!-~]{0,500})?", config.store.bucket):
        problems.append(("store.payloads", "must be a folder, or s3://BUCKET/PREFIX"))
    if config.store.s3_endpoint and not config.store.s3_endpoint.startswith(
        ("https://", "http://") if config.store.s3_allow_http else "https://"
    ):
        problems.append(("store.s3_endpoint", "must begin with https:// (http:// with store.s3_allow_http)"))
    if bool(config.store.s3_access_key) != bool(config.store.s3_secret_key_file):
        problems.append(("store.s3_access_key", "and s3_secret_key_file belong together"))
    if config.sending.first_retry.total_seconds() <= 0 or config.sending.retry_for < config.sending.first_retry:
        problems.append(("sending.retry_for", "must be longer than sending.first_retry, and both above zero"))
    if config.sending.quarantine_after != 0 and not 2 <= config.sending.quarantine_after <= 100:
        problems.append(("sending.quarantine_after", "must be 0 (never) or between 2 and 100"))
    if not 0 <= config.sending.rest_after <= 1000:
        problems.append(("sending.rest_after", "must be 0 (never) or at most 1000"))
    if config.sending.refusals != 0 and not 2 <= config.sending.refusals <= 10_000:
        problems.append(("sending.refusals", "must be 0 (never) or between 2 and 10000"))
    if not 0 <= config.sweep.hour <= 23:
        problems.append(("sweep.hour", "must be between 0 and 23 (UTC)"))
    if not timedelta(minutes=1) <= config.sweep.spread <= timedelta(hours=20):
        problems.append(("sweep.spread", "must be between 1 minute and 20 hours"))
    if not timedelta(0) <= config.sweep.often <= config.sweep.seldom <= timedelta(days=3650):
        problems.append(("sweep.seldom", "must be at least sweep.often, and at most 3650 days"))
    if not 0 <= config.sweep.requests <= 10_000_000:
        problems.append(("sweep.requests", "must be 0 (as many as it takes) or at most 10000000"))
    if not 1 <= config.sweep.per_smp <= 200:
        problems.append(("sweep.per_smp", "must be between 1 and 200"))
    if not 1 <= config.sending.at_once <= 256:
        problems.append(("sending.at_once", "must be between 1 and 256"))
    problems += _retention_contradictions(config.retention)
    if not 0 <= config.api.notice.total_seconds() <= 30:
        problems.append(("api.notice", "must be between 0 and 30 seconds"))
    if not 4 <= config.api.account_at_once <= 1000:
        problems.append(("api.account_at_once", "must be between 4 and 1000"))
    if not 0 <= config.api.account_share <= 10_000:
        problems.append(("api.account_share", "must be 0 (no share) or at most 10000 calls a second"))
    problems += _portal_contradictions(config.portal)
    if not 0 <= config.store.reserve_percent <= 50:
        problems.append(("store.reserve_percent", "must be between 0 and 50"))
    if config.store.most_waiting < 1:
        problems.append(("store.most_waiting", "must be 1 or more"))
    problems += _rules_contradictions(config.rules)
    if config.mls.provider_id and not _PROVIDER.fullmatch(config.mls.provider_id):
        problems.append(("mls.provider_id", "must be written as 0242:000101, or 0242:000101-MLS"))
    if not 1_000_000 <= config.as4.max_message <= 250_000_000:
        problems.append(("as4.max_message", "must be between 1 MB and 250 MB"))
    if not config.store.database.startswith(("sqlite:", "postgresql://", "postgres://")):
        problems.append(("store.database", "must begin with sqlite: or postgresql://"))
    return problems


def _rules_contradictions(rules: Rules) -> Problems:
    problems: Problems = []
    if not 1 <= rules.workers <= 32:
        problems.append(("rules.workers", "must be between 1 and 32"))
    if not 1 <= rules.time_limit.total_seconds() <= 600:
        problems.append(("rules.time_limit", "must be between 1 second and 10 minutes"))
    for row in rules.accounts:
        if row.partition("=")[2] not in ("reject", "flag", "off"):
            problems.append(("rules.accounts", f'"{row}" must be written ACCOUNT=reject, ACCOUNT=flag or ACCOUNT=off'))
    for row in rules.doubles_accounts:
        if row.partition("=")[2] not in ("warn", "hold", "off"):
            said = f'"{row}" must be written ACCOUNT=warn, ACCOUNT=hold or ACCOUNT=off'
            problems.append(("rules.doubles_accounts", said))
    if not 0 < rules.doubles_within.days <= 4_000:
        problems.append(("rules.doubles_within", "must be between 1 day and 4000 days"))
    for row in rules.releases:
        if "=" not in row:
            problems.append(("rules.releases", f'"{row}" must be written NAME=VERSION, as en16931=1.3.16'))
    if not 300_000_000 <= rules.memory_limit <= 32_000_000_000:
        problems.append(("rules.memory_limit", "must be between 300 MB and 32 GB; one worker needs some 250 MB"))
    return problems


def _portal_contradictions(portal: Portal) -> Problems:
    problems: Problems = []
    if portal.url and not re.fullmatch(r"https?://[^\s/?#@]+/?", portal.url):
        problems.append(("portal.url", "must be https:// (or http://) and a host, without a path"))
    if not timedelta(minutes=1) <= portal.idle <= portal.longest <= timedelta(days=7):
        problems.append(("portal.idle", "must be a minute or more and at most portal.longest, and that at most 7 days"))
    if unknown := sorted({*portal.second_factor} - {"all", *Role}):
        words = f"{', '.join(unknown)}: there are all, {', '.join(Role)}"
        problems.append(("portal.second_factor", words))
    if portal.oidc != Oidc():
        problems += [(f"portal.oidc.{key}", text) for key, text in _oidc_contradictions(portal)]
    return problems


def _oidc_contradictions(portal: Portal) -> Problems:
    oidc, problems = portal.oidc, []
    if find_spec("joserfc") is None:
        problems.append(("issuer", "needs the extra oidc: pip install 'access-point-gateway[portal,oidc]'"))
    if not re.fullmatch(r"https?://[^\s?#@]{1,1900}" if oidc.allow_http else r"https://[^\s?#@]{1,1900}", oidc.issuer):
        problems.append(("issuer", "must be the provider's address with https://, exactly as it calls itself"))
    if not oidc.client_id:
        problems.append(("client_id", "is missing: the provider gives it when this gateway is entered there"))
    if not portal.url:
        text = f"needs portal.url: people come back to its {OIDC_BACK}, which is entered at the provider"
        problems.append(("issuer", text))
    try:
        oidc.read_secret()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(("client_secret_file", f"cannot be read: {error}"))
    if oidc.ca_file and not oidc.ca_file.is_file():
        problems.append(("ca_file", f"there is no file {oidc.ca_file}"))
    if not 1 <= oidc.timeout.total_seconds() <= 60:
        problems.append(("timeout", "must be between 1 second and 1 minute"))
    if len(oidc.name) > 60 or not oidc.name.isprintable():
        problems.append(("name", "must be at most 60 printable characters"))
    return problems


def _retention_contradictions(kept: Retention) -> Problems:
    problems: Problems = []
    day = timedelta(days=1)
    if kept.keys and kept.keys < 400 * day:
        text = "must be 400 days or more, or 0 days for ever: a message that comes again would be taken for a new one"
        problems.append(("retention.keys", text))
    for kind in ("payloads", "evidence", "timeline"):
        period: timedelta = getattr(kept, kind)
        if period and period < day:
            problems.append((f"retention.{kind}", "must be a day or more, or 0 days for ever"))
        if kept.keys and not timedelta(0) < period <= kept.keys:
            problems.append(
                (f"retention.{kind}", "goes with the document: it cannot be kept for longer than retention.keys")
            )
    return problems
