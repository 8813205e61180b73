"""Steps from one schema to the next, by alembic, for both databases: ``gateway db upgrade``.

Each step is one transaction together with the number in ``schema_version``, so a kill leaves a whole schema, the old or
the new one, and the next run goes on from there. (Tables and indexes that are only added need no step: they are made
where they are missing.) A new store is made from ``tables.py`` at once; a test compares
what the steps make with it. Alembic takes a second to import, so nothing but the command does.

To add a step: a file in ``versions/`` whose ``revision`` is the next number and ``down_revision`` the one before,
``tables.py`` changed alike, and ``SCHEMA_VERSION`` counted up. Where a table of SQLite must change more than by a new
column: ``op.batch_alter_table``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, select, update

from gateway.errors import ConfigurationError
from gateway.store.tables import MOVED_AWAY, MOVING_IN, SCHEMA_VERSION, schema_version

_FOLDER: Final = Path(__file__).parent


def version_of(connection: Connection) -> int:
    """The schema's version; raises ``ConfigurationError`` where no step leads from it."""
    if schema_version.name not in inspect(connection).get_table_names():
        raise _no("there is no store in this database yet: the first start of a gateway makes it")
    version = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if version in (MOVING_IN, MOVED_AWAY):
        raise _no("this store is half moved, or was moved away: gateway db move")
    if version is None or not 1 <= version <= SCHEMA_VERSION:
        raise _no(f"the schema has version {version}, this program knows 1 to {SCHEMA_VERSION}: install a newer one")
    return int(version)


def steps(since: int) -> Iterator[Script]:
    """The steps that lead from this version to the last, in their order."""
    later = ScriptDirectory(str(_FOLDER)).iterate_revisions("head", f"{since:04}")
    return reversed([step for step in later if int(step.revision) > since])


def take(connection: Connection, step: Script) -> None:
    """Take one step inside the open transaction."""
    with Operations.context(MigrationContext.configure(connection)):
        step.module.upgrade()
    connection.execute(update(schema_version).values(version=int(step.revision)))


def _no(text: str) -> ConfigurationError:
    return ConfigurationError([("store.database", text)])
