"""Opening the SQLite database: where it is, how it is set, which schema it has, what its errors mean.

Settings, with the reason of each: WAL (readers never wait for the writer), ``synchronous=FULL`` (with NORMAL a
power cut takes acknowledged commits with it), foreign keys, one writing connection (also the only one that
checkpoints), and reading connections that cannot write. PostgreSQL's part stands in ``postgres/``.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.errors import ConfigurationError, GatewayError, Overloaded, StateError, StoreUnavailable
from gateway.files import make_directory
from gateway.store import address_tables as address_tables  # its tables belong to the schema
from gateway.store import audit_guard, tables
from gateway.store import identity_tables as identity_tables
from gateway.store import letter_tables as letter_tables
from gateway.store import mail_tables as mail_tables
from gateway.store import operation_tables as operation_tables
from gateway.store import pending_tables as pending_tables
from gateway.store import people_tables as people_tables
from gateway.store import relation_tables as relation_tables
from gateway.store import scan_tables as scan_tables
from gateway.store import search_tables as search_tables
from gateway.store import second_tables as second_tables
from gateway.store import sweep_tables as sweep_tables
from gateway.store.session import Session, SqliteSession
from gateway.store.tables import MOVED_AWAY, MOVING_IN, SCHEMA_VERSION, metadata, schema_version

_T = TypeVar("_T")

BUSY_SECONDS: Final = 5
BEGIN: Final = "BEGIN IMMEDIATE"
"""With the write lock from the start: a transaction that must change from reading to writing may be refused."""
READERS: Final = 4

_WRITER_SETTINGS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is erased is written over
    "PRAGMA trusted_schema=OFF",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-16384",  # KiB: the tops of all indexes stay at hand
    "PRAGMA wal_autocheckpoint=4000",  # pages: what changed four times meanwhile is copied once
)
_READER_SETTINGS: Final = ("PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0", "PRAGMA trusted_schema=OFF")
_OLDEST: Final = (3, 35, 0)
"""The first SQLite that gives rows back from UPDATE."""
_REMEDIES: Final = {
    "full": "make room on its disk and start again, nothing was changed",
    "readonly": "make file and folder writable for this user, and the disk if it is mounted read-only",
    "unable to open": "see to owner and mode of the file, its folder and the files beside it",
    "not a database": "name another file, or bring a backup back with gateway db restore --replace",
    "malformed": "check the disk and bring a backup back with gateway db restore --replace",
    "disk i/o": "check the disk and bring a backup back with gateway db restore --replace",
}
_DAMAGED: Final = ("malformed", "not a database", "disk i/o error")


def database_path(url: str, base: Path) -> Path:
    """Read ``sqlite:var/gateway.db`` (relative to ``base``, or absolute); raises ``ConfigurationError``."""
    if sqlite3.sqlite_version_info < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise _unusable(
            f"SQLite {sqlite3.sqlite_version} is too old; {oldest} or newer is needed, a newer Python has it"
        )
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" and rest.startswith("///"):
        rest = rest[3:]
    if scheme != "sqlite" or not rest or rest.startswith("//") or ":memory:" in rest:
        raise _unusable(f"“{url}” cannot be used: write sqlite: and the file's path, such as sqlite:var/gateway.db")
    return base / rest


def make_folder(path: Path, key: str) -> None:
    """Make a folder that only we may read and check that it can be written; raises ``ConfigurationError``."""
    try:
        make_directory(path, mode=0o700)  # a power cut must not take the folder with all that was accepted into it
    except FileExistsError:
        text = f"the folder {path} cannot be made: a file has that name; remove it or name another folder"
        raise ConfigurationError([(key, text)]) from None
    except NotADirectoryError:
        text = f"the folder {path} cannot be made below a file; name another folder"
        raise ConfigurationError([(key, text)]) from None
    except OSError as error:
        raise ConfigurationError([(key, f"the folder {path} cannot be made: {error.strerror}")]) from error
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise ConfigurationError(
            [(key, f"the disk of {path} is mounted read-only; mount it writable, see why it is so")]
        )
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigurationError([(key, f"the folder {path} cannot be written; run: chown or chmod u+rwx {path}")])


def restoring(path: Path) -> Path:
    """The name of a database that is being restored."""
    return path.with_name(f"{path.name}.restoring")


def make_file(path: Path) -> None:
    """Make the database file, readable by nobody else; raises ``ConfigurationError``.

    SQLite gives its journal files the same mode. A file that exists is not opened here: closing it would take away
    the locks of every SQLite connection that this process has to it (POSIX locks belong to process and file), and
    two connections that do not see each other's locks destroy the database.
    """
    if restoring(path).exists():
        raise _unusable(f"a restore to {path} was broken off; run gateway db restore again, with --replace")
    try:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                path.chmod(0o600)
    except OSError as error:
        raise _unusable(f"{path} cannot be written: {error.strerror}") from error
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        raise _unusable(f"{path} cannot be written, or is no file")


@contextmanager
def hold(path: Path) -> Iterator[int]:
    """Hold the database for this gateway; raises ``ConfigurationError`` when another gateway has it.

    The lock is a file beside the database (never the database itself: see :func:`make_file`). It belongs to the
    descriptor that is given: every process that inherits it is of this gateway, and the lock falls when the last
    of them has ended, however it ends.
    """
    lock = os.open(_lock_file(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock, path)
        yield lock
    finally:
        os.close(lock)


def check_held(path: Path, lock: int) -> None:
    """Check that the inherited descriptor holds this database for us; raises ``ConfigurationError``."""
    try:
        ours, file = os.fstat(lock), _lock_file(path).stat()
    except OSError as error:
        raise _unusable(f"the lock of {path} was not inherited: {error.strerror}") from error
    if (ours.st_dev, ours.st_ino) != (file.st_dev, file.st_ino):
        raise _unusable(f"descriptor {lock} is not the lock of {path}")
    _take(lock, path)  # where the parent has it already, this changes nothing


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise _unusable(f"another gateway runs on {path}; stop it, or name another database") from None


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def writing_engine(path: Path) -> Engine:
    """The engine of the one writing connection: each transaction takes the write lock when it begins.

    Not asynchronous: the writer does a whole batch on the loop's own thread and hands only the commit to another, since
    handing over each statement would cost more than doing it.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        # Used by two threads in turn; never at the same time.
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,
        poolclass=NullPool,
    )
    _set_at_connect(engine, _WRITER_SETTINGS)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        if not (isinstance(driver, sqlite3.Connection) and driver.in_transaction):  # begun by the writer itself
            connection.exec_driver_sql(BEGIN)

    return engine


def reading_engine(path: Path) -> AsyncEngine:
    """The engine of the reading connections: each statement sees everything committed before it."""
    # No transaction is ever open on them, so there is nothing to roll back, which would cost as much as a query.
    return _engine(
        path,
        _READER_SETTINGS,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=READERS,
        max_overflow=0,
        pool_reset_on_return=None,
    )


class Reader:
    """One reading connection for the loop's own thread: few rows by their key, each statement on its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._session: Session | None = None

    def ask(self, query: Callable[[Session], _T]) -> _T:
        """Ask; raises the driver's errors."""
        if self._session is None:
            self._connection = sqlite3.connect(self._path, timeout=0.05, isolation_level=None)
            for setting in _READER_SETTINGS:
                self._connection.execute(setting)
            self._session = SqliteSession(None, self._connection)
        return query(self._session)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


def patience(driver: sqlite3.Connection, seconds: float) -> None:
    """Let the connection wait so long for a lock that another program holds."""
    driver.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


def is_busy(error: Exception) -> bool:
    """Whether another connection holds the lock."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(original, sqlite3.OperationalError) and "locked" in str(original)


def _engine(path: Path, settings: tuple[str, ...], **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        # isolation_level None: the driver begins no transaction of its own accord.
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS},
        hide_parameters=True,
        **options,
    )

    _set_at_connect(engine.sync_engine, settings)
    return engine


def _set_at_connect(engine: Engine, settings: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def _set(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()


def make_schema(engine: Engine) -> None:
    """Make the tables in a new database, or check the version of an old one.

    Raises ``ConfigurationError``, or ``StoreUnavailable`` when another program holds the lock.
    """
    try:
        with engine.begin() as connection:
            make_schema_on(connection)
    except DBAPIError as error:
        if "locked" in str(error.orig):
            raise meaning(error) from error
        raise _unusable(_with_remedy(f"the database cannot be used: {error.orig}")) from error


def _with_remedy(text: str) -> str:
    """What SQLite says at the start, with what to do about it."""
    return next((f"{text}; {remedy}" for words, remedy in _REMEDIES.items() if words in text.lower()), text)


def free_leases(engine: Engine, owner: str = "") -> None:
    """Free what an earlier run had in hand when it was killed: whoever holds the database knows that nobody works.

    With ``owner``, only what that one had: one of several processes frees what its forerunner of the same name had.
    Raises ``StoreUnavailable``.
    """
    try:
        with engine.begin() as connection:
            free_leases_of(connection, owner)
    except DBAPIError as error:
        raise meaning(error) from error


def free_leases_of(connection: Connection, owner: str) -> None:
    """Free the leases of this owner, or with an empty name of all."""
    known = tables.message.c
    held = known.next_attempt.is_not(None) & known.lease_until.is_not(None)  # the first finds them by index
    if owner:
        held &= known.lease_owner == owner
    connection.execute(update(tables.message).where(held).values(lease_until=None, lease_owner=""))


def make_schema_on(connection: Connection) -> None:
    """The same inside a transaction."""
    tables = inspect(connection).get_table_names()
    if not tables:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        return
    if schema_version.name not in tables:
        raise _unusable("the file is a database of another program; name another file")
    check_version(connection.execute(select(schema_version.c.version)).scalar_one_or_none())
    make_missing(connection)


def check_version(version: int | None) -> None:
    """Check that this program knows the schema; raises ``ConfigurationError`` with the remedy."""
    if version == MOVING_IN:
        raise _unusable("the store is half moved: run gateway db move again, or name the database it came from")
    if version == MOVED_AWAY:
        raise _unusable("everything was moved from here to another database; name that one")
    if version is None or version < SCHEMA_VERSION:
        raise _unusable(f"the schema has version {version}, this program needs {SCHEMA_VERSION}: gateway db upgrade")
    if version > SCHEMA_VERSION:
        raise _unusable(
            f"the schema has version {version} and was made by a newer program; this one knows {SCHEMA_VERSION}: "
            "install the newer program, or name another database"
        )


def make_missing(connection: Connection) -> None:
    """Make the tables, indexes and triggers that an older program did not make."""
    metadata.create_all(connection)
    audit_guard.guard(connection)
    for index in (
        tables.message_trouble,
        tables.message_not_arrived,
        tables.message_direction,
        tables.message_off_network,
        tables.message_number,
        mail_tables.message_handed_over,
        mail_tables.evidence_bounce,
        scan_tables.scan_document,
        relation_tables.proposal_of,
        address_tables.failed_address_document,
    ):
        index.create(connection, checkfirst=True)


def meaning(error: Exception) -> Exception:
    """Translate what SQLAlchemy and the driver raise; the only place that knows their errors.

    A refused row is a ``StateError`` (our own fault), anything else from the database is ``StoreUnavailable``; an error
    that is neither comes back as it is.
    """
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, (IntegrityError, sqlite3.IntegrityError)):
        return StateError(f"The store refused a row: {getattr(error, 'orig', error)}")
    if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return error
    known = isinstance(error, (OperationalError, InterfaceError, sqlite3.Error)) or type(error) is DatabaseError
    if known:
        text = str(getattr(error, "orig", error))
        if any(word in text.lower() for word in _DAMAGED):
            return StoreUnavailable(
                f"The database is damaged or its disk fails: {text}",
                remedy="Stop the gateway, check the disk, and bring the database back from a backup.",
            )
        return StoreUnavailable(f"The database cannot be used: {text}")
    if isinstance(error, NoConnectionFree):
        return Overloaded("Too many reads wait for the database")
    if isinstance(error, OSError):
        return StoreUnavailable(f"The database cannot be used: {error}")
    return error


def _unusable(text: str) -> ConfigurationError:
    return ConfigurationError([("store.database", text)])
