"""What the tests with foreign access points share: where the kit is, its programs, documents between participants.

The kit is ../shared/peers (its READMEs say how it is set up) with its programs under $AS4_PEERS_HOME.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from lxml import etree

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = CHECKOUT / ".." / "shared"
PEERS = SHARED / "peers"
SUPPORT, PKI = PEERS / "support", PEERS / "pki"
CORPUS = SHARED / "corpus" / "as4"
HOME = Path(os.environ.get("AS4_PEERS_HOME", Path.home() / ".cache" / "as4-peers"))
PYTHON = HOME / "venv" / "bin" / "python"
JUDGE_PYTHON = HOME / "judge" / "bin" / "python"
ZONE = "participant.sml.test.tech.peppol.org"
LISTS_PORT = 18090
"""Where the certificates of the kit's PKI say that their revocation lists are."""

needs_network = [
    pytest.mark.peers,
    pytest.mark.skipif(not SUPPORT.is_dir(), reason="../shared/peers/support is absent"),
    pytest.mark.skipif(not PYTHON.exists(), reason="the support kit is not set up: support/net setup"),
]
_JAVA = shutil.which("java") is not None or bool(os.environ.get("JAVA_HOME"))


def needs_java(kit: str) -> pytest.MarkDecorator:
    """Mark of tests that start a Java program of the kit."""
    reason = f"{kit} is not set up: ./{kit} setup" if _JAVA else "there is no Java here"
    return pytest.mark.skipif(not (_JAVA and (HOME / kit / "classes").is_dir()), reason=reason)


needs_python_as4 = pytest.mark.skipif(
    not (HOME / "python-as4" / "venv" / "bin" / "python").exists(),
    reason="python-as4 is not set up: ./python-as4 setup",
)
needs_judge = pytest.mark.skipif(
    not JUDGE_PYTHON.exists(),
    reason="there is no Python with lxml and xmlsec for the judge: conformance/README.md",
)

OURS = "0088:7300010000103"
PHASE4, PYTHON_AS4, OXALIS = "0088:7300010000101", "0088:7300010000102", "0088:7300010000104"
REFUSING, ANSWERING, NOBODY = "0088:7300010000105", "0088:7300010000106", "0088:7300010000999"
KINDS = {"invoice": "invoice.xml", "credit note": "creditnote.xml"}
MANY = 20

_CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_SBDH = "{http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader}"


# --- documents ------------------------------------------------------------------------------------------------------


def document(kind: str, *, number: str, sender: str, receiver: str) -> bytes:
    """A UBL invoice or credit note between two participants of the test network."""
    text = (CORPUS / "python-as4" / KINDS[kind]).read_bytes()
    for side, participant in (("Supplier", sender), ("Customer", receiver)):
        scheme, _, value = participant.partition(":")
        endpoint = f'<cbc:EndpointID schemeID="{scheme}">{value}<'.encode()
        pattern = rb'(<cac:Accounting%sParty>\s*<cac:Party>\s*)<cbc:EndpointID schemeID="[^"]*">[^<]*<' % side.encode()
        text, found = re.subn(pattern, lambda m, e=endpoint: m[1] + e, text)
        assert found == 1, (side, kind)
    text, found = re.subn(rb"(?m)^  <cbc:ID>[^<]*<", f"  <cbc:ID>{number}<".encode(), text)
    assert found == 1, kind
    return text


def canonical(octets: bytes) -> bytes:
    """The document's canonical form: equal for the same content, whatever envelope it was cut from."""
    return etree.tostring(_business_document(octets), method="c14n", exclusive=True)


def number_of(octets: bytes) -> str:
    return _business_document(octets).findtext(f"{_CBC}ID") or ""


def instance_of(sbd: bytes) -> str:
    """InstanceIdentifier of a business envelope."""
    path = f"{_SBDH}StandardBusinessDocumentHeader/{_SBDH}DocumentIdentification/{_SBDH}InstanceIdentifier"
    return etree.XML(sbd).findtext(path) or ""


def _business_document(octets: bytes) -> etree._Element:
    root = etree.XML(octets)
    if root.tag == f"{_SBDH}StandardBusinessDocument":
        (root,) = (child for child in root if child.tag != f"{_SBDH}StandardBusinessDocumentHeader")
        root.tail = None
    return root


# --- processes ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Program:
    """A process that a test started, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, seconds: float = 15) -> int:
        """End the process and what it started; gives its exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


@dataclass(slots=True)
class Programs:
    """Everything that runs now; a failed test shows the end of each log."""

    directory: Path
    running: list[Program] = field(default_factory=list)
    _started: int = 0

    @contextmanager
    def run(
        self, name: str, command: Sequence[object], *, ready: str, seconds: float = 30, **environment: str
    ) -> Iterator[Program]:
        """A process from its ready word to its end."""
        self._started += 1
        log = self.directory / f"{self._started:02d}-{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.directory,
                env=_environment(environment),
            )
        program = Program(name, process, log)
        self.running.append(program)
        try:
            until = time.monotonic() + seconds
            while ready not in program.said():
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"{name} did not become ready:\n{tail(program.said())}")
                time.sleep(0.05)
            yield program
        finally:
            program.stop()
            self.running.remove(program)


def once(*command: object, seconds: float = 90, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the kit to its end."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=_environment(environment),
    )


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON lines that a program printed."""
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert found, f"exit {done.returncode}, no rows:\n{tail(done.stdout)}\n{tail(done.stderr)}"
    return found


def tail(text: str, lines: int = 8) -> str:
    return "\n".join(line[:300] for line in text.splitlines()[-lines:])


def free_port() -> int:
    """A port of loopback that nobody uses, below those that the system gives to outgoing connections."""
    for _ in range(1000):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((PKI / f"{name}.pem").read_bytes())


def _environment(changes: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **changes}


def wait_for_port(port: int, seconds: float = 10) -> None:
    """Wait until somebody listens there."""
    until = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < until, port
        time.sleep(0.05)
