"""The first API key of a gateway of several processes: made once, so shown whatever becomes of the start."""

from __future__ import annotations

import json
import subprocess
import sys

_SCRIPT = """
import json, os, signal, sys
from gateway.serving.supervisor import Post, Supervisor

def work(post: Post) -> int:
    if post.number == 2:
        return 3  # it cannot start
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(post.line, json.dumps({"ready": True, "api_key": "gwk_x"}).encode() + bytes([10]))
    while True:
        signal.pause()

def announce(said: dict[str, object]) -> None:
    print(json.dumps(said), flush=True)

sys.exit(Supervisor(count=2, work=work, listen=dict, announce=announce).run())
"""


def test_the_first_key_is_shown_also_when_another_process_cannot_start() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"ready": False, "api_key": "gwk_x"}]
