"""``gateway serve --systemd-unit``: what systemd says of the unit, and a service that needs no more than it gives."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from gateway.cli.unit import CALLS, programs, unit, writable
from gateway.config import load
from gateway.network.market import Market, new_market
from gateway.network.running import run_market
from gateway.serving import notify
from tests.cli.test_commands import FACTS, NETWORK
from tests.scanning import generator

ANALYZE = shutil.which("systemd-analyze")
with_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (Debian package systemd)")
with_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def market(tmp_path: Path) -> Market:
    made = new_market(tmp_path / "market", 1, now=datetime.now(UTC))
    with made.members[0].config.open("a") as config:
        config.write("\n[scan]\n")
    return made


def analyze(*words: str) -> str:
    assert ANALYZE is not None
    done = subprocess.run([ANALYZE, "--no-pager", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@with_systemd
def test_systemd_reads_the_unit_and_finds_little_exposed(market: Market, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "serve", "--systemd-unit", "--config", str(market.members[0].config)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert printed.returncode == 0, printed.stderr
    file = tmp_path / "gateway.service"
    file.write_text(printed.stdout)
    assert analyze("verify", str(file)) == ""
    told = analyze("security", "--offline=true", str(file))
    exposure = re.search(r"Overall exposure level for gateway.service: ([\d.]+)", told)
    assert exposure is not None and float(exposure[1]) <= 2.1, told


def test_the_unit_follows_the_configuration(tmp_path: Path) -> None:
    text = Path("config.toml").read_text()
    text = text.replace('listen = "127.0.0.1:8080"', 'listen = "0.0.0.0:443"')
    text = text.replace('payloads = "var/payloads"', 'payloads = "/var/lib/gateway/pay loads"')
    text = text.replace(
        '[delivery.default]\nkind = "inbox"', '[delivery.default]\nkind = "folder"\ntarget = "/srv/50%"'
    )
    text = text.replace('notice = "0 seconds"', 'notice = "15 seconds"')
    file = tmp_path / "config.toml"
    file.write_text(text)
    made = unit(load(file, {}))
    assert f"ReadWritePaths={tmp_path}/var /srv/50%%\n" in made
    assert 'StateDirectory="gateway/pay loads"\n' in made
    assert f"install -d -m 0700 -o gateway -- {tmp_path}/var /srv/50%%\n" in made
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in made and "PrivateUsers" not in made
    assert "TimeoutStopSec=75\n" in made
    file.write_text(text.replace("0.0.0.0:443", "127.0.0.1:8080"))
    made = unit(load(file, {}))
    assert "CapabilityBoundingSet=\n" in made and "PrivateUsers=yes\n" in made
    file.write_text(text.replace('key = "pki/POP000101.key.pem"', 'key = "pkcs11:token=NAME;object=NAME"'))
    assert "PrivateDevices" not in unit(load(file, {}))


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield line


def test_systemd_hears_of_several_processes_as_of_one(
    market: Market, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    command = [sys.executable, "-m", "gateway", "serve", "--workers", "2"]
    command += ["--config", str(market.members[0].config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            heard = set[str]()
            while not heard >= {"READY=1", "WATCHDOG=1"}:
                heard.add(listening.recv(100).decode())
            process.terminate()
            while "STOPPING=1" not in heard:
                heard.add(listening.recv(100).decode())
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
    assert heard == {"READY=1", "WATCHDOG=1", "STOPPING=1"}


def test_without_a_service_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    assert notify.pause() == 0
    notify.tell(notify.READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify.tell(notify.READY)
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    assert notify.pause() == 10
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.pause() == 0, "somebody else is meant"


CHANGING = (
    *("creat", "mkdir", "mkdirat", "rmdir", "rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat"),
    *("symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmodat", "truncate", "utimensat", "setxattr"),
)
WATCHED = (*CHANGING, "open", "openat", "execve", "execveat", "mmap", "mprotect", "pkey_mprotect", "socket", "unshare")


def denied_calls() -> set[str]:
    """What the filter of the unit refuses, of all that systemd knows."""

    def of(name: str) -> set[str]:
        lines = analyze("syscall-filter", name).splitlines()[1:]
        words = {line.strip() for line in lines if line.strip() and not line.strip().startswith("#")}
        return {one for word in words for one in (of(word) if word.startswith("@") else {word})}

    allowed = {one for word in CALLS for one in (of(word) if word.startswith("@") else {word})}
    for word in ("@keyring", "@setuid"):
        allowed -= of(word)
    return of("@known") - (allowed - {"userfaultfd", "personality"})


@with_systemd
@with_strace
async def test_the_service_does_nothing_that_the_unit_refuses_and_tells_how_it_is(
    market: Market, tmp_path: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway under strace(1) sends an invoice to itself, receives it, and reads a PDF in its confined process."""
    pytest.importorskip("pypdfium2")
    log, refused = tmp_path / "strace", denied_calls()
    calls = ",".join(f"?{name}" for name in sorted(refused | set(WATCHED)))
    wrapper = tmp_path / "python"
    wrapper.write_text(
        f'#!/bin/sh\nexec strace -D -f -qqq -y -s 300 --seccomp-bpf -o {log} -e trace={calls} {sys.executable} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setattr("gateway.network.running.sys.executable", str(wrapper))
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    assert FACTS.buyer.endpoint is not None
    async with run_market(market), aiohttp.ClientSession() as http:
        member = market.members[0]
        http.headers["Authorization"] = f"Bearer {member.key_file.read_text().strip()}"
        monkeypatch.undo()
        url = f"http://{member.api}/v1"
        body = {"id": FACTS.buyer.endpoint.value, "country": "SE"}
        async with http.post(f"{url}/participants", json=body) as answer:
            assert answer.status < 300, await answer.text()
        headers = {"Content-Type": "application/xml"}
        async with http.post(f"{url}/documents?route=peppol&wait=60", data=NETWORK, headers=headers) as answer:
            sent = await answer.json()
        assert sent["state"] in ("SENT", "DELIVERED"), sent
        async with http.get(f"{url}/inbox") as answer:
            assert len((await answer.json())["items"]) == 1
        octets = generator.text_pdf(generator.page(generator.invoice(3, code=False)))
        headers = {"Content-Type": "application/pdf"}
        async with http.post(f"{url}/scans", data=octets, headers=headers) as answer:
            scan = await answer.json()
            assert answer.status < 300, scan
        while scan["state"] == "taken":
            await asyncio.sleep(0.1)
            async with http.get(f"{url}/scans/{scan['id']}") as answer:
                scan = await answer.json()
    assert {listening.recv(100).decode() for _ in range(8)} >= {"READY=1", "WATCHDOG=1"}
    judge(log.read_text(errors="replace").splitlines(), market, refused)


def judge(lines: list[str], market: Market, refused: set[str]) -> None:
    config = load(market.members[0].config, {})
    folders, executable, seen = writable(config), programs(config), set()
    for line in lines:
        found = re.match(r"\d+ +(\w+)\((.*)", line)
        if found is None:
            continue
        call, rest = found[1], found[2]
        seen.add(call)
        assert call not in refused, line
        if call in CHANGING or (call in ("open", "openat") and re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", rest)):
            for path in re.findall(r'"(/[^"]*)"', rest):
                inside = any(Path(path).is_relative_to(folder) for folder in folders)
                private = path.startswith("/tmp/") and not Path(path).is_relative_to(market.directory.parent)
                assert inside or private or path.startswith(("/dev/", "/proc/self/")) or "= -1 E" in line, line
        if call == "execve" and "= 0" in line:
            program = json.loads(re.findall(r'^("[^"]*")', rest)[0])
            assert any(Path(program).resolve().is_relative_to(one) for one in executable), line
        if call in ("mmap", "mprotect", "pkey_mprotect"):
            assert not ("PROT_EXEC" in rest and (call != "mmap" or "PROT_WRITE" in rest)), line
        if call == "socket":
            assert re.match(r"AF_(INET6?|UNIX|NETLINK)\b", rest), line
        if call == "unshare":
            assert set(re.findall("CLONE_[A-Z]+", rest)) <= {"CLONE_NEWUSER", "CLONE_NEWNET"}, line
    assert {"openat", "execve", "unshare", "socket", "mmap"} <= seen, "nothing was watched"
