"""The way between access points: AS4 messages of the Peppol profile, from octets to values and back.

Everything here but ``http.py`` is a codec without I/O. Reading order: ``msh.py`` (one exchange, without a wire),
``wss/`` (signature and encryption), ``ebms.py`` (the message header), ``mime.py`` and ``soap.py`` (the outer gates).
"""
