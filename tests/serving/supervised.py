"""Processes under a supervisor for `test_supervisor.py`: each beats until it is told to hang or to end.

Usage: python -m tests.serving.supervised FOLDER HANG_SECONDS. Each process writes its id to FOLDER/NUMBER and makes
FOLDER/up-ID once it has said that it is ready; it hangs, deaf and without a beat, once FOLDER/hang-NUMBER exists.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
from pathlib import Path

from gateway.serving.supervisor import Post, Supervisor


def work(folder: Path, post: Post) -> int:
    (folder / str(post.number)).write_text(str(os.getpid()))
    os.write(post.line, json.dumps({"ready": True, "number": post.number}).encode() + b"\n")
    (folder / f"up-{os.getpid()}").touch()
    hang = folder / f"hang-{post.number}"
    while not select.select([post.life], [], [], 0.05)[0]:
        post.beat()
        if hang.exists():
            hang.unlink()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            select.select([], [], [])
    return 0


def main() -> int:
    folder, hang_seconds = Path(sys.argv[1]), float(sys.argv[2])
    return Supervisor(
        count=2,
        work=lambda post: work(folder, post),
        listen=dict,
        announce=lambda said: print(json.dumps(said), flush=True),
        hang_seconds=hang_seconds,
    ).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(main())
