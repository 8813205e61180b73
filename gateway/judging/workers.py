"""The worker processes, seen from the gateway: each judges one document at a time, and losing one loses nothing.

A worker that dies is replaced and the document tried once more; one that takes too long is killed. Neither is ever a
verdict: the caller gets :class:`RulesUnavailable`. Everything here blocks; call it from a thread.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from queue import LifoQueue
from types import TracebackType
from typing import IO, Any, Final, TypeVar, cast

from gateway.errors import RulesUnavailable
from gateway.judging.frames import LENGTH, write_frame, write_value
from gateway.judging.svrl import MAX_REPORT

_T = TypeVar("_T")
INSTALL: Final = "pip install 'access-point-gateway[rules]'"
_WORKER: Final = Path(__file__).resolve().with_name("worker.py")
_START: Final = 60.0
"""Seconds until a new worker must be ready: Saxon loads in 0.1 s on an idle machine."""
_COMPILE: Final = 60.0
"""Seconds a pack may take to compile: the largest official one takes 0.6 s."""
_LAST_WORDS: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may use."""

    seconds: float = 30.0
    """Time for one document, compiling not counted."""
    memory: int = 1_000_000_000
    """Octets. With EN 16931 and Peppol compiled a worker has 150 MB; 280 MB once it judged an invoice of 7 MB."""
    documents: int = 2_000
    """Documents after which a worker is replaced, so that a leak in a library cannot grow."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The pack ended on this document with an error of its own: it has no report, and that refuses the document."""

    text: str


Program = Callable[[str], bytes | None]
"""What runs of a pack, asked for once by each worker: its ``xslt``, or its ``schematron`` if it has one."""


class PackBroken(Exception):
    """The pack does not compile; the text is the processor's."""


class NoProcessor(RulesUnavailable):
    """This rule pack needs Saxon, which is not installed."""

    remedy = f"Install it: {INSTALL} (a wheel of 39 MB; none for musl systems such as Alpine)."


class _Died(Exception):
    """The worker ended by itself."""


class Workers:
    """Up to ``most`` worker processes, started when they are needed."""

    def __init__(self, *, most: int = 1, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.most = most
        # Last in, first out: the worker that has its packs compiled is taken before a new one is started.
        self._free: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(most):
            self._free.put(None)

    def judge(self, pack: str, program: Program, document: bytes) -> bytes | Aborted:
        """Run a pack, known by a name of its own, on a document: UTF-8 without a DTD.

        Gives its report. Raises :class:`RulesUnavailable` when there is no verdict, :class:`PackBroken`.
        """
        return self._with_worker(lambda worker: worker.judge(pack, program, document, self.limits.seconds))

    def prove(self, pack: str, program: Program) -> str:
        """Compile a pack once; gives the processor's name. Raises as :meth:`judge` does."""

        def compile_it(worker: _Worker) -> str:
            worker.compile(pack, program)
            return worker.processor

        return self._with_worker(compile_it)

    def close(self) -> None:
        """End the workers that are free; call it when nothing is being judged."""
        for worker in [self._free.get() for _ in range(self.most)]:
            if worker is not None:
                worker.end()
            self._free.put(None)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _with_worker(self, work: Callable[[_Worker], _T]) -> _T:
        worker = self._free.get()
        try:
            for again in (True, False):
                if worker is None:
                    worker = _Worker(self.limits)
                try:
                    result = work(worker)
                except _Died as death:
                    worker.end()
                    worker = None
                    if not again:
                        raise RulesUnavailable(
                            f"The rule pack ended its process twice on this document ({death}): it could not be judged",
                            remedy="Run `gateway validate` on it; give the workers more memory ([rules] memory_limit).",
                        ) from None
                except NoProcessor:
                    raise
                except RulesUnavailable:
                    worker.end()
                    worker = None
                    raise
                else:
                    worker.done += 1
                    if worker.done >= self.limits.documents:
                        worker.end()
                        worker = None
                    return result
            raise AssertionError  # the second round returns or raises
        except BaseException as error:
            if worker is not None and not isinstance(error, PackBroken | NoProcessor):
                worker.end()  # in the middle of an answer
                worker = None
            raise
        finally:
            self._free.put(worker)


class _Worker:
    """One process."""

    def __init__(self, limits: Limits) -> None:
        self.done = 0
        self.processor = ""
        self._packs: set[str] = set()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-P", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,  # a buffer here would hide octets from the selector
                env=_environment(),
                cwd="/",  # what Saxon says then names no directory of ours
                process_group=0,  # a Ctrl-C is for the gateway, which ends its workers itself
            )
        except OSError as error:
            raise RulesUnavailable(f"The rules' worker process cannot be started: {error.strerror}") from None
        self._last_words = b""
        self._selector = selectors.DefaultSelector()
        self._in, self._out, self._err = (
            cast(IO[bytes], pipe) for pipe in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe.fileno(), False)
            if pipe is not self._in:
                self._selector.register(pipe, selectors.EVENT_READ)
        try:
            until = time.monotonic() + _START
            self._send(until, {"memory": limits.memory, "seconds": int(limits.seconds + _COMPILE) + 1})
            hello = self._value(until, "to start")
        except _Died as death:
            self.end()
            raise RulesUnavailable(f"The rules' worker process does not start: {death}") from None
        except BaseException:
            self.end()
            raise
        self.processor, self._runs = str(hello["processor"]), str(hello["runs"])

    def compile(self, pack: str, program: Program) -> None:
        """Compile a pack unless this worker has it. Raises :class:`PackBroken`, :class:`NoProcessor`."""
        if pack in self._packs:
            return
        content = program(self._runs)
        if content is None:
            raise NoProcessor
        answer, _ = self._ask({"do": "compile", "pack": pack}, content, _COMPILE, "to compile the pack")
        if "unsupported" in answer:
            raise NoProcessor(f"This rule pack needs Saxon, which is not installed: {answer['unsupported']}")
        if "compiled" not in answer:
            raise PackBroken(str(answer.get("error") or answer.get("exhausted")))
        self._packs.add(pack)

    def judge(self, pack: str, program: Program, document: bytes, seconds: float) -> bytes | Aborted:
        """Judge one document."""
        self.compile(pack, program)
        answer, report = self._ask({"do": "judge", "pack": pack}, document, seconds, "for this document")
        if "exhausted" in answer:
            raise RulesUnavailable(
                f"The rule pack could not be run to its end ({answer['exhausted']}): the document was not judged",
                remedy="Look at the document's size and depth; raise [rules] memory_limit if it is a fair one.",
            )
        return report if "judged" in answer else Aborted(str(answer.get("error", "")))

    def end(self) -> None:
        """Kill the process and forget it."""
        self._selector.close()
        self._process.kill()
        for pipe in (self._in, self._out, self._err):
            with suppress(OSError):  # what could not be flushed any more
                pipe.close()
        self._process.wait()

    def _ask(self, order: dict[str, Any], content: bytes, seconds: float, what: str) -> tuple[dict[str, Any], bytes]:
        until = time.monotonic() + seconds
        self._send(until, order, content)
        return self._value(until, what), self._frame(until, what)

    def _send(self, until: float, order: dict[str, Any], content: bytes | None = None) -> None:
        """Write the frames; a process that is stopped and reads nothing cannot hold us for longer than ``until``."""
        written = BytesIO()
        write_value(written, order)
        if content is not None:
            write_frame(written, content)
        left = memoryview(written.getbuffer())
        with selectors.DefaultSelector() as writable:
            writable.register(self._in, selectors.EVENT_WRITE)
            while left:
                if not writable.select(max(0.0, until - time.monotonic())):
                    raise RulesUnavailable("The rules' worker process does not read what it is given")
                try:
                    left = left[os.write(self._in.fileno(), left) :]
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    raise _Died(self._death()) from None

    def _value(self, until: float, what: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._frame(until, what))
        return value

    def _frame(self, until: float, what: str) -> bytes:
        (length,) = LENGTH.unpack(self._octets(LENGTH.size, until, what))
        if length > MAX_REPORT:
            raise RulesUnavailable(f"The rule pack wrote a report of {length} octets; at most {MAX_REPORT} are read")
        return self._octets(length, until, what)

    def _octets(self, number: int, until: float, what: str) -> bytes:
        parts = bytearray()
        while len(parts) < number:
            left = until - time.monotonic()
            if left <= 0:
                raise RulesUnavailable(
                    f"The rule pack took longer {what} than it may: the document was not judged",
                    remedy="Try again on a quieter machine, or raise [rules] time_limit.",
                )
            for key, _ in self._selector.select(left):
                if key.fileobj is self._err:
                    self._listen()
                    continue
                octets = self._out.read(min(number - len(parts), 1 << 20))
                if octets == b"":
                    raise _Died(self._death())
                parts += octets or b""
        return bytes(parts)

    def _listen(self) -> None:
        """Keep the last of what the process says; without a reader it would stop."""
        said = self._err.read(1 << 16)
        if said == b"":
            self._selector.unregister(self._err)
        self._last_words = (self._last_words + (said or b""))[-_LAST_WORDS:]

    def _death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        with suppress(OSError, KeyError, ValueError):
            self._listen()
        code = self._process.returncode
        how = "still runs" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        words = self._last_words.decode(errors="replace").split("Fatal error:")
        said = " ".join((words[-1] if len(words) > 1 else words[0]).split())[-300:]
        return f"{how}: {said}" if said else how


def _environment() -> dict[str, str]:
    """Where this package stands, what Python needs to start, and none of our secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ}
    paths = [str(_WORKER.parents[2]), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths))}
