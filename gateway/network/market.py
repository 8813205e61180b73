"""Make a market's files: one PKI, one SML zone, N gateways with a configuration each.

Every gateway is a directory that ``gateway serve --config DIR/gatewayN/config.toml`` can run on its own; the
market only starts them all together with the DNS server of the zone.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError
from gateway.security.authority import issue, issue_tls, new_pki
from gateway.smp import zone

ZONE: Final = "sml.test"
FIRST_PORT: Final = 18400
PORT_VARIABLE: Final = "GATEWAY_MARKET_PORT"
"""Environment: where ports are looked for instead, so that two markets made at one moment do not get the same."""
_FILE: Final = "market.json"
MOST_GATEWAYS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One gateway of the market."""

    name: str
    seat: str
    directory: Path
    as4: str
    api: str
    smp: str
    tls: bool = False

    @property
    def as4_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.as4}/as4"

    @property
    def smp_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.smp}"

    @property
    def config(self) -> Path:
        return self.directory / "config.toml"

    @property
    def key_file(self) -> Path:
        return self.directory / "var" / "api.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Where everything of one market is."""

    directory: Path
    dns: tuple[str, int]
    members: tuple[Member, ...]
    sml: tuple[str, int] | None = None
    """Where the SML's SOAP interface listens; None where all share the zone file."""
    front: tuple[str, int] | None = None
    """Where SMPs answer with which something goes wrong (``gateway.network.front``)."""
    lists: tuple[str, int] | None = None
    """Where revocation lists and OCSP are served; None where nobody asks for them."""

    @property
    def zone_file(self) -> Path:
        return self.directory / "zone.json"


def new_market(
    directory: Path,
    gateways: int,
    *,
    now: datetime,
    extra: Mapping[int, str] | None = None,
    tls: bool = False,
    sml: bool = False,
    revocation: bool = False,
    first_port: int = 0,
) -> Market:
    """Make the files of a market in an empty or new directory; with ``tls`` its gateways speak https to each other.
    With ``sml`` they register over SOAP at an SML, without it in a zone file that all share. With ``revocation`` every
    certificate names its revocation list and OCSP responder, and the gateways believe none without.

    ``extra`` adds TOML text to the configuration of a gateway by its number (1 is the first); ports are looked for
    from ``first_port`` on (:func:`free_ports`).

    Raises :class:`ConfigurationError` when the directory is in use or the number is out of range.
    """
    if not 1 <= gateways <= MOST_GATEWAYS:
        raise ConfigurationError([("--gateways", f"must be between 1 and {MOST_GATEWAYS}")])
    if directory.exists() and any(directory.iterdir()):
        raise ConfigurationError([(str(directory), "is not empty; choose a new directory")])
    pki = directory / "pki"
    ports = free_ports(first_port)
    dns = ("127.0.0.1", next(ports))
    register = ("127.0.0.1", next(ports)) if sml else None
    front = ("127.0.0.1", next(ports))
    lists = ("127.0.0.1", next(ports)) if revocation else None
    new_pki(pki, now=now, lists=f"http://{lists[0]}:{lists[1]}" if lists else "")
    members = []
    for number in range(1, gateways + 1):
        member = Member(
            name=f"gateway{number}",
            seat=f"POP{number:06}",
            directory=directory / f"gateway{number}",
            as4=f"127.0.0.1:{next(ports)}",
            api=f"127.0.0.1:{next(ports)}",
            smp=f"127.0.0.1:{next(ports)}",
            tls=tls,
        )
        more = (extra or {}).get(number, "")
        _make_member(member, pki, number, dns, more, now, register, "crl" if lists else "off")
        members.append(member)
    market = Market(directory=directory, dns=dns, members=tuple(members), sml=register, front=front, lists=lists)
    zone.create(market.zone_file, ZONE)
    described = {
        "dns": f"{dns[0]}:{dns[1]}",
        "sml": f"{register[0]}:{register[1]}" if register else None,
        "front": f"{front[0]}:{front[1]}",
        "lists": f"{lists[0]}:{lists[1]}" if lists else None,
        "gateways": [
            {"name": m.name, "seat": m.seat, "as4": m.as4, "api": m.api, "smp": m.smp, "tls": m.tls} for m in members
        ],
    }
    (directory / _FILE).write_text(json.dumps(described, indent=2) + "\n")
    return market


def read_market(directory: Path) -> Market:
    """Read a market's files; raises :class:`ConfigurationError` when there is none."""
    try:
        described = json.loads((directory / _FILE).read_text())
        host, _, port = described["dns"].rpartition(":")
        members = tuple(Member(directory=directory / g["name"], **g) for g in described["gateways"])
        sml, front, lists = (_address(described.get(name)) for name in ("sml", "front", "lists"))
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(
            [(str(directory), f"is no market; make one with: gateway network new {directory}")]
        ) from None
    return Market(directory=directory, dns=(host, int(port)), members=members, sml=sml, front=front, lists=lists)


def _address(text: str | None) -> tuple[str, int] | None:
    host, _, port = (text or "").rpartition(":")
    return (host, int(port)) if port else None


def free_ports(first: int = 0) -> Iterator[int]:
    """Ports of loopback on which nobody listens now, from a fixed start so that they look alike each time: ``first``,
    else what ``GATEWAY_MARKET_PORT`` says, else 18400."""
    for port in range(first or int(os.environ.get(PORT_VARIABLE, FIRST_PORT)), 60_000):
        with socket.socket() as probe, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            try:
                probe.bind(("127.0.0.1", port))
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def _make_member(
    member: Member,
    pki: Path,
    number: int,
    dns: tuple[str, int],
    extra: str,
    now: datetime,
    sml: tuple[str, int] | None,
    revocation: str,
) -> None:
    member.directory.mkdir(parents=True)
    smp_seat = f"PSP{number:06}"
    for role, seat in (("ap", member.seat), ("smp", smp_seat)):
        issue(pki, role, seat, now=now)  # type: ignore[arg-type]
        for suffix in (".pem", ".key.pem"):
            shutil.move(pki / f"{seat}{suffix}", member.directory / f"{seat}{suffix}")
    made = _CONFIG.format(
        m=member,
        smp_seat=smp_seat,
        dns=f"{dns[0]}:{dns[1]}",
        zone=ZONE,
        trust=_TLS_TRUST if member.tls else "",
        tls=_TLS if member.tls else "",
        revocation=revocation,
        register=f'sml_url = "http://{sml[0]}:{sml[1]}"' if sml else 'zone_file = "../zone.json"',
    )
    if member.tls:
        path = issue_tls(pki, ["127.0.0.1", "localhost"], now=now)
        for suffix in (".pem", ".key.pem"):
            shutil.move(path.with_suffix(suffix), member.directory / f"tls{suffix}")
    member.config.write_text(made + extra)


_TLS_TRUST: Final = 'tls_trust = ["../pki/tls-ca.pem"]\n'
_TLS: Final = 'tls_certificate = "tls.pem"\ntls_key = "tls.key.pem"\n'

_CONFIG: Final = """\
# {m.name} of a private market on loopback; every key is explained in the project's own config.toml.
[operator]
name = "Operator {m.seat}"
seat_id = "{m.seat}"
country = "SE"

[network]
kind = "private"
ap_trust = ["../pki/ap-ca.pem", "../pki/root.pem"]
smp_trust = ["../pki/smp-ca.pem", "../pki/root.pem"]
sml_zone = "{zone}"
dns_servers = ["{dns}"]
revocation = "{revocation}"
allow_http = true
allow_loopback = true
{trust}
[as4]
listen = "{m.as4}"
public_url = "{m.as4_url}"
certificate = "{m.seat}.pem"
key = "{m.seat}.key.pem"
{tls}
[api]
listen = "{m.api}"
key_file = "var/api.key"

[smp]
enabled = true
listen = "{m.smp}"
certificate = "{smp_seat}.pem"
key = "{smp_seat}.key.pem"
{tls}{register}

[store]
database = "sqlite:var/gateway.db"
payloads = "var/payloads"

[sending]
retry_for = "1 hour"
first_retry = "5 seconds"
"""
