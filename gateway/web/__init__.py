"""The edge over HTTP for business systems: API ``/v1``, health, and a page that says what this is.

From the outside in: ``api.py`` puts the routes together, ``frame.py`` is around every request (request id, problems,
security headers), ``auth.py`` finds the account of a key, ``body.py`` and ``query.py`` read what a stranger sent under
limits, ``problem.py`` is the one shape of every refusal. The calls themselves: ``documents.py``, ``contents.py``
(octets, page, evidence), ``inbox.py``, ``participants.py``, ``health.py``, ``home.py``. What the calls mean is
``docs/api.md``.
"""
