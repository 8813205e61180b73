"""Connections to PostgreSQL: where it is, what it must promise, and what its errors mean."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import asyncpg
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from gateway.config.secrets import without_password
from gateway.errors import ConfigurationError, GatewayError, Overloaded, StateError, StoreUnavailable

Driver = Any
"""A connection of asyncpg (which has no types of its own)."""

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 15.0
"""How long one statement may take; after that the connection is given up."""
LOCK_MILLISECONDS: Final = 5000
OLDEST: Final = 150000
_SETTINGS: Final = {
    "application_name": "gateway",
    "lock_timeout": str(LOCK_MILLISECONDS),
    "idle_in_transaction_session_timeout": "30000",  # a process that stands still must not hold up the others
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialisation failure, deadlock, lock not got in time: nothing of the transaction is there; it can be repeated."""
_SURE: Final = frozenset({"on", "remote_apply"})
_OUR_FAULT: Final = ("22", "42601", "42703", "42883", "42804", "0A")
_START_POSTGRESQL: Final = "Start PostgreSQL, or correct store.database; nothing is accepted until it answers."


def number_of(name: str) -> int:
    """The key of an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"gateway:{name}".encode()).digest()[:8], "big", signed=True)


HOLD: Final = number_of("hold")
"""Shared by every process of every gateway on this database, whole for ``gateway db``."""


async def connect(url: str, **settings: str) -> Driver:
    """Connect; raises what the driver raises."""
    return await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, command_timeout=ANSWER_SECONDS, server_settings={**_SETTINGS, **settings}
    )


async def first_connection(url: str) -> Driver:
    """Connect at the start. Raises ``ConfigurationError``, or ``StoreUnavailable`` where the server is away."""
    try:
        driver = await connect(url)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise unusable(f"PostgreSQL does not let us in ({error}): check user, password and pg_hba.conf") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise unusable(f"{error}; make it: createdb NAME") from error
    except (asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
        raise StoreUnavailable(f"PostgreSQL cannot be used now: {error}", remedy=_START_POSTGRESQL) from error
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
        why = str(error) or "no answer"
        raise StoreUnavailable(f"{without_password(url)} cannot be reached: {why}", remedy=_START_POSTGRESQL) from error
    except (ValueError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
        raise unusable(f"{without_password(url)} cannot be used: {error}") from error
    return driver


_FACTS: Final = (
    "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'), "
    "current_setting('fsync'), current_setting('full_page_writes'), current_setting('server_encoding'), "
    "pg_is_in_recovery()"
)


async def weakness(driver: Driver) -> str:
    """Why what this server calls committed is not safe for money, with what to do; empty when it is."""
    version, synchronous, fsync, whole_pages, encoding, standby = await driver.fetchrow(_FACTS)
    if version < OLDEST:
        return f"PostgreSQL {version // 10000} is too old: 15 or newer is needed"
    if synchronous not in _SURE:
        return (
            f"synchronous_commit is {synchronous}: a power cut would take accepted documents with it; "
            "run ALTER DATABASE … SET synchronous_commit = on (or correct the role's or the server's setting)"
        )
    for name, value in (("fsync", fsync), ("full_page_writes", whole_pages)):
        if value != "on":
            return f"{name} is {value}: a power cut would destroy the database; set {name} = on in postgresql.conf"
    if encoding != "UTF8":
        return f"the database's encoding is {encoding}: make one with createdb --encoding=UTF8 --template=template0"
    if standby:
        return "the server is a standby, which cannot be written: name the primary"
    return ""


def unusable(text: str) -> ConfigurationError:
    return ConfigurationError([("store.database", text)])


def cause(error: BaseException) -> BaseException:
    """The driver's error inside SQLAlchemy's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or must be given up because nobody knows where it stands."""
    found = cause(error)
    if isinstance(found, asyncpg.PostgresError) and not isinstance(found, asyncpg.PostgresConnectionError):
        return str(found.sqlstate).startswith(("57P", "25P03"))
    lost = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
    return isinstance(found, lost) and not isinstance(found, ValueError)


def meaning(error: Exception) -> Exception:
    """Translate what SQLAlchemy and asyncpg raise; one that is neither comes back as it is.

    A refused row is a ``StateError`` (our own fault), anything else from the database is ``StoreUnavailable``.
    """
    found = cause(error)
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, NoConnectionFree):
        return Overloaded("Too many reads wait for the database")
    if isinstance(found, asyncpg.PostgresError):
        state = str(found.sqlstate)
        if state.startswith("23"):
            return StateError(f"The store refused a row: {found}")
        if not state.startswith(_OUR_FAULT):
            return StoreUnavailable(f"The database cannot be used: {found}")
    elif is_lost(error):
        return StoreUnavailable(f"The database cannot be used: {found or type(found).__name__}")
    elif isinstance(error, InvalidRequestError):  # SQLAlchemy's word for a connection that broke meanwhile
        return StoreUnavailable(f"The database cannot be used: {error}")
    return error
