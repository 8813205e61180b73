"""The tray at moments at which a process may die."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.fallback._batch import MANIFEST, Printed
from gateway.fallback._tray import Tray


class Killed(BaseException):
    """The process ends here."""


def test_a_kill_while_a_batch_that_was_told_is_removed_stops_no_later_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    letter = Printed(document="d1", account="main", pdf=b"%PDF", pages=1, duplex=True, address=("Exempel AB",))
    tray = Tray(tmp_path, timedelta(days=60))
    tray.put(letter)
    tray.close_due(later, lambda since: later)
    ((name, _),) = tray.closed()
    tray.submitted(name)

    def half(path: Path) -> None:
        (path / MANIFEST).unlink()
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(shutil, "rmtree", half)
        tray.told(name)
    again = Tray(tmp_path, timedelta(days=60))
    again.put(letter)
    again.put(Printed(document="d2", account="main", pdf=b"%PDF", pages=1, duplex=True, address=("Exempel AB",)))
    again.close_due(later, lambda since: later)
    ((other, done),) = again.closed()
    assert other != name and not done
    assert [one.document for one in again.read(other).letters] == ["d2"], "and nothing twice"
    assert not list(tmp_path.glob("closed/.*"))
