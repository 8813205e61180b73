"""The audit log is only added to, whoever asks the database: triggers refuse to change or remove a row.

They hold for this program too, so no mistake of ours rewrites who did what. They are no bar to the owner of the
database, who can take a trigger away.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Table, event, text

from gateway.store.operation_tables import audit

_WORDS: Final = "the audit log is only added to"
_SQLITE: Final = tuple(
    f"CREATE TRIGGER IF NOT EXISTS audit_no_{deed} BEFORE {deed} ON audit BEGIN SELECT RAISE(ABORT, '{_WORDS}'); END"
    for deed in ("update", "delete")
)
_POSTGRESQL: Final = (
    "CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_WORDS}' USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()",
)


def guard(connection: Connection) -> None:
    """Make the triggers where they are missing, in the open transaction."""
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE:
            connection.execute(text(statement))
        return
    known = text("SELECT 1 FROM pg_trigger WHERE tgname = 'audit_stays' AND tgrelid = to_regclass('audit')")
    if connection.execute(known).first() is None:
        for statement in _POSTGRESQL:
            connection.execute(text(statement))


def _made(table: Table, connection: Connection, **_: Any) -> None:
    guard(connection)


event.listen(audit, "after_create", _made)
