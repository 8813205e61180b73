"""What the process that opens foreign files cannot do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import gateway
from gateway.scanning import process

PROBE = r"""
import ctypes, json, os, socket, subprocess, sys, threading
from gateway.scanning import confine
secret, target, parent = sys.argv[1], sys.argv[2], int(sys.argv[3])
confine.limit(memory=800_000_000, seconds=20)
held = confine.confine(confine.readable())
beside = sys.argv[4]
done = {}
def attempt(name, work):
    try:
        work()
        done[name] = "done"
    except MemoryError:
        done[name] = "MemoryError"
    except OSError as error:
        done[name] = error.strerror
def ptrace():
    if confine._libc.ptrace(16, parent, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "denied")
attempt("socket", lambda: socket.socket())
attempt("socketpair", lambda: socket.socketpair())
attempt("read", lambda: open(secret).read())
attempt("settings", lambda: open(beside).read())
attempt("own program", lambda: open(confine.__file__).read())
attempt("list", lambda: os.listdir(os.path.dirname(secret)))
attempt("write", lambda: open(target, "w"))
attempt("unlink", lambda: os.unlink(secret))
attempt("rename", lambda: os.rename(secret, target))
attempt("link", lambda: os.symlink(secret, target))
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("program", lambda: subprocess.run(["/bin/true"]))
attempt("signal", lambda: os.kill(parent, 0))
attempt("ptrace", ptrace)
attempt("memory", lambda: bytearray(2_000_000_000))
attempt("thread", lambda: threading.Thread(target=lambda: None).start())
print(json.dumps({"held": held, "done": done}))
"""


def test_it_has_no_network_no_files_no_children_and_bounded_memory(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    beside = Path(gateway.__file__).parents[1] / "config.toml"
    assert beside.exists()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        ran = subprocess.run(
            [sys.executable, "-P", "-c", PROBE, str(secret), str(tmp_path / "new"), str(bystander.pid), str(beside)],
            capture_output=True,
            text=True,
            check=False,
            env=process._environment(),
            cwd="/",
        )
        assert bystander.poll() is None
        bystander.kill()
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    if "seccomp" not in told["held"] or "landlock" not in told["held"]:
        pytest.skip(f"this kernel offers only {told['held']}")
    could = {name for name, how in told["done"].items() if how == "done"}
    assert could == {"thread", "own program"}
    assert told["done"]["memory"] == "MemoryError"
    assert secret.read_text() == "key" and not (tmp_path / "new").exists()
