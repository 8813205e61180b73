"""The market of a run: the kit's DNS and SMP, our gateway as its users see it, recorders in between."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from conformance.interop.kit import CHECKOUT, LISTS_PORT, PEERS, PKI, PYTHON, SUPPORT, ZONE
from conformance.interop.programs import InteropError, Program, Programs, tail

_PATIENCE_SECONDS: Final = 60

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
revocation = "crl"
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
rest_after = 0  # every faulty answer is asked for

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
        """One call of the API; a JSON answer as values, any other as octets.

        Whoever is told to come back later does, as every client should.
        """
        headers = {"Authorization": f"Bearer {self.key}"}
        if body is not None:
            headers["Content-Type"] = kind
        request = urllib.request.Request(self.api + path, body, headers, method=method)
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=90) as answer:
                    octets, media = answer.read(), answer.headers.get("Content-Type", "")
                return json.loads(octets) if "json" in media else octets
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > end:
                    raise InteropError(f"{method} {path}: {error.code} {error.read().decode()}") from None
                time.sleep(min(int(error.headers.get("Retry-After", "1")), 5))

    def add_participant(self, participant: str, *services: tuple[str, str]) -> None:
        """Add one of ours; ``services`` are pairs of document type and process, none: the billing documents."""
        values: dict[str, object] = {"id": participant, "name": "Exempel AB", "country": "SE"}
        if services:
            values["document_types"] = [{"document_type": t, "process": p} for t, p in services]
        self.call("POST", "/v1/participants", json.dumps(values).encode(), "application/json")

    def send(self, octets: bytes, *, wait: int = 30, route: str = "auto") -> dict[str, Any]:
        row: dict[str, Any] = self.call("POST", f"/v1/documents?route={route}&wait={wait}", octets)
        return row

    def send_all(self, documents: Iterable[bytes]) -> list[dict[str, Any]]:
        """Hand in several at a time, as a busy company does."""
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(self.send, documents))

    def get(self, id: str) -> dict[str, Any]:
        row: dict[str, Any] = self.call("GET", f"/v1/documents/{id}")
        return row

    def content(self, id: str, form: str = "") -> bytes:
        octets: bytes = self.call("GET", f"/v1/documents/{id}/content" + (f"?form={form}" if form else ""))
        return octets

    def timeline(self, id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.call("GET", f"/v1/documents/{id}/timeline")["items"]
        return items

    def inbox(self, message_id: str) -> list[dict[str, Any]]:
        """Everything received under that MessageId."""
        query = urlencode({"direction": "in", "q": message_id}, quote_via=quote)
        items: list[dict[str, Any]] = self.call("GET", f"/v1/documents?{query}")["items"]
        return items

    def received(self) -> int:
        """How many documents came in since the start."""
        return len(self.arrivals())

    def arrivals(self) -> list[dict[str, Any]]:
        """Everything that came in since the start, newest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.call("GET", f"/v1/inbox?state=all&limit=200{'&cursor=' + cursor if cursor else ''}")
            found, cursor = found + page["items"], page["next"]
            if not cursor:
                return found

    def receipt(self, id: str) -> bytes:
        """The receipt in the evidence of a document that was sent; empty when there is none."""
        with zipfile.ZipFile(BytesIO(self.call("GET", f"/v1/documents/{id}/evidence.zip"))) as archive:
            names = [name for name in archive.namelist() if name.endswith("-receipt.xml")]
            return archive.read(names[-1]) if names else b""

    def letters(self, id: str) -> int:
        """How many letters were made of that document."""
        return sum(id in manifest.read_text() for manifest in (self.directory / "letters").rglob("manifest.jsonl"))

    def until(self, id: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
        """The document, once it is as wanted."""
        end = time.monotonic() + seconds
        while not wanted(found := self.get(id)):
            if time.monotonic() > end:
                raise InteropError(f"{found}\n{self.timeline(id)}")
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

    def responses(self) -> set[Path]:
        """The answers that passed so far."""
        return set(self.directory.glob("*.response.http"))

    def response_after(self, before: set[Path]) -> bytes:
        """The one answer that passed since then; the proxy writes it down after it has passed it on."""
        until = time.monotonic() + 5
        while not (new := self.responses() - before):
            if time.monotonic() > until:
                raise InteropError("the recording proxy saw no answer")
            time.sleep(0.05)
        return max(new).read_bytes()


@contextmanager
def start_support(programs: Programs, network: Path, dns: int, smp: int) -> Iterator[None]:
    """The kit's DNS and SMP for the network of that file, on those ports."""
    resolver = [PYTHON, SUPPORT / "dns_server.py", network, "--port", dns]
    stub = [PYTHON, SUPPORT / "smp_stub.py", network, "--port", smp, "--crl-port", 0]
    with programs.run("dns", resolver, ready=" ready on "), programs.run("smp-stub", stub, ready=" ready on "):
        yield


@contextmanager
def start_gateway(
    programs: Programs,
    network: Network,
    seat: str,
    directory: Path,
    *,
    pause: str = "2 seconds",
    prefix: Sequence[object] = (),
    program: Sequence[object] = ("gateway", "serve", "--json", "--parent", os.getpid(), "--config"),
    as4: str = "",
) -> Iterator[Ours]:
    """`gateway serve` as that seat; it must drain when it is told to end, and tell of no fault of its own.

    ``pause`` is the time before the first retry; ``prefix`` are words before the command (``taskset -c 0``);
    ``program`` is what else is run of that configuration; ``as4`` are more lines of its section. Raises
    :class:`InteropError`.
    """
    for name in (seat, "PSP000202"):
        shutil.copyfile(PKI / f"{name}.pem", directory / f"{name}.pem")
        key = directory / f"{name}.key.pem"
        shutil.copyfile(PKI / f"{name}.key.pem", key)
        key.chmod(0o600)
    ports = {name: network.ports[f"{seat}-{name}"] for name in ("as4", "api", "smp")}
    config = directory / "config.toml"
    text = _CONFIG.format(seat=seat, pki=PKI.resolve(), zone=ZONE, dns=network.dns, pause=pause, **ports)
    config.write_text(text.replace("[as4]\n", f"[as4]\n{as4}"))
    command = [*prefix, sys.executable, "-m", *program, config]
    with (
        serve_revocation_lists(programs),
        programs.run(f"gateway-{seat}", command, ready='"ready"', PYTHONPATH=str(CHECKOUT)) as node,
    ):
        ready = next(json.loads(line) for line in node.said().splitlines() if '"ready"' in line)
        ours = Ours(ready["as4"], ready["api"], ready["api_key"], directory, node)
        yield ours
        if node.stop(30) != 0:
            raise InteropError(f"the gateway did not drain:\n{tail(node.said())}")
        if faults := ours.faults():
            raise InteropError(f"the gateway logged faults of its own: {faults[:3]}")


@contextmanager
def start_recorder(programs: Programs, network: Network, name: str, target: str, out: Path) -> Iterator[Recorder]:
    """A recording proxy on port ``name`` in front of port ``target``."""
    command = [PYTHON, PEERS / "oxalis" / "record_proxy.py", "--port", network.ports[name]]
    command += ["--target", f"127.0.0.1:{network.ports[target]}", "--out", out]
    with programs.run(name, command, ready="recording on"):
        yield Recorder(network.url(name), out)


@contextmanager
def start_network(
    programs: Programs, directory: Path, ports: dict[str, int], participants: dict[str, dict[str, str]]
) -> Iterator[Network]:
    """The kit's DNS and SMP on the ports ``dns`` and ``stub``, with these participants."""
    net = Network(directory, f"127.0.0.1:{ports['dns']}", f"http://127.0.0.1:{ports['stub']}", ports)
    file = directory / "network.json"
    file.write_text(json.dumps({"smp": net.smp, "participants": participants}))
    with start_support(programs, file, ports["dns"], ports["stub"]):
        yield net


@contextmanager
def serve_revocation_lists(programs: Programs) -> Iterator[None]:
    """The revocation lists of the kit's PKI, where its certificates say that they are."""
    if _lists_are_served():
        yield
        return
    command = [sys.executable, "-m", "http.server", LISTS_PORT, "--bind", "127.0.0.1", "--directory", PKI / "crl"]
    with programs.run("revocation-lists", command, ready="Serving HTTP"):
        yield


def _lists_are_served() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{LISTS_PORT}/ap.crl", timeout=2) as answer:
            return bool(answer.read() == (PKI / "crl" / "ap.crl").read_bytes())
    except OSError:
        return False
