"""Steps from one schema to the next: whole or not at all, and in the end what a new store has."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect
from store_parts import EXEMPEL, StillClock, opened, outgoing, plain

from gateway.errors import ConfigurationError
from gateway.model.addresses import Cause, failed_id, mail_key
from gateway.model.identifiers import DocumentId
from gateway.store.moving import upgrade
from gateway.store.tables import SCHEMA_VERSION, instant_text, metadata
from gateway.store.whole import open_whole

LATER = ("mark", "setting", "duty", "audit")
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.store import migrations, moving
take = migrations.take
def killed(connection, step):
    if int(step.revision) == int(sys.argv[3]):
        take(connection, step)
        os.kill(os.getpid(), signal.SIGKILL)
    take(connection, step)
migrations.take = killed
asyncio.run(moving.upgrade(sys.argv[1], Path(sys.argv[2]), lambda *of: None))
"""


async def first_schema(folder: Path, clock: StillClock) -> None:
    """A store as the first schema had it, with a document."""
    async with opened(folder, clock) as store:
        await store.add_account(EXEMPEL, "Exempel AB", "hash")
        await store.add_once(outgoing("d1"))
    for table in LATER:
        plain(folder, f"DROP TABLE {table}")
    plain(folder, "ALTER TABLE login DROP COLUMN way")
    plain(folder, "UPDATE schema_version SET version = 1")


async def facts(database: str, folder: Path) -> Any:
    """What differs from a new store, and the names of the tables."""

    def look(session: Any) -> Any:
        context = MigrationContext.configure(session.connection)
        return compare_metadata(context, metadata), set(inspect(session.connection).get_table_names())

    async with open_whole(database, folder) as whole:
        return await whole.do(look)


async def test_an_older_store_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    await first_schema(tmp_path, clock)
    with pytest.raises(ConfigurationError, match=r"version 1, .* gateway db upgrade"):
        async with opened(tmp_path, clock):
            pass


async def test_the_steps_make_what_a_new_store_has_and_keep_what_was_there(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    await first_schema(tmp_path, clock)
    told: list[int] = []
    done = await upgrade(database, tmp_path, lambda number, _: told.append(number))
    assert (done.before, done.after, told) == (1, SCHEMA_VERSION, list(range(2, SCHEMA_VERSION + 1)))
    assert (await facts(database, tmp_path))[0] == []
    async with opened(tmp_path, clock) as store:
        assert (await store.get(EXEMPEL, DocumentId("d1"))).id == "d1"
    again = await upgrade(database, tmp_path, lambda number, _: told.append(number))
    assert (again.before, again.after) == (SCHEMA_VERSION, SCHEMA_VERSION)


@pytest.mark.parametrize("step", range(2, SCHEMA_VERSION + 1))
async def test_a_kill_in_a_step_leaves_the_schema_before_it_and_the_next_run_goes_on(
    tmp_path: Path, clock: StillClock, database: str, step: int
) -> None:
    await first_schema(tmp_path, clock)
    words = [sys.executable, "-c", KILLED, database, str(tmp_path), str(step)]
    killed = subprocess.run(words, cwd=Path(__file__).parents[2], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert plain(tmp_path, "SELECT version FROM schema_version") == [(step - 1,)]
    assert ("mark" in (await facts(database, tmp_path))[1]) is (step > 2)
    await upgrade(database, tmp_path, lambda *_: None)
    assert (await facts(database, tmp_path))[0] == []


async def test_addresses_that_take_no_mail_are_kept_by_the_step_that_drops_their_table(
    tmp_path: Path, clock: StillClock, database: str
) -> None:
    await first_schema(tmp_path, clock)
    plain(tmp_path, "DROP TABLE failed_address")
    plain(
        tmp_path,
        "CREATE TABLE mail_address (account TEXT NOT NULL REFERENCES account (id), address TEXT NOT NULL, reason TEXT "
        "NOT NULL, document TEXT NOT NULL, since TEXT NOT NULL, PRIMARY KEY (account, address))",
    )
    since = instant_text(clock.now())
    row = f"'{EXEMPEL}', 'faktura@exempel.example', '550 no such user', 'd1', '{since}'"
    plain(tmp_path, f"INSERT INTO mail_address VALUES ({row})")
    await upgrade(database, tmp_path, lambda *_: None)
    differs, names = await facts(database, tmp_path)
    assert differs == [] and "mail_address" not in names
    id_ = failed_id(EXEMPEL, "email", mail_key("Faktura@exempel.example"))
    async with opened(tmp_path, clock) as store:
        (kept,) = await store.addresses.failed(EXEMPEL, [id_])
    assert (kept.cause, kept.said, kept.document, kept.since) == (Cause.BOUNCED, "550 no such user", "d1", clock.now())


async def test_a_gateway_is_in_the_way_of_a_step(tmp_path: Path, clock: StillClock, database: str) -> None:
    async with opened(tmp_path, clock):
        with pytest.raises(ConfigurationError, match="gateway runs on"):
            await upgrade(database, tmp_path, lambda *_: None)


@pytest.mark.parametrize("version", [-7, 99])
async def test_a_version_from_which_no_step_leads_is_refused(
    tmp_path: Path, clock: StillClock, database: str, version: int
) -> None:
    async with opened(tmp_path, clock):
        pass
    plain(tmp_path, f"UPDATE schema_version SET version = {version}")
    with pytest.raises(ConfigurationError, match="install a newer one"):
        await upgrade(database, tmp_path, lambda *_: None)


async def test_an_empty_database_has_nothing_to_upgrade(tmp_path: Path, database: str) -> None:
    if database.startswith("sqlite:"):
        (tmp_path / "var").mkdir()
        (tmp_path / "var/gateway.db").touch()
    with pytest.raises(ConfigurationError, match="no store in this database"):
        await upgrade(database, tmp_path, lambda *_: None)
