"""Processes that a run starts, each with its log; it ends those that it started, and no others."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class InteropError(Exception):
    """A program did not do what the run needs of it; the text says which and shows the end of its log."""


@dataclass(slots=True)
class Program:
    """A process that was started, with its log."""

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
    """Everything that runs now."""

    directory: Path
    running: list[Program] = field(default_factory=list)
    _started: int = 0

    @contextmanager
    def run(
        self, name: str, command: Sequence[object], *, ready: str, seconds: float = 120, **environment: str
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
                    raise InteropError(f"{name} did not become ready:\n{tail(program.said())}")
                time.sleep(0.05)
            yield program
        finally:
            program.stop()
            self.running.remove(program)


def once(*command: object, seconds: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the kit to its end."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=_environment(environment),
    )


def stream(*command: object, seconds: float = 3600, started: Callable[[int], object] = int) -> Iterator[dict[str, Any]]:
    """The JSON lines of a program as it prints them; ``started`` is told its pid.

    Raises :class:`InteropError` when it prints none.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=_environment({}),
    )
    started(process.pid)
    assert process.stdout is not None and process.stderr is not None
    complaints: list[str] = []
    reader = threading.Thread(target=lambda: complaints.extend(process.stderr or ()), daemon=True)
    reader.start()
    timer = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    found, other = 0, []
    try:
        for line in process.stdout:
            if line.startswith("{"):
                found += 1
                yield json.loads(line)
            else:
                other.append(line)
    finally:
        timer.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        reader.join(5)
    if not found:
        raise InteropError(f"{command[0]}: exit {process.returncode}\n{tail(''.join(other + complaints))}")


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON lines that a program printed."""
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not found:
        raise InteropError(f"exit {done.returncode}, no rows:\n{tail(done.stdout)}\n{tail(done.stderr)}")
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
    raise InteropError("no free port")


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """A port of its own for each name."""
    ports: dict[str, int] = {}
    for name in names:
        while (port := free_port()) in ports.values():
            pass
        ports[name] = port
    return ports


def wait_for_port(port: int, seconds: float = 10) -> None:
    """Wait until somebody listens there."""
    until = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > until:
            raise InteropError(f"nobody listens on port {port}")
        time.sleep(0.05)


def _environment(changes: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **changes}
