"""``gateway lookup --csv``: many look-ups, one row in, one row out, in the same order.

The file has a header with a column ``participant`` (or ``id``), and where wanted ``document_type`` and ``process``;
without a header the first column counts. Every column stays; the verdict comes after. Rows are read, asked and
written as they come, so the file may be of any length.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Final

from gateway.cli import NOT_NOW, YES
from gateway.cli.terminal import as_json, say
from gateway.config import load
from gateway.errors import ConfigurationError, InvalidAddress, LookupUnavailable
from gateway.model.cells import harmless
from gateway.model.identifiers import DocumentTypeId, ParticipantId, ProcessId
from gateway.model.relation import Reachable, Unreachable
from gateway.model.schemes import read_typed
from gateway.model.services import BILLING_INVOICE, BILLING_PROCESS
from gateway.ports import Lookup

ADDED: Final = ("verdict", "code", "reason", "smp", "access_point", "endpoint", "valid_until", "warnings", "asked_at")
_KEYS: Final = ("participant", "id")
_AT_ONCE: Final = 64
_EVERY: Final = 1.0


def run(arguments: argparse.Namespace) -> int:
    """Ask for every row; exit 0 when each got a yes or a no, 3 when some could not be found out."""
    config = load(arguments.config)

    async def work() -> Counter[str]:
        from gateway.app import SystemClock, open_lookup, read_trust

        async with AsyncExitStack() as stack:
            source = stack.enter_context(_opened(arguments.csv))
            target = stack.enter_context(_target(arguments.output))
            lookup = await stack.enter_async_context(open_lookup(config, read_trust(config), SystemClock()))
            bulk = Bulk(
                lookup=lookup.polite(),
                document_type=arguments.document_type or str(BILLING_INVOICE),
                process=arguments.process or str(BILLING_PROCESS),
            )
            return await bulk.run(source, target)

    counts = asyncio.run(work())
    if arguments.json:
        as_json({"rows": counts.total(), **counts}) if arguments.output else say(str(dict(counts)))
    return NOT_NOW if counts["indeterminate"] else YES


@dataclass(kw_only=True)
class Bulk:
    """One run over one file."""

    lookup: Lookup
    document_type: str
    process: str
    at_once: int = _AT_ONCE
    counts: Counter[str] = field(default_factory=Counter)
    _started: float = field(default_factory=time.monotonic)
    _said: float = 0.0

    async def run(self, source: IO[str], target: IO[str]) -> Counter[str]:
        """Read rows, ask, write them with their verdicts in order; tells on stderr how far it is."""
        rows = csv.reader(source)
        writer = csv.writer(target)
        try:
            head, first = _head(rows)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigurationError([("--csv", f"cannot be read as CSV: {error}")]) from None
        writer.writerow([*head, *ADDED])
        async for row, answer in self._answers(first, rows, head):
            self.counts[answer[0]] += 1
            writer.writerow([*row, *[""] * (len(head) - len(row)), *map(harmless, answer)])  # SMPs write in it
            self._tell()
        self._tell(last=True)
        return self.counts

    async def _answers(
        self, first: list[list[str]], rows: Iterator[list[str]], head: list[str]
    ) -> AsyncIterator[tuple[list[str], list[str]]]:
        """Ask so many at once, and give them back in their order."""
        waiting: list[tuple[list[str], asyncio.Task[list[str]]]] = []
        named = (*_KEYS, "document_type", "process")
        places: dict[str, int] = {name: head.index(name) for name in named if name in head}
        async with asyncio.TaskGroup() as tasks:
            for row in _with(first, rows):
                if not any(cell.strip() for cell in row):
                    continue
                waiting.append((row, tasks.create_task(self._ask(row, places))))
                if len(waiting) >= self.at_once:
                    oldest, task = waiting.pop(0)
                    yield oldest, await task
            for row, task in waiting:
                yield row, await task

    async def _ask(self, row: list[str], places: dict[str, int]) -> list[str]:
        now = datetime.now(UTC)
        asked_at = now.isoformat(timespec="seconds")

        def cell(*names: str) -> str:
            found = [row[places[name]].strip() for name in names if name in places and places[name] < len(row)]
            return next((value for value in found if value), "")

        try:
            typed = read_typed(cell(*_KEYS), now.date())
            document_type = DocumentTypeId.parse(cell("document_type") or self.document_type)
            process = ProcessId.parse(cell("process") or self.process)
        except InvalidAddress as error:
            return ["invalid", "", f"{error}. {error.remedy}", "", "", "", "", "", asked_at]
        warnings = "; ".join(typed.warnings)
        return [*await self._verdict(typed.participant, document_type, process), warnings, asked_at]

    async def _verdict(
        self, participant: ParticipantId, document_type: DocumentTypeId, process: ProcessId
    ) -> list[str]:
        try:
            found = await self.lookup.find(participant, document_type, process)
        except LookupUnavailable as error:
            return ["indeterminate", "", str(error), "", "", "", ""]
        if isinstance(found, Unreachable):
            return ["negative", str(found.reason), found.text, found.smp, "", "", ""]
        assert isinstance(found, Reachable)
        end = found.endpoint
        until: date | str = end.expires.date() if end.expires else ""
        return ["positive", "", f"takes it at {end.seat}", found.smp, end.seat, end.url, str(until)]

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._said < _EVERY:
            return
        self._said = now
        done = self.counts.total()
        rate = done / max(now - self._started, 1e-6)
        parts = ", ".join(f"{count:,} {name}" for name, count in sorted(self.counts.items()))
        say(f"{done:,} looked up ({parts}), {rate:,.0f} a second{'' if last else ' …'}")


def _head(rows: Iterator[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The column names, and the rows that were read to find them out."""
    row = next(rows, None)
    if row is None:
        raise ConfigurationError([("--csv", "is empty")])
    names = [cell.strip().lower().lstrip("\ufeff") for cell in row]
    if any(key in names for key in _KEYS):
        return names, []
    return ["participant", *(f"column_{number}" for number in range(2, len(row) + 1))], [row]


def _with(first: list[list[str]], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield from first
    try:
        yield from rows
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError([("--csv", f"cannot be read as CSV: {error}")]) from None


def _opened(path: Path) -> contextlib.AbstractContextManager[IO[str]]:
    if str(path) == "-":
        return contextlib.nullcontext(sys.stdin)
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise ConfigurationError([("--csv", f"{path} cannot be read: {error.strerror}")]) from None


@contextlib.contextmanager
def _target(path: Path | None) -> Iterator[IO[str]]:
    """Where the rows go; a file gets its name only when it is whole."""
    if path is None or str(path) == "-":
        yield sys.stdout
        return
    part = path.with_name(path.name + ".part")
    try:
        file = part.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError([("--output", f"{path} cannot be written: {error.strerror}")]) from None
    with file:
        yield file
    part.replace(path)
