"""The indexes of states are written so that SQLite makes no table for each row that it compares with them

Here they are dropped; as every index that is missing they are made anew when the steps are done.
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Drop both."""
    for name in ("message_trouble", "message_not_arrived"):
        op.drop_index(name, "message", if_exists=True)
