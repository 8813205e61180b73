"""A SoftHSM token of this process, into which tests put keys; it stands in for a hardware module."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

MODULE = next((str(p) for p in Path("/usr/lib").glob("**/softhsm/libsofthsm2.so")), "")
TOOL = shutil.which("softhsm2-util") or ""
PIN = "987654"
TOKEN = "market"
MISSING = "" if MODULE and TOOL else "SoftHSM is not installed (Debian: softhsm2)"


@lru_cache(maxsize=1)
def token() -> tempfile.TemporaryDirectory[str]:
    """Make the token, once: a module reads its settings when it is loaded."""
    folder = tempfile.TemporaryDirectory(prefix="softhsm-")
    settings = Path(folder.name) / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder.name}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    _run("--init-token", "--free", "--label", TOKEN, "--so-pin", "1234", "--pin", PIN)
    return folder


def put(key: Path, label: str) -> str:
    """Put a PEM key into the token; gives its address."""
    token()
    number = os.urandom(4).hex()
    _run("--import", str(key), "--token", TOKEN, "--label", label, "--id", number, "--pin", PIN)
    return address(f"object={label}")


def address(key: str) -> str:
    return f"pkcs11:token={TOKEN};{key}?module-path={MODULE}"


def _run(*arguments: str) -> None:
    subprocess.run([TOOL, *arguments], check=True, capture_output=True)
