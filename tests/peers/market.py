"""The market of these tests: where everybody is, our gateway as its users see it, the peers and the judge."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.peers.peer_parts import (
    CHECKOUT,
    JUDGE_PYTHON,
    OURS,
    PEERS,
    PHASE4,
    PKI,
    PYTHON,
    SUPPORT,
    ZONE,
    Program,
    Programs,
    instance_of,
    once,
    rows,
    tail,
)

_CONFIG = """\
[operator]
name = "Exempel AB"
seat_id = "{seat}"
country = "SE"

[network]
kind = "private"
ap_trust = ["{pki}/ap-ca.pem", "{pki}/root.pem"]
smp_trust = ["{pki}/smp-ca.pem", "{pki}/root.pem"]
sml_zone = "{zone}"
dns_servers = ["{dns}"]
revocation = "off"
allow_http = true
allow_loopback = true

[as4]
listen = "127.0.0.1:{as4}"
public_url = "http://127.0.0.1:{as4}/as4"
certificate = "{seat}.pem"
key = "{seat}.key.pem"

[api]
listen = "127.0.0.1:{api}"

[smp]
enabled = true
listen = "127.0.0.1:{smp}"
certificate = "PSP000202.pem"
key = "PSP000202.key.pem"

[sending]
retry_for = "1 hour"
first_retry = "{pause}"
longest_pause = "1 hour"

[print]
kind = "folder"
target = "letters"
"""


@dataclass(frozen=True, slots=True)
class Ours:
    """The running gateway, as its users see it."""

    as4: str
    api: str
    key: str
    directory: Path
    program: Program

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/xml") -> Any:
        """One call of the API; a JSON answer as values, any other as octets."""
        headers = {"Authorization": f"Bearer {self.key}"}
        if body is not None:
            headers["Content-Type"] = kind
        request = urllib.request.Request(self.api + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                octets, media = answer.read(), answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
        return json.loads(octets) if "json" in media else octets

    def add_participant(self, participant: str) -> None:
        body = json.dumps({"id": participant, "name": "Exempel AB", "country": "SE"}).encode()
        self.call("POST", "/v1/participants", body, "application/json")

    def send(self, octets: bytes, *, wait: int = 30, route: str = "auto") -> dict[str, Any]:
        return self.call("POST", f"/v1/documents?route={route}&wait={wait}", octets)

    def send_all(self, documents: Iterable[bytes]) -> list[dict[str, Any]]:
        """Hand in several at a time, as a busy company does."""
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(self.send, documents))

    def get(self, id: str) -> dict[str, Any]:
        return self.call("GET", f"/v1/documents/{id}")

    def content(self, id: str, form: str = "") -> bytes:
        return self.call("GET", f"/v1/documents/{id}/content" + (f"?form={form}" if form else ""))

    def timeline(self, id: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/v1/documents/{id}/timeline")["items"]

    def inbox(self, message_id: str) -> list[dict[str, Any]]:
        """Everything received under that MessageId."""
        query = urlencode({"direction": "in", "q": message_id}, quote_via=quote)
        return self.call("GET", f"/v1/documents?{query}")["items"]

    def received(self) -> int:
        """How many documents came in since the start."""
        found, cursor = 0, ""
        while True:
            page = self.call("GET", f"/v1/inbox?state=all&limit=200{'&cursor=' + cursor if cursor else ''}")
            found, cursor = found + len(page["items"]), page["next"]
            if not cursor:
                return found

    def until(self, id: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
        """The document, once it is as wanted."""
        end = time.monotonic() + seconds
        while not wanted(found := self.get(id)):
            assert time.monotonic() < end, (found, self.timeline(id))
            time.sleep(0.1)
        return found

    def faults(self) -> list[dict[str, Any]]:
        """Lines of our log that tell of a fault of our own."""
        lines = (json.loads(line) for line in self.program.said().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("level") in ("error", "critical") or "traceback" in line]


@dataclass(frozen=True, slots=True)
class Network:
    """The kit's DNS and SMP, and the addresses of everybody, fixed before anybody starts."""

    directory: Path
    dns: str
    smp: str
    ports: dict[str, int]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}/as4"


@dataclass(frozen=True, slots=True)
class Recorder:
    """A proxy that keeps what passes."""

    url: str
    directory: Path

    def exchange(self, message_id: str) -> tuple[Path, Path]:
        """Request and response of a message."""
        (request,) = (f for f in self.directory.glob("*.request.http") if message_id.encode() in f.read_bytes())
        return request, request.with_name(request.name.replace("request", "response"))


@dataclass(frozen=True, slots=True)
class Peer:
    """A foreign access point that receives, and where it keeps what it got."""

    program: Program
    out: Path

    def got(self) -> dict[str, bytes]:
        """The business envelopes it stored, by their instance identifier."""
        return {instance_of(octets): octets for octets in (path.read_bytes() for path in self.out.glob("*.sbd.xml"))}


@contextmanager
def start_support(programs: Programs, network: Path, dns: int, smp: int) -> Iterator[None]:
    """The kit's DNS and SMP for the network of that file, on those ports."""
    resolver = [PYTHON, SUPPORT / "dns_server.py", network, "--port", dns]
    stub = [PYTHON, SUPPORT / "smp_stub.py", network, "--port", smp, "--crl-port", 0]
    with programs.run("dns", resolver, ready=" ready on "), programs.run("smp-stub", stub, ready=" ready on "):
        yield


@contextmanager
def start_gateway(
    programs: Programs, network: Network, seat: str, directory: Path, *, pause: str = "2 seconds"
) -> Iterator[Ours]:
    """`gateway serve` as that seat; it must drain when it is told to end, and tell of no fault of its own.

    ``pause`` is the time before the first retry.
    """
    for name in (seat, "PSP000202"):
        shutil.copyfile(PKI / f"{name}.pem", directory / f"{name}.pem")
        key = directory / f"{name}.key.pem"
        shutil.copyfile(PKI / f"{name}.key.pem", key)
        key.chmod(0o600)
    ports = {name: network.ports[f"{seat}-{name}"] for name in ("as4", "api", "smp")}
    config = directory / "config.toml"
    config.write_text(_CONFIG.format(seat=seat, pki=PKI.resolve(), zone=ZONE, dns=network.dns, pause=pause, **ports))
    command = [sys.executable, "-m", "gateway", "serve", "--json", "--config", config]
    with programs.run(f"gateway-{seat}", command, ready='"ready"', PYTHONPATH=str(CHECKOUT)) as node:
        ready = next(json.loads(line) for line in node.said().splitlines() if '"ready"' in line)
        ours = Ours(ready["as4"], ready["api"], ready["api_key"], directory, node)
        yield ours
        assert node.stop(30) == 0, f"the gateway did not drain:\n{tail(node.said())}"
        assert ours.faults() == []


def start_phase4(programs: Programs, port: int, out: Path, *options: str) -> AbstractContextManager[Program]:
    """phase4's receiver as seat POP000101 on that port."""
    command = [PEERS / "phase4" / "phase4", "receive", "--port", port, "--key", PKI / "POP000101", "--out", out]
    return programs.run("phase4", [*command, *options], ready="ready")


@contextmanager
def start_recorder(programs: Programs, network: Network, name: str, target: str, out: Path) -> Iterator[Recorder]:
    """A recording proxy on port ``name`` in front of port ``target``."""
    command = [PYTHON, PEERS / "oxalis" / "record_proxy.py", "--port", network.ports[name]]
    command += ["--target", f"127.0.0.1:{network.ports[target]}", "--out", out]
    with programs.run(name, command, ready="recording on"):
        yield Recorder(network.url(name), out)


def phase4_sends(url: str, file: Path, *options: object, receiver: str = OURS) -> list[dict[str, Any]]:
    """Send as seat POP000101; gives what phase4's sender says of each message."""
    command = [PEERS / "phase4" / "phase4", "send", "--url", url, "--from-key", PKI / "POP000101"]
    command += ["--to-cert", PKI / "POP000103.pem", "--file", file, "--sender", PHASE4, "--receiver", receiver]
    return [row for row in rows(once(*command, "--json", *options)) if "summary" not in row]


def receipt_is_kept(gateway: Ours, row: dict[str, Any]) -> None:
    """Assert that the evidence of a sent document holds the receipt of its message."""
    with zipfile.ZipFile(BytesIO(gateway.call("GET", f"/v1/documents/{row['id']}/evidence.zip"))) as archive:
        (receipt,) = (archive.read(name) for name in archive.namelist() if name.endswith("-receipt.xml"))
    assert b"NonRepudiationInformation" in receipt
    assert re.search(rb"RefToMessageId>\s*" + re.escape(row["message_id"].encode()), receipt)


def judge(*files: Path, request: Path | None = None) -> list[dict[str, Any]]:
    """Verdicts of the independent judge, profile included."""
    command: list[object] = [JUDGE_PYTHON, SUPPORT / "judge.py", "--pki", PKI, "--profile", "--json"]
    if request:
        command += ["--request", request]
    return rows(once(*command, *files))


def accepted(verdicts: list[dict[str, Any]], kind: str) -> None:
    """Assert that the judge took every file for a good one of that kind."""
    for verdict in verdicts:
        assert verdict["verdict"] == "accept", [step for step in verdict["steps"] if step[0] != "ok"]
        assert verdict["kind"] == kind, verdict
