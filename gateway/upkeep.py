"""What is done with a whole store beside a gateway, or while none runs: backup, restore. For the commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway.app import SystemClock
from gateway.config import Config
from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.ports import Gap
from gateway.store import open_store
from gateway.store.backup import Backup, back_up
from gateway.store.database import database_path
from gateway.store.moving import Moved, Progress, Upgraded, move, upgrade
from gateway.store.opening import postgres_part
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


async def upgrade_store(database: str, base: Path, told: Callable[[int, str], None]) -> Upgraded:
    """Bring the schema up to this program. Raises as :func:`gateway.store.moving.upgrade`."""
    return await upgrade(database, base, told)


async def move_store(source: str, target: str, base: Path, told: Progress, *, replace: bool) -> Moved:
    """Move a store to another database. Raises as :func:`gateway.store.moving.move`."""
    return await move(source, target, base, told, replace=replace)


async def look_at_server(database: str) -> tuple[bool, str]:
    """Whether a gateway could use this PostgreSQL database, and what was found."""
    try:
        return True, await postgres_part("opening").look(database)
    except ConfigurationError as error:
        return False, error.problems[0][1]
    except StoreUnavailable as error:
        return False, str(error)


def _places(config: Config) -> tuple[Path, Path]:
    if not config.store.database.startswith("sqlite:"):
        text = (
            "is not SQLite: use the database's own tools as docs/operation.md says, then gateway db reconcile --begin"
        )
        raise ConfigurationError([("store.database", text)])
    return database_path(config.store.database, config.base), config.base / config.store.payloads
