"""TLS from the command line: `gateway pki issue --role tls`, and the row of `gateway check`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.config import load
from gateway.network.market import Market, new_market
from gateway.security.authority import issue_tls
from tests.cli.conftest import Run


@pytest.mark.parametrize(("words", "kind"), [((), ec.EllipticCurvePublicKey), (("--key", "rsa"), rsa.RSAPublicKey)])
def test_a_tls_certificate_is_issued_for_every_host(
    tmp_path: Path, run: Run, words: tuple[str, ...], kind: type
) -> None:
    assert run("pki", "new", str(tmp_path)).code == 0
    hosts = ("--host", "ap.example.org", "--host", "127.0.0.1")
    ran = run("pki", "issue", str(tmp_path), "--role", "tls", *hosts, *words, "--json")
    assert ran.code == 0, ran.err
    certificate = x509.load_pem_x509_certificates(Path(ran.value["certificate"]).read_bytes())[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ap.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert isinstance(certificate.public_key(), kind)
    assert Path(ran.value["key"]).stat().st_mode & 0o777 == 0o600


def test_without_a_host_it_says_what_to_add(tmp_path: Path, run: Run) -> None:
    run("pki", "new", str(tmp_path))
    ran = run("pki", "issue", str(tmp_path), "--role", "tls")
    assert ran.code == 2 and "--host ap.example.org" in ran.err


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return new_market(tmp_path / "market", 1, now=datetime.now(UTC), tls=True)


def row(run: Run, market: Market) -> dict[str, Any]:
    checks = run("check", "--config", str(market.members[0].config), "--json").value["checks"]
    (found,) = (check for check in checks if check["name"] == "TLS")
    return dict(found)


def test_check_shows_the_certificates_of_every_site(run: Run, market: Market) -> None:
    found = row(run, market)
    assert found["ok"] is True
    assert all(site in str(found) for site in ("as4 ", "smp "))


@pytest.mark.parametrize(
    ("hosts", "days", "text"),
    [
        (["127.0.0.1"], 10_000, "has expired"),
        (["ap.example.org"], 0, "is not for 127.0.0.1, the host of public_url"),
    ],
)
def test_check_says_what_callers_would_refuse(
    run: Run, market: Market, tmp_path: Path, hosts: list[str], days: int, text: str
) -> None:
    as4 = load(market.members[0].config, {}).as4
    made = tmp_path / "made"
    assert run("pki", "new", str(made)).code == 0
    fresh = issue_tls(made, hosts, now=datetime.now(UTC) - timedelta(days=days))
    fresh.with_suffix(".key.pem").replace(as4.tls_key[0])
    fresh.replace(as4.tls_certificate[0])
    found = row(run, market)
    assert found["ok"] is False and text in str(found)


def test_check_says_that_files_do_not_fit_together(run: Run, market: Market) -> None:
    load(market.members[0].config, {}).as4.tls_certificate[0].write_text("no certificate")
    found = row(run, market)
    assert found["ok"] is False and "as4.tls_certificate" in str(found)
