"""Durable things: documents, their octets, their history, their proofs, and whose they are.

``open_store`` gives the :class:`~gateway.ports.Store`. Inside, from the surface down:

=================  ==========================================================================
``opening.py``     a database and a folder become a store
``store.py``       the port's methods, each a few lines
``steps.py``       what one step does to one document (pure)
``documents.py``   the statements that add, claim and change documents, many at a time
``queries.py``     lists, pages and search; ``searching.py`` is the index of words behind it
``accounts.py``    accounts, API keys and participants
``operation.py``   the operator's word on the whole store; ``figures.py`` and ``ledger.py`` count it
``retention.py``   what is erased when; ``backup.py`` and ``restoring.py`` copy a store and bring it back
``letters.py``     letters, their states and history
``relations.py``   counterparts and how each is reached: ``counterparts.py``, ``proposals.py``
``octets.py``      octets in a row or in a file, packed, compared with their digest at every read
``writer.py``      group commit: the one place that writes
``session.py``     what a transaction can be asked, with statements written once
``transactions.py``  begin, work, commit: what the writer stands on
``reads.py``       questions beside the writer
``turns.py``       several processes on one file take turns at writing
``shared_clock.py`` one time for all nodes of one PostgreSQL
``database.py``    opening, settings, schema version, and what the database's errors mean
``tables.py``      the schema
=================  ==========================================================================
"""

from gateway.store.opening import hold_store, open_store
from gateway.store.store import SqlStore

__all__ = ["SqlStore", "hold_store", "open_store"]
