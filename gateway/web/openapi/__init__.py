"""The API as OpenAPI 3.1: ``GET /api/openapi.json``.

``documents.py``, ``parties.py`` and ``operating.py`` list every call, ``objects.py`` what is answered; words that a
member can have are taken from the model. The tests hold each answer of the API against it. Source: OpenAPI 3.1.1,
JSON Schema 2020-12.
"""

from gateway.web.openapi.document import write_openapi

__all__ = ["write_openapi"]
