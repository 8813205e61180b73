"""The store on PostgreSQL: as many processes and nodes on one database as one likes, none of them the leader.

==================  =====================================================================
``connecting.py``   addresses, connections, what is checked of the server, its errors
``session.py``      what a transaction can be asked
``transactions.py`` begin, work, commit; what happens when the answer is lost
``reads.py``        questions beside the writer
``opening.py``      all of it together
==================  =====================================================================

Needs the extra ``postgres``.
"""
