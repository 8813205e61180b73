"""The commands as their users type them, against real processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources
from pathlib import Path

import pytest

from gateway.cli import client
from gateway.ubl import invoice
from tests.cli.conftest import Place, Run

EXAMPLES = resources.files("gateway.ubl").joinpath("examples")
NETWORK = EXAMPLES.joinpath("network.xml").read_bytes()
FACTS = invoice.read(NETWORK)
assert FACTS.buyer.endpoint
BUYER = FACTS.buyer.endpoint.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "invoice.xml"
    path.write_bytes(NETWORK)
    return path


def test_without_a_command_it_says_how_to_use_it(run: Run) -> None:
    ran = run()
    assert ran.code == 2 and "usage" in ran.err


@pytest.mark.parametrize(
    "command", ["serve", "send", "list", "show", "requeue", "inbox", "lookup", "validate", "check", "demo"]
)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0 and f"Example: gateway {command}" in ran.out


def test_what_is_wrong_with_an_option_is_not_laid_at_the_configuration(run: Run, tmp_path: Path) -> None:
    done = run("network", "new", str(tmp_path / "market"), "--gateways", "99")
    assert done.code == 2 and "--gateways: must be between 1 and 20" in done.err
    assert "config" not in done.err, done.err


def test_a_broken_configuration_is_explained_with_every_problem(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[as4]\nlisten = "x"\n[nonsense]\n')
    ran = run("check", "--config", str(path))
    assert ran.code == 2
    assert "as4.listen" in ran.err and "nonsense" in ran.err
    assert run("check", "--config", str(path), "--json").value["error"] == "ConfigurationError"


def test_lookup_before_and_after_the_participant_is_on_the_network(run: Run, place: Place) -> None:
    before = run("lookup", BUYER, *place.config(1), "--json")
    assert before.code == 1
    assert (before.value["verdict"], before.value["code"]) == ("negative", "not-registered")
    assert before.value["evidence"][0]["answer"] == "NXDOMAIN"

    added = run("participant", "add", BUYER, "--name", "Exempel Bygg AB", "--country", "SE", *place.config(2))
    assert added.code == 0
    listed = run("participant", "list", *place.config(2), "--json").lines
    assert [item["id"] for item in listed] == [BUYER]

    after = run("lookup", BUYER, *place.config(1), "--json")
    assert after.code == 0
    value = after.value
    assert value["verdict"] == "positive"
    assert value["endpoint"]["url"].endswith("/as4") and "BEGIN CERTIFICATE" in value["endpoint"]["certificate"]
    assert len(value["document_types"]) == 2 and len(value["evidence"]) >= 2


def test_lookup_shows_people_a_table_and_the_verdict(run: Run, place: Place) -> None:
    ran = run("lookup", "0007:5567212047", *place.config(1))
    assert ran.code == 1 and "✗ negative" in ran.out and "NXDOMAIN" in ran.out


def test_lookup_of_nonsense_is_wrong_usage(run: Run, place: Place) -> None:
    assert run("lookup", "nonsense", *place.config(1)).code == 2


def test_lookup_without_an_answer_is_neither_yes_nor_no(
    run: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY__NETWORK__DNS_SERVERS", '["127.0.0.1:9"]')
    ran = run("lookup", BUYER, *place.config(1), "--json")
    assert (ran.code, ran.value["verdict"]) == (3, "indeterminate")


def test_send_wait_list_show_inbox(run: Run, place: Place, file: Path) -> None:
    run("participant", "add", BUYER, *place.config(2))
    sent = run("send", str(file), "--wait", "30", "--key", "cli-1", *place.config(1), "--json")
    assert sent.code == 0
    document = sent.value
    assert (document["state"], document["channel"], document["status"]) == ("SENT", "peppol", "delivered")

    again = run("send", str(file), "--key", "cli-1", *place.config(1), "--json").value
    assert again["id"] == document["id"]

    listed = run("list", "--search", FACTS.number, *place.config(1), "--json").lines
    assert document["id"] in [item["id"] for item in listed]
    shown = run("show", document["id"], *place.config(1), "--json").value
    assert [row["event"] for row in shown["timeline"]] == ["Accepted", "Sending", "Sent"]
    assert FACTS.number in run("show", document["id"], *place.config(1)).out

    waiting = run("inbox", *place.config(2), "--json").lines
    mine = next(item for item in waiting if item["message_id"] == document["message_id"])
    assert run("inbox", "--ack", mine["id"], *place.config(2), "--json").value["state"] == "DELIVERED"


def test_send_without_any_way_fails_with_one_and_says_why(run: Run, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "letter.xml"
    path.write_bytes(EXAMPLES.joinpath("letter.xml").read_bytes())
    ran = run("send", str(path), "--wait", "30", *place.config(1), "--json")
    assert (ran.code, ran.value["state"]) == (1, "FAILED")
    assert "No way is left" in ran.value["reason"]
    requeued = run("requeue", ran.value["id"], *place.config(1), "--json")
    assert (requeued.code, requeued.value["state"]) == (0, "ACCEPTED")


def test_send_of_an_invalid_document_shows_the_findings(run: Run, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"
    path.write_bytes(NETWORK.replace(b"cbc:IssueDate", b"cbc:IssuedDate"))
    ran = run("send", str(path), *place.config(1))
    assert ran.code == 1 and "IssuedDate" in ran.err
    assert run("send", str(tmp_path / "none.xml"), *place.config(1)).code == 2
    model = tmp_path / "bad.json"
    model.write_text('{"number": "1", "lines": [{"prise": 1}]}', encoding="utf-8")
    ran = run("send", str(model), *place.config(1))
    assert ran.code == 1 and "/lines/0/prise" in ran.err


def test_send_to_a_node_that_does_not_run_is_not_now(run: Run, place: Place, file: Path) -> None:
    ran = run("send", str(file), "--url", "http://127.0.0.1:9", "--token", "x")
    assert ran.code == 3 and "gateway serve" in ran.err


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b'{"title": "A fault"}'), (502, b"<html>"), (409, b'{"type": "/problems/still-running"}'), (503, b"{}")],
)
def test_an_answer_that_is_no_verdict_is_not_now(run: Run, file: Path, status: int, body: bytes) -> None:
    class Odd(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ran = run("send", str(file), "--url", f"http://127.0.0.1:{server.server_port}", "--token", "x")
        thread.join()
    assert ran.code == 3


def test_a_wait_longer_than_a_request_may_wait_asks_again(
    run: Run, place: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_LONGEST_WAIT", 0)
    ran = run("send", str(file), "--wait", "90", *place.config(1), "--json")
    assert (ran.code == 0) == (ran.value["status"] == "delivered") and ran.value["status"] != "queued"
    assert run("send", str(file), "--wait", "-1", *place.config(1)).code == 2


def test_a_wrong_key_is_refused(run: Run, place: Place, file: Path) -> None:
    assert run("send", str(file), "--token", "gwk_wrong", *place.config(1)).code == 1


def test_check_of_a_running_market_is_all_green(run: Run, place: Place) -> None:
    ran = run("check", *place.config(1), "--json")
    assert ran.code == 0, ran.out
    names = {check["name"]: check["ok"] for check in ran.value["checks"]}
    assert names == dict.fromkeys(("keys", "clock", "database", "disk", "DNS", "virus scanner"), True)
    (said,) = [check["text"] for check in ran.value["checks"] if check["name"] == "virus scanner"]
    assert said.startswith("none: "), "a default installation has none, and says so"
    assert ran.value["not_built"] == []
    origins = {row["key"]: row["origin"] for row in ran.value["configuration"]}
    assert origins["as4.listen"].endswith("config.toml") and origins["sending.at_once"] == "default"


def test_validate_tells_valid_from_not_valid(run: Run, file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_bytes(NETWORK.replace(b"cbc:IssueDate", b"cbc:IssuedDate"))
    good = run("validate", str(file), "--json")
    assert (good.code, good.value["valid"]) == (0, True)
    both = run("validate", str(file), str(bad), "--json")
    assert both.code == 1
    finding = both.lines[1]["findings"][0]
    assert finding["rule"] == "XSD" and "IssuedDate" in finding["location"] + finding["message"]
    assert run("validate", str(tmp_path / "none.xml")).code == 2


def test_pki_refuses_to_overwrite_and_names_what_it_made(run: Run, tmp_path: Path) -> None:
    assert run("pki", "new", str(tmp_path / "pki")).code == 0
    assert run("pki", "new", str(tmp_path / "pki")).code == 2
    made = run("pki", "issue", str(tmp_path / "pki"), "--role", "ap", "--seat", "POP000101", "--json")
    assert made.code == 0 and Path(made.value["key"]).stat().st_mode & 0o077 == 0
    assert run("pki", "issue", str(tmp_path / "pki"), "--role", "ap", "--seat", "nobody").code == 2


def test_network_new_refuses_a_directory_in_use(run: Run, place: Place) -> None:
    assert run("network", "new", str(place.directory)).code == 2


def test_python_dash_m_gateway_is_the_command() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert out.startswith("gateway ")


def test_check_says_what_is_asked_for_and_not_built(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY__SCAN__FOLDER", "var/scans")
    monkeypatch.setattr("gateway.scanners.shutil.which", lambda name: None)  # no optical reader
    notes = run("check", *place.config(1), "--json").value["not_built"]
    assert [note.partition(":")[0] for note in notes] == ["scan"]


def test_check_says_what_to_do_when_lists_are_asked_for_and_no_certificate_names_one(
    run: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY__NETWORK__REVOCATION", "crl")
    answer = run("check", *place.config(1), "--json")
    assert answer.code == 1
    (keys,) = [check for check in answer.value["checks"] if check["name"] == "keys"]
    assert not keys["ok"] and "name it in network.crl_urls" in keys["text"]


def test_check_says_when_others_can_read_the_key_of_second_factors(run: Run, place: Place) -> None:
    file = place.directory / "gateway1" / "var/second-factor.key"
    file.write_text("ab" * 32)
    try:
        for mode, good in ((0o600, True), (0o644, False)):
            file.chmod(mode)
            found = run("check", *place.config(1), "--json").value["checks"]
            (told,) = [one for one in found if one["name"] == "second factor"]
            assert told["ok"] is good
        assert "chmod 600" in told["text"]
    finally:
        file.unlink()
