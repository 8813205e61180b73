"""``[print]``: its keys, and what is wrong with them."""

from __future__ import annotations

import importlib.util
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gateway.config import Address, ByteSize, read_section
from gateway.errors import ConfigurationError
from gateway.fallback._envelope import Envelope, load, shipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[print]``."""

    kind: Literal["folder", "ipp", "sftp", "http"] = "folder"
    target: Path = Path("var/letters")
    """``folder``: where batches appear; made when it is not there."""
    envelope: str = ""
    """A profile's name, or a file of one's own; empty: the one for ``country``."""
    country: str = "SE"
    """Where letters are posted."""
    postage: str = ""
    """Postage class; empty: the profile's."""
    collect: bool = False
    """False: each letter is a batch of its own, at once. True: one batch of each account at the bureau's cut-off."""
    own_pdf: bool = False
    """Whether a PDF in the document that shows the invoice is printed behind a cover sheet, instead of our page."""
    duplex: bool | None = None
    colour: bool | None = None
    max_pages: int = 100
    max_bytes: ByteSize = ByteSize(10_000_000)
    """Limits of the bureau for one letter."""
    url: str = ""
    """``ipp``: the printer, ``ipp://host:631/ipp/print``. ``http``: the bureau's API."""
    token_file: Path | None = None
    token: str = field(default="", repr=False)
    server: Address | None = None
    """``sftp``."""
    user: str = ""
    host_key: tuple[str, ...] = ()
    directory: str = "."
    key_file: Path | None = None
    password_file: Path | None = None
    password: str = field(default="", repr=False)
    timeout: timedelta = timedelta(minutes=2)
    """For one batch: until the bureau has it, or the printer has printed it."""
    profile: Envelope = field(default_factory=lambda: shipped("se-h2-c5"))
    """Not a key: what ``envelope`` and ``country`` come to."""

    @classmethod
    def read(cls, table: Mapping[str, object], path: str, base: Path) -> Settings:
        """Read the section; raises ``ConfigurationError`` with every problem."""
        problems: list[tuple[str, str]] = []
        if "profile" in table:
            problems.append((f"{path}.profile", "is unknown; did you mean envelope?"))
        wanted = {key: value for key, value in table.items() if key != "profile"}
        settings = read_section(cls, wanted, path, base, problems)
        if settings is not None:
            try:
                settings = replace(settings, profile=load(settings.envelope, settings.country, base))
            except (ValueError, OSError) as error:
                problems.append((f"{path}.envelope", str(error)))
            problems.extend((f"{path}.{key}", text) for key, text in _contradictions(settings))
        if settings is None or problems:
            raise ConfigurationError(problems)
        return settings

    @property
    def two_sided(self) -> bool:
        """Whether sheets are printed on both sides."""
        return self.profile.duplex if self.duplex is None else self.duplex

    @property
    def in_colour(self) -> bool:
        return self.profile.colour == "colour" if self.colour is None else self.colour

    @property
    def postage_class(self) -> str:
        return self.postage or self.profile.default_postage

    def secret(self, name: str) -> str:
        """``token`` or ``password``, from its file where it has one. Raises ``OSError``, ``UnicodeDecodeError``."""
        file: Path | None = getattr(self, f"{name}_file")
        return file.read_text(encoding="utf-8").strip() if file else str(getattr(self, name))


def _contradictions(settings: Settings) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if not 1 <= settings.max_pages <= 1000:
        problems.append(("max_pages", "must be between 1 and 1000"))
    if not 10_000 <= settings.max_bytes <= 100_000_000:
        problems.append(("max_bytes", "must be between 10 kB and 100 MB"))
    if settings.postage_class not in settings.profile.postage:
        classes = ", ".join(settings.profile.postage)
        problems.append(("postage", f'"{settings.postage}" is none of {settings.profile.name}: {classes}'))
    if not 5 <= settings.timeout.total_seconds() <= 3600:
        problems.append(("timeout", "must be between 5 seconds and 1 hour"))
    schemes = {"ipp": ("ipp://", "ipps://"), "http": ("https://", "http://127.0.0.1", "http://localhost")}
    if settings.kind in schemes and not settings.url.startswith(schemes[settings.kind]):
        problems.append(("url", f"must begin with {' or '.join(schemes[settings.kind][:2])} for kind {settings.kind}"))
    if settings.kind == "sftp":
        if importlib.util.find_spec("asyncssh") is None:
            text = '"sftp" needs the package asyncssh: pip install "access-point-gateway[sftp]"'
            problems.append(("kind", text))
        if settings.server is None or not settings.user:
            problems.append(("server", "and user are needed for kind sftp"))
        if not settings.host_key:
            problems.append(("host_key", "is needed: without it anybody could take the letters"))
        if not (settings.key_file or settings.password or settings.password_file):
            problems.append(("key_file", "or password_file is needed for kind sftp"))
    for name in ("token_file", "password_file", "key_file"):
        file: Path | None = getattr(settings, name)
        try:
            if file and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                problems.append((name, f"can be read by others; run: chmod 600 {file}"))
        except OSError as error:
            problems.append((name, f"cannot be read: {error}"))
    return problems
