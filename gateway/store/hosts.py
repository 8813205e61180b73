"""How statements read octets of rows: a slice always together with the row that it is cut from (``packing.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, Table, literal_column, select

from gateway.store.packing import Kept
from gateway.store.session import Row

KEPT_COLUMNS: Final = Kept._fields[:5]


def with_host(table: Table, is_host: Callable[[FromClause], ColumnElement[bool]]) -> Select[Any]:
    """Octets of the table's rows, and beside each slice the octets of the row that it is cut from: for ``kept_of``."""
    host = table.alias("host")
    cut = table.c.octets.is_(None) & (table.c.file == literal_column("''"))
    found = table.outerjoin(host, cut & (host.c.message == table.c.message) & is_host(host))
    return select(*(side.c[name] for side in (table, host) for name in KEPT_COLUMNS)).select_from(found)


def kept_of(row: Row) -> Kept:
    """Where octets are, from the columns of ``with_host``."""
    most = len(KEPT_COLUMNS)
    host = Kept(*row[most:]) if row[most] is not None else None
    return Kept._make((*row[:most], host))
