"""Addresses that take no mail stand with all that failed (``failed_address``), not in a table of their own."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_TEXT = ("id", "account", "channel", "address", "cause", "said", "document", "counterpart", "since")
_failed = sa.table("failed_address", *(sa.column(name, sa.Text) for name in _TEXT))


def upgrade() -> None:
    """Move the rows, where an early store has that table; make the other one first, where it is missing."""
    connection = op.get_bind()
    there = sa.inspect(connection).get_table_names()
    if "mail_address" not in there:
        return
    if "failed_address" not in there:
        op.create_table(
            "failed_address",
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("account", sa.Text, sa.ForeignKey("account.id"), nullable=False),
            *(sa.Column(name, sa.Text, nullable=False) for name in _TEXT[2:]),
            sa.Column("search_at", sa.Text),
        )
        op.create_index("failed_address_list", "failed_address", ["account", "since", "id"])
        searching = sa.text("search_at IS NOT NULL")
        op.create_index(
            *("failed_address_search", "failed_address", ["search_at"]),
            sqlite_where=searching,
            postgresql_where=searching,
        )
    known = set(connection.execute(sa.select(_failed.c.id)).scalars())
    old = sa.text("SELECT account, address, reason, document, since FROM mail_address")
    for account, address, reason, document, since in connection.execute(old).all():
        key = hashlib.sha256(f"{account}\nemail\n{address}".encode()).hexdigest()[:32]  # as in model/addresses.py
        if key not in known:
            row = {"id": key, "account": account, "channel": "email", "address": address, "cause": "bounced"}
            row |= {"said": reason, "document": document, "counterpart": "", "since": since}
            connection.execute(sa.insert(_failed).values(row))
    op.drop_table("mail_address")
