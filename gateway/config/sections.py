"""Every section of ``config.toml``; the project's own ``config.toml`` explains each key.

Sections that name a plug-in (``email``, ``print``, ``scan``, ``delivery.NAME``) stay tables here: the module of
that name reads its own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from gateway.config.values import Address, ByteSize, KeyPlace, Paths

Kind = Literal["peppol-production", "peppol-test", "private"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who runs this gateway."""

    name: str = "Example Operator"
    seat_id: str = ""
    country: str = "SE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The network we belong to, and whom we believe in it."""

    kind: Kind = "private"
    ap_trust: tuple[Path, ...] = ()
    smp_trust: tuple[Path, ...] = ()
    more_ap_trust: tuple[Path, ...] = ()
    more_smp_trust: tuple[Path, ...] = ()
    tls_trust: tuple[Path, ...] = ()
    sml_zone: str = ""
    dns_servers: tuple[Address, ...] = ()
    smp_port: int = 443
    revocation: Literal["crl", "off"] = "crl"
    crl_urls: tuple[str, ...] = ()
    crl_cache: Path = Path("var/crl")
    allow_http: bool = False
    allow_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class As4:
    """The public AS4 endpoint and our access point certificate."""

    listen: Address = Address("127.0.0.1", 8080)
    public_url: str = "http://127.0.0.1:8080/as4"
    certificate: Path | None = None
    key: KeyPlace | None = None
    key_password_file: Path | None = None
    key_password: str = field(default="", repr=False)
    """For ``GATEWAY__AS4__KEY_PASSWORD``; in a file it belongs into ``key_password_file``."""
    next_certificate: Path | None = None
    next_key: KeyPlace | None = None
    next_from: datetime | None = None
    old_certificate: Path | None = None
    old_key: KeyPlace | None = None
    tls_certificate: Paths = Paths(())
    tls_key: Paths = Paths(())
    max_message: ByteSize = ByteSize(100_000_000)
    workers: int = 1
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The private side: API and health."""

    listen: Address = Address("127.0.0.1", 8081)
    key_file: Path | None = Path("var/api.key")
    notice: timedelta = timedelta(0)
    account_at_once: int = 64
    account_share: int = 25
    tls_certificate: Paths = Paths(())
    tls_key: Paths = Paths(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """``[portal.oidc]``: a sign-in service (OpenID provider) beside passwords."""

    issuer: str = ""
    client_id: str = ""
    client_secret_file: Path | None = None
    client_secret: str = field(default="", repr=False)
    """For ``GATEWAY__PORTAL__OIDC__CLIENT_SECRET``; in a file it belongs into ``client_secret_file``."""
    name: str = ""
    timeout: timedelta = timedelta(seconds=10)
    allow_http: bool = False
    allow_private: bool = False
    ca_file: Path | None = None

    @property
    def label(self) -> str:
        """What people read on the button."""
        return self.name or self.issuer.partition("://")[2].partition("/")[0]

    def read_secret(self) -> str:
        """The client secret, empty for a client without one. Raises ``OSError``."""
        file = self.client_secret_file
        return file.read_text(encoding="ascii").strip() if file else self.client_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The web tool, on the site of the API."""

    enabled: bool = True
    url: str = ""
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)
    time_zone: str = "Europe/Stockholm"
    second_factor: tuple[str, ...] = ()
    second_factor_key: Path = Path("var/second-factor.key")
    oidc: Oidc = field(default_factory=Oidc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smp:
    """The SMP in which our own participants are published."""

    enabled: bool = False
    listen: Address = Address("127.0.0.1", 8082)
    public_url: str = ""
    certificate: Path | None = None
    key: KeyPlace | None = None
    key_password_file: Path | None = None
    key_password: str = field(default="", repr=False)
    """For ``GATEWAY__SMP__KEY_PASSWORD``; in a file it belongs into ``key_password_file``."""
    tls_certificate: Paths = Paths(())
    tls_key: Paths = Paths(())
    sml_url: str = ""
    sml_id: str = ""
    directory_url: str = ""
    writing: bool = False
    zone_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSection:
    """Where documents are kept."""

    database: str = "sqlite:var/gateway.db"
    payloads: Path = Path("var/payloads")
    bucket: str = ""
    """``s3://NAME/PREFIX``, where ``payloads`` is written so; the folder is then for what is in work."""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key_file: Path | None = None
    s3_allow_http: bool = False
    reserve: ByteSize = ByteSize(2 * 1024**3)
    reserve_percent: int = 5
    most_waiting: int = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Document rules: what follows from a verdict; where official packs are kept, what their processes may use."""

    folder: Path = Path("var/rules")
    workers: int = 1
    time_limit: timedelta = timedelta(seconds=30)
    memory_limit: ByteSize = ByteSize(1_000_000_000)
    outgoing: Literal["reject", "flag", "off"] = "reject"
    incoming: Literal["reject", "flag", "off"] = "off"
    accounts: tuple[str, ...] = ()
    doubles: Literal["warn", "hold", "off"] = "warn"
    doubles_accounts: tuple[str, ...] = ()
    doubles_within: timedelta = timedelta(days=400)
    releases: tuple[str, ...] = ()
    language: Literal["en", "sv"] = "en"

    @property
    def of_accounts(self) -> dict[str, str]:
        """The policy for what comes in, of the accounts that have one of their own."""
        return dict(row.split("=", 1) for row in self.accounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mls:
    """Message Level Status: how access points tell each other what became of a document after its receipt."""

    send: Literal["all", "failures", "off"] = "all"
    receive: bool = True
    ask: Literal["failures", "always"] = "failures"
    provider_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How long and how often the worker tries."""

    retry_for: timedelta = timedelta(days=5)
    first_retry: timedelta = timedelta(minutes=1)
    longest_pause: timedelta = timedelta(hours=1)
    at_once: int = 64
    quarantine_after: int = 3
    rest_after: int = 3
    refusals: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSection:
    """When customers are looked up anew by themselves, and how much may be asked of others for it."""

    enabled: bool = True
    hour: int = 1
    spread: timedelta = timedelta(hours=3)
    often: timedelta = timedelta(days=90)
    seldom: timedelta = timedelta(days=400)
    requests: int = 10_000
    per_smp: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often a delivery is tried: keys that every ``[delivery.NAME]`` may have beside its own."""

    retry_for: timedelta = timedelta(days=3)
    first_retry: timedelta = timedelta(seconds=10)
    longest_pause: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is kept after a document has ended; zero is for ever."""

    payloads: timedelta = timedelta(0)
    evidence: timedelta = timedelta(0)
    timeline: timedelta = timedelta(0)
    keys: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AntivirusSection:
    """The virus scanner that sees the files of strangers: clamd, where one runs."""

    clamd: str = ""
    max_size: ByteSize = ByteSize(25_000_000)
    time_limit: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentsSection:
    """What follows when a PDF attached to an invoice of the network shows something else than the invoice."""

    differing: Literal["auto", "hold", "flag", "off"] = "auto"
    max_file: ByteSize = ByteSize(10_000_000)
    max_pages: int = 30
    time_limit: timedelta = timedelta(seconds=20)
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration. Relative paths are resolved against ``base``, the directory of config.toml."""

    base: Path
    file: Path | None = None
    """Where it was read from, to be read again."""
    operator: Operator = field(default_factory=Operator)
    network: Network = field(default_factory=Network)
    as4: As4 = field(default_factory=As4)
    api: Api = field(default_factory=Api)
    portal: Portal = field(default_factory=Portal)
    smp: Smp = field(default_factory=Smp)
    store: StoreSection = field(default_factory=StoreSection)
    rules: Rules = field(default_factory=Rules)
    mls: Mls = field(default_factory=Mls)
    sending: Sending = field(default_factory=Sending)
    retention: Retention = field(default_factory=Retention)
    sweep: SweepSection = field(default_factory=SweepSection)
    antivirus: AntivirusSection = field(default_factory=AntivirusSection)
    attachments: AttachmentsSection = field(default_factory=AttachmentsSection)
    email: Mapping[str, object] | None = None
    print: Mapping[str, object] | None = None
    scan: Mapping[str, object] | None = None
    mailbox: Mapping[str, object] | None = None
    delivery: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: {"default": {"kind": "inbox"}})
    origins: Mapping[str, str] = field(default_factory=dict)
    """TOML path of each key to where its value came from."""
