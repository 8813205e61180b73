"""Opening: settings, schema version, and clear words when it cannot be used."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from store_parts import StillClock, only_sqlite, opened, plain_sqlite

from gateway.errors import ConfigurationError
from gateway.store import SqlStore, open_store
from gateway.store.database import database_path, make_file


async def test_a_first_start_makes_everything_readable_by_us_alone(tmp_path: Path, clock: StillClock) -> None:
    async with opened(tmp_path, clock) as store:
        assert await store.first_account("Exempel AB", "hash")
        assert not await store.first_account("Exempel AB", "hash-2")
        assert await store.account_of_key("hash") == "exempel-ab"
        for file in (tmp_path / "var").glob("gateway.db*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert len(list((tmp_path / "var").glob("gateway.db*"))) == 4


@only_sqlite
async def test_the_writer_syncs_every_commit_and_readers_cannot_write(store: SqlStore) -> None:
    with store._writer._transactions._engine.connect() as writing:
        settings = {
            name: writing.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    async with store._reads._engine.connect() as connection:
        with pytest.raises(Exception, match="readonly"):
            await connection.execute(text("DELETE FROM account"))


@only_sqlite
async def test_opening_again_leaves_the_locks_of_the_open_store_alone(store: SqlStore, tmp_path: Path) -> None:
    # A process that sees no lock takes itself for the last one, and removes the log that the store still writes.
    make_file(tmp_path / "var/gateway.db")
    other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM account'); c.close()"
    subprocess.run([sys.executable, "-c", other, str(tmp_path / "var/gateway.db")], check=True)
    assert (tmp_path / "var/gateway.db-wal").exists()


@only_sqlite
async def test_a_database_is_held_by_one_gateway_at_a_time(store: SqlStore, tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(ConfigurationError, match="another gateway runs on"):
        async with opened(tmp_path, clock):
            pass


async def test_a_newer_schema_is_refused_with_a_remedy(tmp_path: Path, clock: StillClock) -> None:
    async with opened(tmp_path, clock):
        pass
    with plain_sqlite(tmp_path) as plain:
        plain.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(ConfigurationError, match=r"version 99.*newer program.*install"):
        async with opened(tmp_path, clock):
            pass


async def test_another_programs_database_is_refused(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "var").mkdir()
    with plain_sqlite(tmp_path) as plain:
        plain.execute("CREATE TABLE recipe (id)")
    with pytest.raises(ConfigurationError, match="another program"):
        async with opened(tmp_path, clock):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var/gateway.db").write_bytes(b"not a database, only text\n" * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        async with opened(tmp_path, clock):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "var").mkdir(mode=0o500)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        async with opened(tmp_path, clock):
            pass


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "file").write_text("in the way")
    for database, payloads in (("sqlite:file/x.db", "payloads"), ("sqlite:x.db", "file/payloads")):
        with pytest.raises(ConfigurationError, match="cannot be made"):
            async with open_store(database, Path(payloads), clock, base=tmp_path):
                pass


async def test_a_database_that_is_a_folder_is_refused(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "x.db").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        async with open_store("sqlite:x.db", Path("payloads"), clock, base=tmp_path):
            pass


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:var/gateway.db", "/base/var/gateway.db"),
        ("sqlite:/data/gateway.db", "/data/gateway.db"),
        ("sqlite:////data/gateway.db", "/data/gateway.db"),
        ("sqlite:///var/gateway.db", "/base/var/gateway.db"),
    ],
)
def test_a_path_is_relative_to_the_base(url: str, path: str) -> None:
    assert database_path(url, Path("/base")) == Path(path)


@pytest.mark.parametrize(
    "url", ["", "sqlite:", "sqlite::memory:", "postgresql://x/y", "var/gateway.db", "sqlite://x/y"]
)
def test_what_is_not_a_sqlite_path_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.database"):
        database_path(url, Path("/base"))
