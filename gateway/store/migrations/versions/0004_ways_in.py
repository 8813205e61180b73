"""A session knows whether it began with a second factor; what began before is one of a password."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, where the store is old enough to have the table without it."""
    inspector = sa.inspect(op.get_bind())
    if "login" not in inspector.get_table_names() or "way" in [one["name"] for one in inspector.get_columns("login")]:
        return
    op.add_column("login", sa.Column("way", sa.Text, nullable=False, server_default="password"))
