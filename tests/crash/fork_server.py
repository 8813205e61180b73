"""Starts the gateway quickly, again and again: everything is imported once, each start is a fork.

    python -m tests.crash.fork_server CONFIG

Commands on stdin: ``start OUT LOG`` forks a child that runs ``gateway serve --json`` with its output in those files and
answers with its pid; ``reap PID`` waits for that child and answers with its wait status.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    config = sys.argv[1]
    import aiohttp.web  # noqa: F401  (what a start would import)

    import gateway.cli.serve
    import gateway.server  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "start":
            print(_start(config, *words), flush=True)
        elif command == "reap":
            print(os.waitpid(int(words[0]), 0)[1], flush=True)


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
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
