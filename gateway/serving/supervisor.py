"""Several processes on one set of addresses: started, watched, replaced, ended together. [I/O]

Each has its own listening sockets (SO_REUSEPORT), so the kernel shares the callers out among them. The supervisor opens
these sockets and keeps them: callers that wait when a process dies are served by its successor. It opens no store and
runs no event loop; its processes are forks of it and share its memory as long as nobody writes there.

A process sends a line when it is ready and an empty one every second. One that is silent for a minute is killed. When
the supervisor itself is gone, however it ended, its end of a pipe is closed, and every process drains; one that hangs
is ended by an alarm that it set itself at its last sign of life.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from gateway.serving.board import Board
from gateway.serving.notify import STOPPING, Pulse, tell

_log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
HANG_SECONDS: Final = 60.0
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 85.0
"""Longer than a drain takes: each of three sites may answer requests for twice ten seconds; then the steps end."""
_SOON_SECONDS: Final = 10.0
"""A process that lived shorter than this after it was ready is replaced more slowly each time."""
_LONGEST_PAUSE: Final = 30.0
_ALARM_AFTER: Final = 1.5
"""How much longer than the supervisor the alarm waits: where there is a supervisor, its log tells what happened."""
MOST: Final = 64
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Sockets = Mapping[str, list[socket.socket]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What one process is given."""

    number: int
    """From 1."""
    sockets: Sockets
    line: int
    """Descriptor for the lines to the supervisor."""
    life: int
    """Descriptor that ends when the supervisor does."""
    board: Board
    hang_seconds: float = HANG_SECONDS

    def beat(self) -> None:
        """Say that it is not stuck: to the supervisor, and to the kernel, which ends it when this is not said again."""
        with suppress(OSError):
            os.write(self.line, b"\n")
        signal.setitimer(signal.ITIMER_REAL, self.hang_seconds * _ALARM_AFTER)


@dataclass(slots=True)
class _Place:
    number: int
    sockets: Sockets = field(default_factory=dict)
    pid: int = 0
    line: int = -1
    unread: bytes = b""
    ready: bool = False
    started: float = 0.0
    heard: float = 0.0
    due: float = 0.0
    """When to start it; 0 when it runs or is not wanted."""
    pause: float = 0.0


@dataclass(kw_only=True)
class Supervisor:
    """Runs ``count`` processes until SIGTERM or SIGINT; SIGHUP is passed on."""

    count: int
    work: Callable[[Post], int]
    """What each process does; gives its exit code."""
    listen: Callable[[], Sockets]
    """New listening sockets for one process. Raises ``OSError``."""
    announce: Callable[[dict[str, object]], None]
    """Gets what the first process said, once all are ready."""
    hang_seconds: float = HANG_SECONDS
    """How long a process may be silent once it is ready."""
    _places: list[_Place] = field(init=False)
    _board: Board = field(init=False)
    _pulse: Pulse = field(init=False)
    _said: dict[str, object] = field(default_factory=dict)
    _announced: bool = False
    _stopping: float = 0.0
    _code: int = 0

    def __post_init__(self) -> None:
        self._places = [_Place(number) for number in range(1, self.count + 1)]
        self._board = Board(self.count + 1)
        self._pulse = Pulse()

    def run(self) -> int:
        """Supervise; gives the exit code: 0 after a drain, that of the process that could not start otherwise."""
        self._life, held = os.pipe()
        self._held = held
        self._wake, wake = socket.socketpair()
        for end in (self._wake, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        gc.collect()
        gc.freeze()  # collections in the processes leave these pages shared
        try:
            self._start(self._places[0])
            while self._turn():
                pass
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for place in self._places:
                self._let_go(place)
            for descriptor in (self._life, held):
                os.close(descriptor)
            self._wake.close()
            wake.close()
            if not self._announced and "api_key" in self._said:  # it is made once, so it is shown all the same
                self.announce({"ready": False, "api_key": self._said["api_key"]})
        return self._code

    def _turn(self) -> bool:
        """Wait for something to happen and deal with it; False when all is over."""
        now = time.monotonic()
        for place in self._places:
            if place.due and place.due <= now:
                self._start(place)
        lines = {place.line: place for place in self._places if place.line >= 0}
        dues = [place.due - now for place in self._places if place.due]
        wake = self._wake.fileno()
        readable, _, _ = select.select([wake, *lines], [], [], max(0.0, min([1.0, *dues])))
        for one in readable:
            if one == wake:
                self._wake.recv(4096)
            else:
                self._listen_to(lines[one])
        self._bury()
        self._watch(time.monotonic())
        self._pulse.beat(time.monotonic())
        running = [place for place in self._places if place.pid]
        self._board.write(0, {"wanted": self.count, "running": sum(place.ready for place in running)})
        return bool(running) or not self._stopping

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number == signal.SIGHUP:
            self._tell(signal.SIGHUP)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = time.monotonic()
            tell(STOPPING)
            for place in self._places:
                place.due = 0.0
                self._close_sockets(place)  # held open here, they would go on taking callers whom nobody serves
        self._tell(signal.SIGTERM)

    def _tell(self, number: int) -> None:
        for place in self._places:
            if place.pid:
                os.kill(place.pid, number)

    def _start(self, place: _Place) -> None:
        place.due = 0.0
        if not place.sockets:
            try:
                place.sockets = self.listen()
            except OSError as error:
                if not self._announced:
                    raise
                _log.error("process %d cannot listen: %s", place.number, error)
                self._later(place)
                return
        line, told = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(
            signal.SIG_BLOCK, _SIGNALS
        )  # none may reach the child while it has our handlers
        pid = os.fork()
        if pid == 0:
            self._become(place, told)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(told)
        os.set_blocking(line, False)
        place.pid, place.line, place.unread, place.ready = pid, line, b"", False
        place.started = place.heard = time.monotonic()
        if self._stopping:
            os.kill(pid, signal.SIGTERM)

    def _become(self, place: _Place, told: int) -> None:
        """In the new process: keep what is its own, do the work, and end without coming back."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(self._held)
            for other in self._places:
                if other is not place:
                    self._let_go(other)
            os.set_blocking(told, False)
            post = Post(
                number=place.number,
                sockets=place.sockets,
                line=told,
                life=self._life,
                board=self._board,
                hang_seconds=self.hang_seconds,
            )
            code = self.work(post)
        except BaseException:
            logging.getLogger(__name__).exception("a process of the gateway failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _listen_to(self, place: _Place) -> None:
        try:
            octets = os.read(place.line, 65_536)
        except BlockingIOError:
            return
        if not octets:
            os.close(place.line)
            place.line = -1
            return
        place.heard = time.monotonic()
        *lines, place.unread = (place.unread + octets).split(b"\n")
        for line in lines:
            if line:
                self._is_ready(place, json.loads(line))

    def _is_ready(self, place: _Place, said: dict[str, object]) -> None:
        if not said.get("ready"):
            self.announce(said)  # it cannot go on, but has a key to show
            return
        place.ready = True
        if place.number == 1 and not self._said:
            self._said = said
            for other in self._places[1:]:
                other.due = time.monotonic()
        if not self._announced and all(other.ready for other in self._places):
            self._announced = True
            self.announce(self._said)
        elif self._announced:
            _log.info("process %d runs again", place.number, extra={"pid": place.pid})

    def _bury(self) -> None:
        for place in self._places:
            if not place.pid:
                continue
            found, status = os.waitpid(place.pid, os.WNOHANG)
            if not found:
                continue
            self._listen_to_the_end(place)
            code = os.waitstatus_to_exitcode(status)
            lived = time.monotonic() - place.started
            place.pid, was_ready, place.ready = 0, place.ready, False
            if self._stopping:
                if was_ready or code != -signal.SIGTERM:  # one that had not begun has nothing to drain
                    self._code = self._code or abs(code)
            elif not self._announced and not was_ready:
                self._code = code if code > 0 else 1  # what the first start cannot do, no later one can
                self._stop()
            else:
                how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
                place.pause = min(max(0.5, place.pause * 2), _LONGEST_PAUSE) if lived < _SOON_SECONDS else 0.0
                _log.error("process %d %s; a new one in %.1f s", place.number, how, place.pause)
                self._later(place)

    def _listen_to_the_end(self, place: _Place) -> None:
        while place.line >= 0:
            before = place.line
            self._listen_to(place)
            if place.line == before and not select.select([place.line], [], [], 0)[0]:
                os.close(place.line)  # a child of the dead process holds the other end
                place.line = -1

    def _later(self, place: _Place) -> None:
        """Start it after its pause; meanwhile the other processes get its callers."""
        place.due = time.monotonic() + place.pause
        if place.pause:
            self._let_go(place)

    @staticmethod
    def _close_sockets(place: _Place) -> None:
        for sockets in place.sockets.values():
            for listening in sockets:
                listening.close()
        place.sockets = {}

    def _let_go(self, place: _Place) -> None:
        self._close_sockets(place)
        if place.line >= 0:
            os.close(place.line)
            place.line = -1

    def _watch(self, now: float) -> None:
        for place in self._places:
            if not place.pid:
                continue
            limit = self.hang_seconds if place.ready else START_SECONDS
            if now - place.heard > limit:
                _log.error("process %d has not moved for %.0f s and is killed", place.number, limit)
                os.kill(place.pid, signal.SIGKILL)
                place.heard = now
            elif self._stopping and now - self._stopping > STOP_SECONDS:
                _log.error("process %d does not end and is killed", place.number)
                os.kill(place.pid, signal.SIGKILL)
