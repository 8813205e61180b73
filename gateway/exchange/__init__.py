"""What an access point does: accept, search, send, divert, dispatch; receive, deliver.

Everything here speaks in values and ports; which AS4 stack, database or printer stands behind a port is
decided in ``gateway/app.py``.
"""
