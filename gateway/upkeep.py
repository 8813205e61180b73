"""What is done with a whole store beside a gateway, or while none runs: backup, restore. For the commands."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from gateway.app import SystemClock
from gateway.config import Config
from gateway.errors import ConfigurationError
from gateway.ports import Gap
from gateway.store import open_store
from gateway.store.backup import Backup, back_up
from gateway.store.database import database_path
from gateway.store.restoring import Restored, restore


def back_up_store(config: Config, target: Path) -> Backup:
    """Copy the store to a new folder, while it is in use. Raises as :func:`gateway.store.backup.back_up`."""
    return back_up(*_places(config), target.absolute())


def restore_store(config: Config, source: Path, *, replace: bool) -> Restored:
    """Bring a backup back; no work is given out until a person confirms. Raises as ``restoring.restore``."""
    return restore(source.absolute(), *_places(config), replace=replace)


async def begin_reconciling(config: Config, moment: datetime) -> None:
    """The database was brought back by other tools, as it was at ``moment``. No gateway may run on it."""
    clock, store = SystemClock(), config.store
    async with open_store(store.database, store.payloads, clock=clock, base=config.base) as opened:
        await opened.operation.reopen(Gap(backup=moment, restored=clock.now(), source="other tools"))


def _places(config: Config) -> tuple[Path, Path]:
    if not config.store.database.startswith("sqlite:"):
        text = (
            "is not SQLite: use the database's own tools as docs/operation.md says, then gateway db reconcile --begin"
        )
        raise ConfigurationError([("store.database", text)])
    return database_path(config.store.database, config.base), config.base / config.store.payloads
