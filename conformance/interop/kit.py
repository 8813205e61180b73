"""Where the foreign programs are, whether they are set up, in which versions, and who is who in their network.

The kit is ../shared/peers (its READMEs say how it is set up) with its programs under $AS4_PEERS_HOME.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.security.keys import Identity, identity_of

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SHARED: Final = CHECKOUT / ".." / "shared"
PEERS: Final = SHARED / "peers"
SUPPORT: Final = PEERS / "support"
PKI: Final = PEERS / "pki"
CORPUS: Final = SHARED / "corpus" / "as4"
HOME: Final = Path(os.environ.get("AS4_PEERS_HOME", Path.home() / ".cache" / "as4-peers"))
PYTHON: Final = HOME / "venv" / "bin" / "python"
JUDGE_PYTHON: Final = HOME / "judge" / "bin" / "python"
_PYTHON_AS4: Final = HOME / "python-as4" / "venv" / "bin" / "python"
ZONE: Final = "participant.sml.test.tech.peppol.org"
LISTS_PORT: Final = 18090
"""Where the certificates of the kit's PKI say that their revocation lists are."""

OURS: Final = "0088:7300010000103"
WRAPPED: Final = "0088:7300010000107"
"""Another participant of ours: it takes wrapped text and octets instead of invoices."""
PHASE4, PYTHON_AS4, OXALIS = "0088:7300010000101", "0088:7300010000102", "0088:7300010000104"
REFUSING, ANSWERING, NOBODY = "0088:7300010000105", "0088:7300010000106", "0088:7300010000999"

_JARS: Final = {"phase4": "phase4-peppol-client", "oxalis": "oxalis-as4", "lookup": "phase4-peppol-client"}
"""The jar that tells the version of a Java kit."""


def absent(kit: str) -> str:
    """Why that kit cannot be used here; empty when it can. ``support`` is the DNS and SMP that all others need."""
    if not SUPPORT.is_dir():
        return "../shared/peers is absent"
    if kit == "support":
        return "" if PYTHON.exists() else "the support kit is not set up: support/net setup"
    if kit == "python-as4":
        return "" if _PYTHON_AS4.exists() else "python-as4 is not set up: ./python-as4 setup"
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        return "there is no Java here"
    return "" if (HOME / kit / "classes").is_dir() else f"{kit} is not set up: ./{kit} setup"


def version(kit: str) -> str:
    """The version of the published program inside that kit, from what is installed; ``?`` when it cannot be told."""
    if kit == "python-as4":
        return _said(_PYTHON_AS4, "-c", "import importlib.metadata as m; print(m.version('as4'))")
    for jar in sorted((HOME / kit / "lib").glob(f"{_JARS[kit]}-*.jar")):
        if found := re.fullmatch(re.escape(_JARS[kit]) + r"-(\d.*)\.jar", jar.name):
            return found[1]
    return "?"


def java_version() -> str:
    """Name and version of the JVM that the Java kits use; ``?`` without one."""
    home = os.environ.get("JAVA_HOME")
    text = _said(Path(home, "bin", "java") if home else "java", "-version")
    found = re.search(r"^(.*Runtime.*?) \(.*?build ([^)]+)\)", text, re.MULTILINE)
    return f"{found[1]} {found[2]}" if found else text.partition("\n")[0]


def certificate(name: str) -> x509.Certificate:
    """A certificate of the kit's PKI."""
    return x509.load_pem_x509_certificate((PKI / f"{name}.pem").read_bytes())


def identity(name: str) -> Identity:
    """A certificate of the kit's PKI with its key."""
    key = load_pem_private_key((PKI / f"{name}.key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return identity_of(certificate(name), key)


def _said(*command: object) -> str:
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "?"
    return (done.stdout or done.stderr).strip()
