"""config.toml: every problem at once, overrides with their origin, and the shipped default in step with the code."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.config import Config, load
from gateway.config.values import Address
from gateway.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
[operator]
seat_id = "POP000101"
[network]
kind = "private"
ap_trust = ["ap-ca.pem", "root.pem"]
smp_trust = ["smp-ca.pem", "root.pem"]
sml_zone = "sml.test"
dns_servers = ["127.0.0.1:5353"]
allow_http = true
[as4]
listen = "127.0.0.1:8080"
certificate = "POP000101.pem"
key = "POP000101.key.pem"
max_message = "50 MB"
"""


def _load(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load(path, environ)


def _problems(tmp_path: Path, text: str, **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, text, **environ)
    return dict(caught.value.problems)


def test_values_are_read_and_paths_start_at_the_file(tmp_path: Path) -> None:
    config = _load(tmp_path, GOOD)
    assert config.as4.listen == Address("127.0.0.1", 8080)
    assert config.as4.max_message == 50_000_000
    assert config.network.ap_trust[0] == tmp_path / "ap-ca.pem"
    assert config.store.payloads == tmp_path / "var/payloads"
    assert config.sending.retry_for == timedelta(days=5)
    assert config.delivery == {"default": {"kind": "inbox"}}


def test_every_problem_is_reported_at_once_with_its_path(tmp_path: Path) -> None:
    text = (
        GOOD.replace('"50 MB"', '"many"')
        + '[api]\nlisten = "nowhere"\nlisen = 1\n[sending]\nretry_for = "soon"\n[oprator]\n'
    )
    problems = _problems(tmp_path, text)
    assert set(problems) == {"as4.max_message", "api.listen", "api.lisen", "sending.retry_for", "oprator"}
    assert "did you mean listen" in problems["api.lisen"]
    assert "did you mean operator" in problems["oprator"]
    assert '"100 MB"' in problems["as4.max_message"]


def test_an_environment_variable_overrides_and_its_origin_is_kept(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        GOOD,
        GATEWAY__AS4__LISTEN="127.0.0.1:9",
        GATEWAY__NETWORK__ALLOW_HTTP="true",
        GATEWAY__SENDING__AT_ONCE="3",
    )
    assert config.as4.listen.port == 9
    assert config.sending.at_once == 3
    assert config.origins["as4.listen"] == "environment GATEWAY__AS4__LISTEN"
    assert config.origins["as4.max_message"].endswith("config.toml")


def test_what_contradicts_is_refused(tmp_path: Path) -> None:
    peppol = _problems(tmp_path, GOOD.replace('"private"', '"peppol-production"'))
    assert {"network.ap_trust", "network.smp_trust", "network.allow_http"} <= set(peppol)
    assert "as4.public_url" in _problems(tmp_path, GOOD.replace("allow_http = true", ""))
    assert "operator.seat_id" in _problems(tmp_path, GOOD.replace('POP000101"\n[network', 'me"\n[network'))
    assert "network.sml_zone" in _problems(tmp_path, GOOD.replace('sml_zone = "sml.test"', ""))


def test_a_missing_file_and_broken_toml_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        load(tmp_path / "none.toml", {})
    assert "is not TOML" in next(iter(_problems(tmp_path, "[as4\n").values()))


def test_the_shipped_configuration_explains_every_key_and_is_valid() -> None:
    text = (ROOT / "config.toml").read_text()
    config = load(ROOT / "config.toml", {})
    table = tomllib.loads(text)
    for section in dataclasses.fields(Config):
        value = getattr(config, section.name)
        if not dataclasses.is_dataclass(value):
            continue
        for key in dataclasses.fields(value):  # type: ignore[arg-type]
            assert key.name in table[section.name], f"{section.name}.{key.name} is not in config.toml"
    explained = re.findall(r"(?m)^(?:# .*\n)+[a-z_]+ =", text)
    assert len(explained) >= 15


def test_the_shipped_configuration_names_the_defaults_of_the_code(tmp_path: Path) -> None:
    shipped, bare = load(ROOT / "config.toml", {}), _load(tmp_path, GOOD)
    assert shipped.sending == bare.sending
    assert shipped.api.listen == bare.api.listen
    assert shipped.as4.listen == bare.as4.listen


def test_payloads_may_be_a_bucket_and_the_folder_is_then_the_usual_one(tmp_path: Path) -> None:
    store = _load(tmp_path, GOOD + '[store]\npayloads = "s3://bucket/some/prefix"\n').store
    assert (store.bucket, store.payloads) == ("s3://bucket/some/prefix", tmp_path / "var/payloads")
    assert _load(tmp_path, GOOD, GATEWAY__STORE__PAYLOADS="s3://bucket").store.bucket == "s3://bucket"
    with pytest.raises(ConfigurationError) as caught:
        text = 'payloads = "s3:///x"\ns3_endpoint = "http://x"\ns3_access_key = "A"\n'
        _load(tmp_path, f"{GOOD}[store]\n{text}")
    assert {path for path, _ in caught.value.problems} == {
        f"store.{k}" for k in ("payloads", "s3_endpoint", "s3_access_key")
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('url = "https://faktura.example.org/portal"', "portal.url"),
        ('url = "faktura.example.org"', "portal.url"),
        ('idle = "13 hours"', "portal.idle"),
        ('idle = "1 second"', "portal.idle"),
    ],
)
def test_the_web_tool_takes_no_impossible_address_or_session(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "config.toml").write_text(f"[portal]\n{line}\n")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path / "config.toml", {})
    assert problem in [path for path, _ in refused.value.problems]
