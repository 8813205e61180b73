"""What of ours changes while the node runs: the identities of access point and SMP, and what our SMP says. [I/O]

A certificate changes without a lost message in this order: it is announced beside the one in use (``as4.next_…``, with
the moment from which it counts), takes over at that moment by itself, and the old key still opens what was encrypted
for it (``as4.old_…``, and every key that this process has used). SIGHUP reads the keys of the configuration again;
what cannot be used leaves everything as it is.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509

from gateway.config import Config, load
from gateway.config.sections import As4, Smp
from gateway.config.values import KeyPlace
from gateway.errors import ConfigurationError
from gateway.ports import Clock
from gateway.security.keys import MODULE, Identity, Keyring, load_identity
from gateway.smp.publisher import Following, Publisher

_log = logging.getLogger(__name__)

KEPT_FOR: Final = timedelta(days=30)
"""How long after its certificate's end a key of ours still opens messages: senders may be late with what they saw."""
_LOOK: Final = 1.0
_KEYS: Final = (
    *("certificate", "key", "key_password_file", "key_password"),
    *("next_certificate", "next_key", "next_from", "old_certificate", "old_key"),
)
Problems = list[tuple[str, str]]
_S = TypeVar("_S", As4, Smp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The identities that a configuration names."""

    access_point: Identity
    following: Identity | None = None
    """Announced beside it, or in its place by now: see ``following_from``."""
    following_from: datetime | None = None
    old: Identity | None = None
    smp: Identity | None = None

    def all(self) -> tuple[Identity, ...]:
        found = (self.access_point, self.following, self.old, self.smp)
        return tuple(identity for identity in found if identity is not None)


def load_keys(config: Config, problems: Problems) -> Loaded | None:
    """Load every identity; problems are added to the list, and then the answer may be None."""
    section = config.as4
    access_point = load_section(section, "as4", problems)
    following = (
        load_section(section, "as4", problems, "next_") if section.next_certificate or section.next_key else None
    )
    old = load_section(section, "as4", problems, "old_") if section.old_certificate or section.old_key else None
    smp = load_section(config.smp, "smp", problems) if config.smp.enabled else None
    for names, identity in (("", access_point), ("next_", following), ("old_", old)):
        if identity and identity.common_name != config.operator.seat_id:
            text = f"is {config.operator.seat_id}, but {names}certificate is of {identity.common_name}"
            problems.append(("operator.seat_id", text))
    if access_point is None:
        return None
    begins = section.next_from or (following.certificate.not_valid_before_utc if following else None)
    return Loaded(access_point=access_point, following=following, following_from=begins, old=old, smp=smp)


def load_section(section: As4 | Smp, name: str, problems: Problems, names: str = "") -> Identity | None:
    """Load the identity of a section, ``names`` before the keys that name it; problems are added to the list."""
    certificate: Path | None = getattr(section, f"{names}certificate")
    key: KeyPlace | None = getattr(section, f"{names}key")
    if certificate is None or key is None:
        problems.append((name, f"{names}certificate and {names}key are needed"))
        return None
    try:
        password = _password(section, name)
        place = key.text if key.text.startswith(MODULE) else Path(key.text)
        return load_identity(certificate, place, section=name, password=password, names=names)
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def _password(section: As4 | Smp, name: str) -> bytes | None:
    """The password or PIN; raises :class:`ConfigurationError`."""
    file = section.key_password_file
    if file is None:
        return section.key_password.encode() or None
    where = f"{name}.key_password_file"
    if section.key_password:
        raise ConfigurationError([(where, "and key_password are two sources for one thing")])
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError([(where, f"{file} can be read by others; run: chmod 600 {file}")])
        return file.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError([(where, f"cannot be read: {error.strerror or error}")]) from None


@dataclass(slots=True, kw_only=True)
class OwnKeys:
    """Our identities as they are now. Whoever signs or opens holds ``access_point``, which changes within."""

    config: Config
    loaded: Loaded
    clock: Clock
    smp_url: str
    access_point: Keyring = field(init=False)
    publisher: Publisher | None = field(init=False, default=None)
    certificates: list[x509.Certificate] = field(init=False, default_factory=list)
    """Of the access point and the SMP, the ones in use first."""
    reread: Callable[[Path], Config] = load

    def __post_init__(self) -> None:
        self.access_point = Keyring(self.loaded.access_point)
        self._take(self.loaded)

    def reload(self) -> bool:
        """Read the keys of the configuration again; what is wrong with them is logged, and the old ones stay."""
        return self._use(self._read())

    async def reload_at(self, wanted: asyncio.Event) -> None:
        """Whenever this is set; what takes long (a password of PKCS#12, a module) keeps the event loop from nothing."""
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                self._use(await asyncio.to_thread(self._read))
            except Exception:
                _log.exception("the old keys stay in use")

    def _read(self) -> tuple[Config, Loaded] | None:
        """The configuration and its keys; None, and a line in the log for each problem, where they cannot be used."""
        try:
            fresh = self.config if self.config.file is None else self.reread(self.config.file)
            config = dataclasses.replace(
                self.config, as4=_with_keys(self.config.as4, fresh.as4), smp=_with_keys(self.config.smp, fresh.smp)
            )
            problems: Problems = []
            loaded = load_keys(config, problems)
            if problems or loaded is None:
                raise ConfigurationError(problems)
        except ConfigurationError as error:
            for path, text in error.problems:
                _log.error("the old keys stay in use: %s: %s", path, text)
            return None
        return config, loaded

    def _use(self, read: tuple[Config, Loaded] | None) -> bool:
        if read is None:
            return False
        self.config, loaded = read
        self._take(loaded)
        return True

    def look(self) -> bool:
        """Let the announced certificate take over when its moment has come; tells whether it did."""
        due = self._due()
        if due and self.loaded.following is not self.access_point.current:
            self._take(self.loaded)
            return True
        return False

    async def watch(self) -> None:
        """Look, again and again."""
        while True:
            await asyncio.sleep(_LOOK)
            self.look()

    def _due(self) -> bool:
        begins = self.loaded.following_from
        return self.loaded.following is not None and begins is not None and begins <= self.clock.now()

    def _take(self, loaded: Loaded) -> None:
        self.loaded = loaded
        now, before = self.clock.now(), self.access_point
        taken_over = self._due() and loaded.following is not None
        current = loaded.following if taken_over and loaded.following else loaded.access_point
        known = (loaded.access_point, loaded.following, loaded.old, before.current, *before.others)
        others: dict[bytes, Identity] = {}
        for identity in known:
            if identity and identity.der != current.der and now < identity.certificate.not_valid_after_utc + KEPT_FOR:
                others.setdefault(identity.der, identity)
        if current.der != before.current.der:
            _log.info("our access point certificate is now the one until %s", current.certificate.not_valid_after_utc)
        before.current, before.others = current, tuple(others.values())
        announced = None if taken_over or not loaded.following else loaded.following
        self.publisher = self._publisher(loaded.smp, current, announced)
        own = [current, *([announced] if announced else []), *([loaded.smp] if loaded.smp else [])]
        self.certificates[:] = [identity.certificate for identity in own]

    def _publisher(self, smp: Identity | None, current: Identity, announced: Identity | None) -> Publisher | None:
        if smp is None:
            return None
        following = None
        if announced and self.loaded.following_from:
            following = Following(certificate=announced.der, activation=self.loaded.following_from)
        return Publisher(
            identity=smp,
            smp_url=self.smp_url,
            endpoint_url=self.config.as4.public_url,
            certificate=current.der,
            following=following,
            description=self.config.operator.name,
        )


def _with_keys(section: _S, fresh: _S) -> _S:
    names = [name for name in _KEYS if hasattr(section, name)]
    return dataclasses.replace(section, **{name: getattr(fresh, name) for name in names})
