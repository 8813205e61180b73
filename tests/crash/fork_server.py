"""Starts the gateway quickly, again and again: everything is imported once, each start is a fork.

    python -m tests.crash.fork_server CONFIG

Commands on stdin: ``start CONFIG OUT LOG`` forks a child that runs ``gateway serve --json`` with its output in those
files and answers with its pid; ``reap PID`` waits for that child and answers with its wait status.

What no start changes is read once and inherited: modules, schemas, rule packs, keys, the system's authorities (they
are five sixths of a start's CPU). Of the store nothing is opened here: that is what a start has to show.

``CRASH_LEASE`` in the environment: seconds that a lease lasts, so that a campaign need not wait a minute for each.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import sys
import traceback
from functools import cache
from importlib import resources
from pathlib import Path

_LAZY = ("uvloop", "aiosqlite", "aiosmtplib", "typst", "asyncpg")
_SAMPLES = ("network", "email", "letter")


def main() -> None:
    _warm(Path(sys.argv[1]))
    print("ready", flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "start":
            print(_start(*words), flush=True)
        elif command == "reap":
            print(os.waitpid(int(words[0]), 0)[1], flush=True)


def _warm(config: Path) -> None:
    import gateway

    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in _LAZY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from gateway import app
    from gateway.config import load
    from gateway.exchange import worker
    from gateway.serving import own_keys
    from gateway.ubl import schema
    from gateway.ubl.rules.judge import Rulebook
    from gateway.ubl.rules.pack import load_all
    from gateway.ubl.submission import read_submission

    own_keys.load_identity = cache(own_keys.load_identity)  # type: ignore[attr-defined]
    app.client_context = cache(app.client_context)
    if lease := float(os.environ.get("CRASH_LEASE", "0")):
        worker.LEASE_SECONDS, worker._RENEW_SECONDS = lease, lease / 4  # type: ignore[misc]
    read = load(config, {})
    app.read_files(read)
    app.client_context(read.network.tls_trust)
    schema.load()
    load_all()
    for sample in _SAMPLES:
        read_submission(resources.files("gateway.ubl").joinpath(f"examples/{sample}.xml").read_bytes(), book=Rulebook())
    gc.collect()
    gc.freeze()


def _start(config: str, out: str, log: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        for path, descriptor in ((out, 1), (log, 2)):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(file, descriptor)
            os.close(file)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(Path(config).parent)
        from gateway.cli import main as cli

        code = cli(["serve", "--json", "--config", config])
    except BaseException:
        traceback.print_exc()  # nobody else would: this process must not go back to what it was forked from
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
