"""Octets may be a piece of another row's: a program that does not know that must not open the store

Nothing is converted: rows that were kept whole stay as they are.
"""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Only the number of the schema changes."""
