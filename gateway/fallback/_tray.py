"""The tray: letters of the day that wait for the bureau's cut-off, and closed batches that wait for the bureau. [I/O]

::

    TRAY/ACCOUNT/FILE.pdf, FILE.json     a letter; it is there once its JSON is
    TRAY/closed/BATCH/                   a batch whose list is closed, whole; its letters leave the tray afterwards
    TRAY/done/BATCH                      it was submitted
    TRAY/taken/FILE                      this letter is in a batch, or about to be: it is not laid by once more

A kill between two of these moves leaves a letter in both places: it is in a batch then, and the next turn takes it out
of the tray. One process at a time does the moves (a lock on ``TRAY/.lock``). Everything here blocks.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.errors import ChannelUnavailable
from gateway.fallback._batch import MANIFEST, Batch, Printed, of_row, read_batch, write_batch
from gateway.files import make_directory, safe_name, write_durably

MOST: Final = 5_000
"""Letters of one batch."""
_GONE: Final = ".told-"
_BATCH_BYTES: Final = 200_000_000


class Tray:
    """What waits here. Raises ``OSError``; :meth:`read` also ``ChannelUnavailable``."""

    def __init__(self, directory: Path, keep: timedelta) -> None:
        self._directory = directory
        self._keep = keep

    def put(self, letter: Printed) -> None:
        """Lay a letter by; twice is once."""
        place = self._directory / "waiting" / safe_name(letter.account)
        if (self._directory / "taken" / letter.file).exists() or (place / f"{letter.file}.json").exists():
            return
        make_directory(place)
        write_durably(place / letter.file, letter.pdf)
        write_durably(place / f"{letter.file}.json", json.dumps(letter.row()).encode())

    def close_due(self, now: datetime, next_cut_off: Callable[[datetime], datetime]) -> None:
        """Close a batch of each account for which a cut-off has passed since its oldest letter came."""
        with self._alone():
            self._tidy()
            for place in sorted(self._directory.glob("waiting/*")):
                rows = sorted(place.glob("*.pdf.json"), key=lambda path: (path.stat().st_mtime, path.name))
                if not rows:
                    continue
                since = datetime.fromtimestamp(rows[0].stat().st_mtime, now.tzinfo)
                if next_cut_off(since) <= now:
                    self._close(place, rows, now)

    def _close(self, place: Path, rows: list[Path], now: datetime) -> None:
        letters: list[Printed] = []
        size = 0
        for path in rows[:MOST]:
            pdf = path.with_suffix("").read_bytes()
            size += len(pdf)
            if letters and size > _BATCH_BYTES:
                break
            letters.append(replace(of_row(json.loads(path.read_bytes()), pdf), account=place.name))
        number = 1
        while self._taken(name := f"{now:%Y%m%d}-{place.name}-{number:03}"):
            number += 1
        make_directory(self._directory / "closed")
        make_directory(self._directory / "taken")
        for one in letters:
            (self._directory / "taken" / one.file).touch()
        sync_directory(self._directory / "taken")
        write_batch(self._directory / "closed", Batch(name=name, letters=tuple(letters)))
        self._take_out(place, letters)

    def _taken(self, name: str) -> bool:
        return (self._directory / "closed" / name).exists() or (self._directory / "done" / name).exists()

    def _tidy(self) -> None:
        """Finish what a kill has left: letters of closed batches leave the tray; done batches leave ``closed``."""
        for batch in self._directory.glob(f"closed/{_GONE}*/"):
            shutil.rmtree(batch)
        for batch in sorted(self._directory.glob("closed/[!.]*/")):
            for line in (batch / MANIFEST).read_text("utf-8").splitlines():
                file = json.loads(line)["file"]
                for place in self._directory.glob("waiting/*"):
                    (place / f"{file}.json").unlink(missing_ok=True)
                    (place / file).unlink(missing_ok=True)
        limit = time.time() - self._keep.total_seconds()
        for mark in (*self._directory.glob("done/*"), *self._directory.glob("taken/*")):
            if mark.stat().st_mtime < limit:
                mark.unlink()

    def _take_out(self, place: Path, letters: list[Printed]) -> None:
        for one in letters:
            (place / f"{one.file}.json").unlink(missing_ok=True)
            (place / one.file).unlink(missing_ok=True)

    def closed(self) -> list[tuple[str, bool]]:
        """Closed batches that somebody has still to hear of, the oldest first, and whether the bureau has them."""
        names = sorted(batch.name for batch in self._directory.glob("closed/[!.]*/"))
        return [(name, self._done(name).exists()) for name in names]

    def read(self, name: str) -> Batch:
        """A closed batch."""
        try:
            return read_batch(self._directory / "closed" / name)
        except ValueError as error:
            text = f"The batch {name} cannot be used: {error}"
            remedy = "Restore the file, or ask for its letters anew."
            raise ChannelUnavailable(text, failure="local", remedy=remedy) from None

    def begun(self, name: str) -> Path:
        """Where an adapter notes that the batch is about to be seen."""
        return self._directory / "begun" / name

    def submitted(self, name: str) -> None:
        """The bureau has it."""
        make_directory(self._directory / "done")
        write_durably(self._done(name), b"")
        self.begun(name).unlink(missing_ok=True)

    def told(self, name: str) -> None:
        """The store knows; the copy here goes, out of sight first: half of a batch must be none."""
        batch = self._directory / "closed" / name
        batch.rename(batch.with_name(f"{_GONE}{name}"))
        shutil.rmtree(batch.with_name(f"{_GONE}{name}"))

    def _done(self, name: str) -> Path:
        return self._directory / "done" / name

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_directory(self._directory)
        descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """What was made in it stays made when the power fails."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
