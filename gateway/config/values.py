"""Values that people write in a configuration: sizes, times, addresses; and which addresses are one caller."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NewType

ByteSize = NewType("ByteSize", int)
"""A number of bytes; written ``"100 MB"``, ``"64 KiB"`` or a bare number."""

_SIZES: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_TIMES: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


Paths = NewType("Paths", tuple[Path, ...])
"""Files; written as a list, or as one text for one file, empty for none."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a private key is: a file, or the ``pkcs11:`` address of one that stays in its module."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def file(self) -> Path | None:
        return None if self.text.startswith("pkcs11:") else Path(self.text)


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port to listen on or to connect to; written ``"127.0.0.1:8080"`` or ``"[::1]:8080"``."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_size(value: object) -> ByteSize:
    """Read a size; raises ``ValueError`` with a text that shows how to write it."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d{1,15})\s*([A-Za-z]*)", text)
    unit = match.group(2).upper() if match else None
    if not match or unit not in _SIZES:
        raise ValueError(f'"{text}" is not a size; write for example "100 MB"')
    return ByteSize(int(match.group(1)) * _SIZES[unit])


def read_duration(value: object) -> timedelta:
    """Read a time span; raises ``ValueError`` with a text that shows how to write it."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*(second|minute|hour|day)s?", text)
    if not match:
        raise ValueError(f'"{text}" is not a time span; write for example "5 days", "1 minute" or "30 seconds"')
    return timedelta(seconds=float(match.group(1)) * _TIMES[match.group(2)])


def read_time(value: object) -> datetime:
    """Read a moment, in UTC unless it says otherwise; raises ``ValueError`` with a text that shows how to write it."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'"{value}" is not a moment; write for example "2027-01-15T06:00:00Z"') from None


def read_address(value: object) -> Address:
    """Read host and port; raises ``ValueError`` with a text that shows how to write it."""
    text = str(value).strip()
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})", text)
    if not match or int(match.group(3)) > 65535:
        raise ValueError(f'"{text}" is not an address; write for example "127.0.0.1:8080"')
    return Address(match.group(1) or match.group(2), int(match.group(3)))


def neighbourhood(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, which one customer has to itself."""
    if ":" not in address:
        return address
    v6 = ipaddress.IPv6Address(address.partition("%")[0])
    if v6.ipv4_mapped:
        return str(v6.ipv4_mapped)
    return address if v6.is_loopback else str(ipaddress.IPv6Network((v6, 64), strict=False))
