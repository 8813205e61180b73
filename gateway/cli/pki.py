"""``gateway pki``: authorities and certificates of a private network."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli import YES
from gateway.cli.terminal import as_json
from gateway.errors import InvalidAddress


def new(arguments: argparse.Namespace) -> int:
    """Make root, access point and SMP authorities."""
    from gateway.security.authority import new_pki

    new_pki(arguments.dir, now=datetime.now(UTC))
    made = [str(arguments.dir / f"{name}.pem") for name in ("root", "ap-ca", "smp-ca")]
    as_json({"made": made}) if arguments.json else print("\n".join(made))
    return YES


def issue(arguments: argparse.Namespace) -> int:
    """Issue one certificate with its key."""
    from gateway.security.authority import issue as issue_certificate
    from gateway.security.authority import issue_tls

    if arguments.role == "tls":
        if not arguments.host:
            raise InvalidAddress("No host is named", remedy="Add --host ap.example.org, once for each name or address.")
        path = issue_tls(arguments.dir, arguments.host, now=datetime.now(UTC), kind=arguments.key)
        return _issued(path, arguments)
    if not arguments.seat:
        raise InvalidAddress("No seat is named", remedy="Add --seat POP000101.")
    if not re.fullmatch(r"P[A-Z]{2}[0-9]{6}", arguments.seat):
        raise InvalidAddress(
            f"{arguments.seat} is not a seat id", remedy="Write P, two capital letters, six digits: POP000101."
        )
    return _issued(issue_certificate(arguments.dir, arguments.role, arguments.seat, now=datetime.now(UTC)), arguments)


def _issued(path: Path, arguments: argparse.Namespace) -> int:
    key = path.with_suffix(".key.pem")
    as_json({"certificate": str(path), "key": str(key)}) if arguments.json else print(f"{path}\n{key}")
    return YES
