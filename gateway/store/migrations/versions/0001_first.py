"""The first schema: stores that have it were made as a whole."""

revision = "0001"
down_revision = None
