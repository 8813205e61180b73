"""Tables of the second factor: the device of a person, codes for its loss, sign-ins that are half done."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from gateway.store.tables import Instant, metadata

factor = Table(
    "second_factor",
    metadata,
    Column("person", Text, ForeignKey("person.id"), primary_key=True),
    # The key of the device, encrypted under a key that is in no database.
    Column("sealed", Text, nullable=False),
    # The last time step of which a code was taken: none is taken twice.
    Column("step", BigInteger, nullable=False),
    Column("since", Instant, nullable=False),
)

# Each works once; only hashes are here.
recovery = Table(
    "recovery_code",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
)
Index("recovery_code_person", recovery.c.person)

# The password was right, the second step is missing: no session yet.
half = Table(
    "half_sign_in",
    metadata,
    Column("key", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("ends", Instant, nullable=False),
)
Index("half_sign_in_person", half.c.person)
